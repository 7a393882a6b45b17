package agent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/target"
	"pgregory.net/rapid"
)

func at(seconds float64) time.Time { return time.UnixMilli(int64(seconds * 1000)).UTC() }

func chunk(from, to float64) jfr.Chunk { return jfr.Chunk{Start: at(from), End: at(to), Size: 1} }

func TestGroupChunks(t *testing.T) {
	type span struct {
		From, To float64
		Chunks   int
	}
	tests := []struct {
		name   string
		chunks []jfr.Chunk
		want   []span
	}{
		{"none", nil, nil},
		{"one window each", []jfr.Chunk{chunk(60.1, 120.1), chunk(120.1, 180.2)}, []span{{60, 120, 1}, {120, 180, 1}}},
		{"first chunk of a session", []jfr.Chunk{chunk(75, 75.1), chunk(75.1, 120.1)}, []span{{60, 120, 2}}},
		{"a slow dump", []jfr.Chunk{chunk(60, 124), chunk(124, 180)}, []span{{60, 120, 1}, {120, 180, 1}}},
		{"large chunks", []jfr.Chunk{chunk(60, 80), chunk(80, 100), chunk(100, 120.1)}, []span{{60, 120, 3}}},
		{"no sidecar, chunks by themselves", []jfr.Chunk{chunk(0, 75), chunk(75, 150), chunk(150, 225), chunk(225, 300)},
			[]span{{0, 60, 1}, {60, 180, 1}, {180, 240, 1}, {240, 300, 1}}},
		{"no sidecar, one chunk", []jfr.Chunk{chunk(60, 310), chunk(310, 360)}, []span{{60, 300, 1}, {300, 360, 1}}},
		{"long before short", []jfr.Chunk{chunk(75, 150), chunk(150, 190)}, []span{{60, 120, 1}, {120, 180, 1}}},
		{"times out of range", []jfr.Chunk{chunk(-1000, -900), chunk(120, 1e6)}, []span{{0, 60, 1}, {120, 1020, 1}}},
		{"clock set back", []jfr.Chunk{chunk(120, 180), chunk(60, 119)}, []span{{120, 180, 2}}},
		{"no times at all", []jfr.Chunk{{Size: 1}}, []span{{0, 60, 1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []span
			for _, g := range groupChunks(test.chunks, time.Minute, at(0), at(1000)) {
				got = append(got, span{float64(g.start.Unix()), float64(g.end.Unix()), len(g.chunks)})
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("windows (-want +got):\n%s", diff)
			}
		})
	}
}

// However chunks lie: each is in one window, in order; windows are aligned and
// do not overlap; and a window that is made from the chunks known so far has
// the same chunks as when it is made again later.
func TestGroupsAreStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.IntRange(5, 90).Draw(t, "window")) * time.Second
		now := at(1_000_000)
		var chunks []jfr.Chunk
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			next := now.Add(time.Duration(rapid.IntRange(1, 200_000).Draw(t, "ms")) * time.Millisecond)
			chunks = append(chunks, jfr.Chunk{Offset: int64(len(chunks)), Size: 1, Start: now, End: next})
			now = next
		}
		all := groupChunks(chunks, window, at(0), now)
		offset := int64(0)
		for i, g := range all {
			for _, c := range g.chunks {
				if c.Offset != offset {
					t.Fatalf("chunk %d comes at the place of %d", c.Offset, offset)
				}
				offset++
			}
			if floor(g.start, window) != g.start || floor(g.end, window) != g.end || !g.start.Before(g.end) {
				t.Fatalf("window %s to %s", g.start, g.end)
			}
			if i > 0 && g.start.Before(all[i-1].end) {
				t.Fatalf("window of %s overlaps the one before", g.start)
			}
		}
		if offset != int64(len(chunks)) {
			t.Fatalf("%d of %d chunks are in windows", offset, len(chunks))
		}
		known := rapid.IntRange(1, len(chunks)).Draw(t, "known")
		end := chunks[known-1].End
		for i, g := range groupChunks(chunks[:known], window, at(0), end) {
			complete := !end.Before(g.end)
			if complete && len(g.chunks) != len(all[i].chunks) {
				t.Fatalf("window of %s had %d chunks when it was complete, later %d", g.start, len(g.chunks), len(all[i].chunks))
			}
		}
	})
}

func TestGaps(t *testing.T) {
	var g gaps
	g.set(at(100), profile.JVMStarting)
	g.set(at(103), profile.Conflict)
	g.set(at(105), profile.Conflict)
	g.set(at(107), "")
	g.add(profile.ProfilerStall, time.Millisecond)
	want := []profile.Loss{
		{Outcome: profile.Dropped, Reason: profile.Conflict, Duration: 4 * time.Second},
		{Outcome: profile.Dropped, Reason: profile.JVMStarting, Duration: 3 * time.Second},
		{Outcome: profile.Dropped, Reason: profile.ProfilerStall, Duration: time.Millisecond},
	}
	if diff := cmp.Diff(want, g.take(at(120))); diff != "" {
		t.Errorf("first window (-want +got):\n%s", diff)
	}
	if losses := g.take(at(180)); len(losses) != 0 {
		t.Errorf("a profiled window has losses %v", losses)
	}
	g.set(at(200), profile.SessionEnded)
	if losses := g.take(at(240)); len(losses) != 1 || losses[0].Duration != 40*time.Second {
		t.Errorf("losses %v", losses)
	}
	if losses := g.take(at(300)); len(losses) != 1 || losses[0].Duration != 60*time.Second {
		t.Errorf("a gap that goes on: %v", losses)
	}
}

func TestServiceName(t *testing.T) {
	for main, want := range map[string]string{"": "java", "shop.jar": "shop", "com.example.Shop": "Shop", "Shop": "Shop", "mod/com.example.Shop": "Shop"} {
		if got := serviceName(main); got != want {
			t.Errorf("serviceName(%q) = %q, want %q", main, got, want)
		}
	}
}

func TestJournal(t *testing.T) {
	path := t.TempDir() + "/jvms.json"
	open := func() *journal {
		t.Helper()
		j, err := openJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	p := target.Process{PID: 7, StartTicks: 9, Start: at(1000.1234), MainClass: "Main"}
	start := open().start(p)
	p.Start = p.Start.Add(900 * time.Millisecond) // the clock was set
	if got := open().start(p); !got.Equal(start) {
		t.Errorf("start moved from %s to %s with the clock", start, got)
	}
	p.Start = p.Start.Add(time.Hour) // another process after a reboot
	if got := open().start(p); got.Equal(start) {
		t.Error("another process has the start of the first")
	}
	open().ended(p, at(5))
	j := open()
	if until := j.begun(p); !until.Equal(at(5)) {
		t.Errorf("session ended at %s", until)
	}
	if until := open().begun(p); !until.IsZero() {
		t.Errorf("the end is told twice: %s", until)
	}
	open().crashed(p, "begin")
	if c, ok := open().crash(target.Process{PID: 99, MainClass: "Main"}); !ok || c.PID != 7 || c.Op != "begin" {
		t.Errorf("crash %+v %v", c, ok)
	}
	if _, ok := open().crash(target.Process{PID: 99, MainClass: "Other"}); ok {
		t.Error("another kind of JVM is left alone too")
	}
	j = open()
	for i := range 2 * maxJournalEntries {
		j.start(target.Process{PID: 1000 + i})
	}
	if n := len(open().data.JVMs); n > maxJournalEntries {
		t.Errorf("journal holds %d JVMs", n)
	}
}
