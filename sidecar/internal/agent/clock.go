package agent

import (
	"time"

	"github.com/podflame/podflame/sidecar/internal/clock"
	"github.com/podflame/podflame/sidecar/internal/timeline"
)

// Clock is the time as the agent sees it.
type Clock interface {
	Now() time.Time         // of the wall; it may be set
	Elapsed() time.Duration // since the boot of the kernel; nobody can set it
	Awake() time.Duration   // of that, without the time in which the machine slept
}

type systemClock struct{}

// SystemClock is the clock of this host.
func SystemClock() Clock { return systemClock{} }

func (systemClock) Now() time.Time         { return clock.Wall() }
func (systemClock) Elapsed() time.Duration { return clock.SinceBoot() }
func (systemClock) Awake() time.Duration   { return clock.Awake() }

// clockWatch notices that the wall clock was set, and that the machine has slept.
type clockWatch struct {
	clock  Clock
	zero   time.Time     // the wall when Elapsed was 0
	last   time.Duration // Elapsed when it was last right
	asleep time.Duration // how long the machine had slept when it was last asked
}

func watchClock(c Clock) clockWatch {
	return clockWatch{c, c.Now().Add(-c.Elapsed()), c.Elapsed(), asleep(c)}
}

// asleep is how long the machine has slept since its boot.
func asleep(c Clock) time.Duration {
	elapsed, awake, _ := clock.AtOnce(minStep/4, c.Elapsed, c.Awake)
	return elapsed - awake
}

// minStep is by how much a clock must have been set to be noticed; less is the
// clock's drift being corrected.
const minStep = 2 * time.Second

// read returns what the wall showed when Elapsed was 0, and Elapsed.
func (w *clockWatch) read() (zero time.Time, elapsed time.Duration) {
	now, elapsed, ok := clock.AtOnce(minStep/4, w.clock.Now, w.clock.Elapsed)
	if !ok {
		return w.zero, elapsed
	}
	return now.Add(-elapsed), elapsed
}

// stepped says whether the clock was set since the last step.
func (w *clockWatch) stepped() bool {
	zero, now := w.read()
	if zero.Sub(w.zero).Abs() >= minStep {
		return true
	}
	w.last = now
	return false
}

// sleeps says whether the machine has slept since slept was asked.
func (w *clockWatch) sleeps() bool { return asleep(w.clock)-w.asleep >= minStep }

// slept says whether the machine has slept since the last call.
func (w *clockWatch) slept() bool {
	now := asleep(w.clock)
	if now-w.asleep < minStep {
		return false
	}
	w.asleep = now
	return true
}

// step returns how the clock was set since the last call, on the clock before
// that; false if it was not.
func (w *clockWatch) step() (timeline.Step, bool) {
	zero, elapsed := w.read()
	if zero.Sub(w.zero).Abs() < minStep {
		w.last = elapsed
		return timeline.Step{}, false
	}
	s := timeline.Step{From: w.zero.Add(w.last), To: w.zero.Add(elapsed), By: zero.Sub(w.zero)}
	w.zero, w.last = zero, elapsed
	return s, true
}
