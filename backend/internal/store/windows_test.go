package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
)

// headerAt is that of a window of a minute, with a recording of 10 samples if it is
// of a type.
func headerAt(series uint64, start int64, kind string) *windowHeader {
	h := &windowHeader{
		series: series, start: time.Unix(start, 0), kind: kind, length: 60, begin: start * 1e9, end: (start + 60) * 1e9,
		born: time.Unix(int64(series), 0), received: time.Unix(start+60, 0), kernelCPU: -1, print: 1,
	}
	if kind != "" {
		h.stored, h.captured = profile.Amount{Value: 100, Count: 10}, profile.Amount{Value: 110, Count: 11}
	}
	return h
}

// withoutRecording is the header of a window that only says why there is none.
func withoutRecording(series uint64, start int64) *windowHeader {
	h := headerAt(series, start, "")
	h.untyped, h.end = 1, 0
	return h
}

func TestWindowsAreCountedFromTheirHeaders(t *testing.T) {
	const from = 36_000 // begins an hour
	b := newBoard(profile.CPU, seconds{from, from + 240}, steps{from, 60})
	b.reports.of = map[uint64]report{}
	c := windowCount{asked: asked{board: b}, limit: 2, targets: map[uint64]*targetWindows{}, stale: map[int64]bool{}, freshAfter: map[int64]int64{from: (from + 200) * 1000}}
	part := headerAt(1, from+60, "cpu") // of a window that a restart cut
	part.length, part.kernelCPU = 20, 7
	for _, h := range []*windowHeader{
		withoutRecording(1, from-30), // reaches into the range
		headerAt(1, from-120, ""), headerAt(1, from-120, "cpu"),
		headerAt(1, from, ""), headerAt(1, from, "cpu"),
		headerAt(1, from+60, ""), headerAt(1, from+60, "cpu"), headerAt(1, from+60, ""), part,
		headerAt(2, from+60, ""), headerAt(2, from+60, "cpu"),
		withoutRecording(1, from+120), headerAt(1, from+120, "cpu"), // it has a recording as well
		withoutRecording(1, from+180), withoutRecording(3, from+180),
	} {
		c.add(h)
	}
	c.end(moment{at: (from + 10_000) * 1000})
	if want := (seen{prints: 12, gaps: 1}); c.seen != want {
		t.Errorf("seen %+v, want %+v", c.seen, want)
	}
	if d := cmp.Diff([]int64{from}, b.stale); d != "" {
		t.Errorf("stale hours (-want +got):\n%s", d)
	}
	if !b.uncounted || b.targets != 2 {
		t.Errorf("%d targets, uncounted %v, want 2 and one more", b.targets, b.uncounted)
	}
	type cell struct {
		stored, lost, seconds int64
		amount                profile.Amount
		recorded              time.Duration
		kernel                Kernel
	}
	var got []cell
	for _, c := range b.cells {
		got = append(got, cell{c.Windows.Stored, c.Windows.Lost, c.lostSeconds, c.Ledger.Stored, c.Time.Recorded, c.Kernel})
	}
	want := []cell{
		{stored: 1, amount: profile.Amount{Value: 100, Count: 10}, recorded: time.Minute},
		{stored: 2, amount: profile.Amount{Value: 300, Count: 30}, recorded: 160 * time.Second, kernel: Kernel{Windows: 1, Charged: 7, Profiled: 110}},
		{stored: 1, amount: profile.Amount{Value: 100, Count: 10}, recorded: time.Minute},
		{lost: 2, seconds: 120},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(cell{})); d != "" {
		t.Errorf("cells (-want +got):\n%s", d)
	}
}

// A sum beyond 2^63 is told, whatever is added to it afterwards.
func TestSumsOfWindowsStayBeyondWhatIsExact(t *testing.T) {
	b := newBoard(profile.CPU, seconds{0, 180}, steps{0, 60})
	c := windowCount{asked: asked{board: b}, limit: 9, targets: map[uint64]*targetWindows{}}
	for i := range int64(3) {
		h := headerAt(1, i*60, "cpu")
		h.kernelCPU = 1 << 62
		c.add(h)
	}
	c.end(moment{})
	if _, err := b.settle("test"); err == nil {
		t.Error("the sum of 3 times 2^62 is taken for exact")
	}
}
