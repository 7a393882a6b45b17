package agent

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// mortal is a sidecar that may be killed before and after all that it does outside
// of its own memory, and whenever it looks at the clock.
type mortal struct {
	points int // passed so far
	last   int // at which it is killed; 0: never
}

type killed struct{}

func (m *mortal) around(do func() error) error {
	m.point()
	err := do()
	m.point()
	return err
}

func (m *mortal) point() {
	if m.points++; m.points == m.last {
		panic(killed{})
	}
}

// once is the spool of windows of which each is there once, as a spool keeps them.
type once struct {
	*memory
	sidecar *mortal
	fail    func(string, ...any)
}

func (o once) Put(ctx context.Context, w *profile.Window) error {
	return o.sidecar.around(func() error {
		for i, had := range o.all() {
			if had.ID != w.ID {
				continue
			}
			if a, b := had.CoverageOf(profile.CPU), w.CoverageOf(profile.CPU); !reflect.DeepEqual(a, b) {
				o.fail("window %s of %s is made again with %+v, and had %+v", w.ID, w.Start, b, a)
			}
			o.windows[i] = *w
			return nil
		}
		return o.memory.Put(ctx, w)
	})
}

// watched is the clock as the sidecar looks at it.
type watched struct {
	Clock
	sidecar *mortal
}

func (w watched) Now() time.Time {
	w.sidecar.point()
	return w.Clock.Now()
}

// mayDie does something in which the sidecar may be killed.
func mayDie(do func()) (died bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, died = r.(killed); !died {
				panic(r)
			}
		}
	}()
	do()
	return false
}

// A sidecar may be killed before and after each command, each access to the JVM's
// directory and each window: no sample is lost, and none is there twice; each that the profiler skipped is told once.
func TestKilledAtEachPoint(t *testing.T) {
	for name, events := range map[string][]string{"one session": {"cpu"}, "a session for each window": {"cpu", "alloc", "live"}} {
		t.Run(name, func(t *testing.T) {
			last := 1
			for ; dieAt(t, last, events); last++ {
				if last > 5000 {
					t.Fatal("there is no end to the points")
				}
			}
			t.Logf("%d points", last)
		})
	}
}

// dieAt kills the sidecar at a point of its life, and says whether it came so far.
func dieAt(t *testing.T, last int, events []string) bool {
	t.Helper()
	v := newWorld(inMemory(t), t.Fatalf)
	v.config.Settings.Events = events
	begin := func() {
		v.w.settings, v.w.target.JVMVersion = v.config.Settings, "17.0.9"
		v.w.spool = once{v.spool, &v.jvm.sidecar, t.Errorf}
		v.w.clock = watched{v.clock, &v.jvm.sidecar}
	}
	begin()
	v.jvm.sidecar.last = last
	died := mayDie(func() {
		for range 28 {
			v.pass(time.Second)
			v.w.step(t.Context())
		}
		v.w.finish(t.Context())
	})
	v.jvm.sidecar.last = 0
	v.kill()
	v.away(2)
	v.comeBack()
	begin()
	for range 25 {
		v.pass(time.Second)
		v.w.step(t.Context())
	}
	v.w.finish(t.Context())
	v.kill()
	if got := v.samples(); got != v.jvm.taken {
		t.Errorf("killed at point %d: %d samples are in the spool, the JVM has taken %d", last, got, v.jvm.taken)
	}
	if got := v.skipped(); got != v.jvm.skipped {
		t.Errorf("killed at point %d: windows tell of %d skipped samples, the profiler of %d", last, got, v.jvm.skipped)
	}
	for reason, lost := range v.lost() {
		switch reason {
		case profile.JVMStarting, profile.ProfilerStall, profile.SidecarRestarted, profile.ProfilerSkipped:
		case profile.SessionEnded: // between its stop and the next one
			if lost > 3*time.Second {
				t.Errorf("killed at point %d: %s are told as lost for %s", last, lost, reason)
			}
		default:
			t.Errorf("killed at point %d: %s are told as lost for %s", last, lost, reason)
		}
	}
	if v.jvm.file != nil {
		t.Errorf("killed at point %d: a session is left", last)
	}
	return died
}

// What a successor needs is saved once for each window, and at the two ends of a
// session.
func TestSavesOfAWindow(t *testing.T) {
	for name, test := range map[string]struct {
		events []string
		most   int64
	}{
		"one session":               {[]string{"cpu"}, 1},
		"a session for each window": {[]string{"cpu", "alloc", "live"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld(t.TempDir(), t.Fatalf)
			v.config.Settings.Events = test.events
			v.w.settings, v.w.target.JVMVersion = v.config.Settings, "17.0.9"
			v.lead(30)
			before, windows := v.w.marker.Serial, len(v.spool.profiled())
			v.lead(50)
			saves, made := v.w.marker.Serial-before, int64(len(v.spool.profiled())-windows)
			if made != 5 || saves > test.most*made {
				t.Errorf("%d saves for %d windows, want at most %d for each", saves, made, test.most)
			}
			v.finish(t)
		})
	}
}
