package agent

import (
	"runtime"
	"testing"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
)

// stacksOf are different stacks of a hundred frames.
func stacksOf(n int) jfr.Result {
	b := profile.NewBuilder(profile.CPU, profile.Limits{})
	frames := make([]uint32, 100)
	for i := range n {
		frames[i%len(frames)] = b.Function("f"+string(rune('a'+i%26)), profile.Java)
		frames[(i+1)%len(frames)] = b.Function("g"+string(rune('a'+i/26%26)), profile.Java)
		frames[(i+2)%len(frames)] = b.Function("h"+string(rune('a'+i/676%26)), profile.Java)
		b.Add(frames, profile.Amount{Value: 1e7, Count: 1})
	}
	set, coverage := b.Build()
	return jfr.Result{Sets: []profile.StackSet{set}, Coverage: []profile.Coverage{coverage}}
}

func TestMemoryOfALargeWindowIsGivenBack(t *testing.T) {
	d := &scripted{result: stacksOf(1500)}
	w, _ := ended(t, fixture(t, "cpu.jfr"), d)
	const garbage = 64 << 20
	large := make([]byte, garbage)
	for i := range large {
		large[i] = 1
	}
	released := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapReleased
	}
	before := released()
	runtime.KeepAlive(large)
	if err := w.collect(t.Context(), w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if after := released(); after < before+garbage/2 {
		t.Errorf("released %d MiB before, %d after", before>>20, after>>20)
	}
}

func TestLargeWindows(t *testing.T) {
	for n, want := range map[int]bool{10: false, 900: false, 1100: true} {
		var w profile.Window
		r := stacksOf(n)
		r.AddTo(&w)
		if isLarge(&w) != want {
			t.Errorf("%d stacks in %d of a hundred frames: large %t", n, len(w.Sets[0].Stacks), !want)
		}
	}
}
