package truth

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podflame/podflame/tests/internal/stack"
)

func TestEveryNumberIsTrue(t *testing.T) {
	f := startFleet(t)
	var running []*life
	for i := range *jvms {
		running = append(running, f.begin(f.jdkOf(i)))
	}
	f.pause(2 * window)
	f.suffer(running)
	f.settle()
	for _, l := range f.all {
		t.Run(l.service, func(t *testing.T) { f.compare(t, l) })
	}
}

// jdkName is the runtime of a life, as its service says.
func jdkName(l *life) string { return strings.Split(l.service, "-")[1] }

// spooled is the number of windows that wait for upload.
func spooled(t *testing.T, l *life) int {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(l.work, "state", "spool"))
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(files, func(e os.DirEntry) bool { return !strings.HasSuffix(e.Name(), ".window") }))
}

// unread are the recordings that no sidecar has read to their end.
func unread(t *testing.T, l *life) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(l.work, "shared", "*", "*.jfr"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// compare compares what the API says of a JVM with the recount.
func (f *fleet) compare(t *testing.T, l *life) {
	counted := f.recount(t, l)
	if left := unread(t, l); len(left) > 0 {
		t.Errorf("recordings are left that nobody has read: %v", left)
	}
	for _, typ := range []string{"cpu", "alloc", "lock"} {
		want, got := counted.types[typ], f.answer(t, l, typ)
		if want == nil {
			want = &tally{stacks: map[string]amount{}}
		}
		if sum := got.Coverage.Stored.add(got.Coverage.Truncated).add(got.Coverage.Dropped); sum != got.Coverage.Captured {
			t.Errorf("%s: captured %+v, stored + truncated + dropped %+v", typ, got.Coverage.Captured, sum)
		}
		if got.Coverage.Captured != want.total {
			t.Errorf("%s: the API says captured %+v, the recordings hold %+v", typ, got.Coverage.Captured, want.total)
		}
		stored := sumOf(got.stacks())
		if got.Coverage.Stored != stored || got.Total != stored {
			t.Errorf("%s: the API says stored %+v, total %+v, its stacks sum to %+v", typ, got.Coverage.Stored, got.Total, stored)
		}
		compareLosses(t, l, typ, got.Coverage.Losses, want.total.sub(stored))
		t.Logf("%s: %d samples, %d in %d stacks, %d lost", typ, want.total.Count, want.total.Value, len(want.stacks), want.total.sub(stored).Count)
		if want.total.Count == 0 && l.ended.Sub(l.began) > 3*window {
			t.Errorf("%s: nothing was recorded in %s", typ, l.ended.Sub(l.began))
		}
		if l.forgetful {
			want.stacks = atLeast(want.stacks, got.stacks())
		}
		if diff := cmp.Diff(want.stacks, got.stacks()); diff != "" {
			t.Errorf("%s: stacks (-recount +API):\n%s", typ, diff)
		}
		if rest := bytesOf(got.Coverage.NotCaptured); rest != counted.rest {
			t.Errorf("%s: the API says that %d bytes were not read, the recordings end with %d: %+v", typ, rest, counted.rest, got.Coverage.NotCaptured)
		}
	}
	f.compareTime(t, l, counted.recorded)
}

// compareLosses checks that what the recordings hold and the API does not show is
// told, reason by reason: a window that waited for too long is the only loss that
// these lives can have. That shares are estimates loses nothing; whether it is told
// depends on the JDK, and is tested where recordings are decoded.
func compareLosses(t *testing.T, l *life, typ string, told []loss, lost amount) {
	t.Helper()
	told = slices.DeleteFunc(told, func(l loss) bool { return l.Reason == "alloc_shares_estimated" })
	var want []loss
	if l.forgetful && lost != (amount{}) {
		want = []loss{{Outcome: "dropped", Reason: "spool_expired", Value: lost.Value, Count: lost.Count}}
	}
	if diff := cmp.Diff(want, told, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: %+v is lost; losses (-recount +API):\n%s", typ, lost, diff)
	}
}

func sumOf(stacks map[string]amount) (sum amount) {
	for _, a := range stacks {
		sum = sum.add(a)
	}
	return sum
}

func bytesOf(losses []loss) (sum int64) {
	for _, l := range losses {
		sum += l.Bytes
	}
	return sum
}

// atLeast is what a part of windows may show of what all hold: each stack at most
// as often.
func atLeast(all, some map[string]amount) map[string]amount {
	out := map[string]amount{}
	for stack, a := range some {
		most := all[stack]
		out[stack] = amount{min(a.Value, most.Value), min(a.Count, most.Count)}
	}
	return out
}

// compareTime checks that each moment was recorded, or told as lost. The recording
// goes on in some of the stalls, and has not begun in others: they are told with
// one reason, so they count as far as they are needed.
func (f *fleet) compareTime(t *testing.T, l *life, recorded time.Duration) {
	wall := l.ended.Sub(l.began)
	var told, stalled time.Duration
	for _, loss := range f.answer(t, l, "cpu").Coverage.NotCaptured {
		switch loss.Reason {
		case "profiler_stall":
			stalled += time.Duration(loss.DurationNs)
		case "spool_expired": // it was recorded
		default:
			told += time.Duration(loss.DurationNs)
		}
	}
	begun := min(max(wall-recorded-told, 0), stalled)
	slack := time.Duration(l.faults+1) * window
	if off := (recorded + told + begun - wall).Abs(); off > slack {
		t.Errorf("%s recorded, %s told as lost, %s as stalled, but it ran for %s: %s off after %d faults", recorded, told, stalled, wall, off, l.faults)
	}
	t.Logf("%s recorded, %s told as lost, %s as stalled, of %s, %d faults", recorded, told, stalled, wall, l.faults)
}

// answer is the whole flame graph of a JVM.
func (f *fleet) answer(t *testing.T, l *life, typ string) flame {
	t.Helper()
	ctx, cancel := contextOf(t)
	defer cancel()
	query := stack.Range(l.service, typ, f.started.Add(-time.Minute), time.Now().Add(time.Minute))
	query.Set("nodes", "262144")
	var got flame
	if err := f.backend.Get(ctx, "/api/v1/flame", url.Values(query), &got); err != nil {
		t.Fatal(err)
	}
	return got
}
