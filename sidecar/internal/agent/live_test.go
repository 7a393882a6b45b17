package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

// Live objects are written when a session ends, so each window has one of its own.
func TestEachWindowWithLiveObjectsHasASession(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	pod := podDirectory{dir: t.TempDir()}
	v.config.Annotations = pod.file()
	v.w.target.JVMVersion = "17.0.9"
	annotate := func(events string) {
		if err := pod.write(map[string]string{contract.Events: events}); err != nil {
			t.Fatal(err)
		}
	}
	annotate("cpu,alloc,live")
	v.lead(20) // the first session may have begun before
	for range 3 {
		before := v.w.session()
		v.lead(10)
		if v.w.session() == before {
			t.Errorf("session %s has two windows", before)
		}
		if s := v.w.status(); !strings.Contains(s.Options, "live") || !slices.Contains(s.Settings.Events, "live") || s.Refused != "" {
			t.Errorf("status %+v", s)
		}
	}
	v.lead(60)
	annotate("cpu,alloc")
	v.lead(20)
	before := v.w.session()
	v.lead(30)
	if v.w.session() != before {
		t.Error("sessions go on ending with each window")
	}
	v.finish(t)
	v.checkWhole(t)
}

// Live is left out, and the target says why, where a session with it would not begin.
func TestLiveIsLeftOutWhereItCannotBe(t *testing.T) {
	for name, test := range map[string]struct {
		version, why string
		taken        bool // the sampler, by another agent
	}{
		"an old JVM":                    {"1.8.0_412", "Java 11", false},
		"one of no known version":       {"", "Java 11", false},
		"another agent has the sampler": {"17.0.9", "another agent", true},
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld(t.TempDir(), t.Fatalf)
			v.config.Settings.Events = []string{"cpu", "alloc", "live"}
			v.w.target.JVMVersion, v.jvm.noLive = test.version, test.taken
			v.w.settings = v.config.Settings
			v.w.settings = v.w.wish().settings
			v.lead(50)
			s := v.w.status()
			if v.w.session() == "" || !slices.Equal(s.Settings.Events, []string{"cpu", "alloc"}) || !strings.Contains(s.Refused, test.why) || strings.Contains(s.Options, "live") {
				t.Errorf("session %q, events %v, refused %q, options %s", v.w.session(), s.Settings.Events, s.Refused, s.Options)
			}
			v.finish(t)
			v.checkWhole(t)
		})
	}
}

// So few allocations are sampled that the profiler can follow all of their objects.
func TestLiveObjectsFitIntoTheTable(t *testing.T) {
	for _, window := range []time.Duration{contract.MinWindow, time.Minute, contract.MaxWindow} {
		if n := float64(liveRate(window)) * window.Seconds(); n > jfr.LiveTable || n < jfr.LiveTable/2 {
			t.Errorf("%.0f samples in windows of %s", n, window)
		}
	}
	v := newWorld(t.TempDir(), t.Fatalf)
	v.w.target.JVMVersion = "17.0.9"
	for events, want := range map[string]int{"cpu,alloc": 200, "cpu,alloc,live": liveRate(time.Minute)} {
		v.w.settings = contract.DefaultSettings()
		v.w.settings.Events = strings.Split(events, ",")
		if got := v.w.rules()["alloc"].Rate; got != want {
			t.Errorf("%s: %d allocation samples a second, want %d", events, got, want)
		}
	}
	v.finish(t)
}

// In real JVMs: what the program keeps is alive, what it drops is not.
func TestLiveObjectsOfAJVM(t *testing.T) {
	t.Parallel()
	for _, jdk := range []string{"17", "25"} {
		t.Run(jdk, func(t *testing.T) { checkLiveObjects(t, jdk) })
	}
}

func checkLiveObjects(t *testing.T, jdk string) {
	b := newBench(t, jvmtest.Options{JDK: jdk, Threads: []string{"live"}})
	b.config.Settings.Events, b.config.Settings.Window = []string{"cpu", "alloc", "live"}, contract.MinWindow
	b.config.Settings.AllocInterval = contract.MinAllocInterval
	b.config.Settings.Fix("alloc")
	b.start()
	of := func(w profile.Window, t profile.Type, method string) (n int64) {
		set := w.Set(t)
		if set == nil {
			return 0
		}
		for _, s := range set.Stacks {
			if slices.ContainsFunc(s.Frames, func(f uint32) bool { return set.Functions[f].Name == method }) {
				n += s.Count
			}
		}
		return n
	}
	b.await("live objects", func() bool {
		return slices.ContainsFunc(b.spool.profiled(), func(w profile.Window) bool { return of(w, profile.Live, "Workload.keep") > 0 })
	})
	b.stop()
	windows := b.spool.profiled()
	sessions := map[string]bool{}
	for i, w := range windows {
		if i > 0 {
			t.Logf("%s between two sessions, %d of %d objects alive", w.Recorded.Start.Sub(windows[i-1].Recorded.End), of(w, profile.Live, "Workload.keep"), of(w, profile.Alloc, "Workload.keep"))
		}
		if sessions[w.Session] {
			t.Errorf("session %s has two windows", w.Session)
		}
		sessions[w.Session] = true
		if n := of(w, profile.Live, "Workload.drop"); n > 0 {
			t.Errorf("window of %s: %d dropped objects are alive", w.Start, n)
		}
		if live, all := of(w, profile.Live, "Workload.keep"), of(w, profile.Alloc, "Workload.keep"); live > all {
			t.Errorf("window of %s: %d kept objects are alive, of %d", w.Start, live, all)
		}
	}
	b.checkContiguous(windows)
	if d := b.status().Difference; d > 50*time.Millisecond {
		t.Errorf("the account of time differs by %s from the windows", d)
	}
	b.jvm.CheckUntouched(t)
}
