package agent

import (
	"time"

	"github.com/podflame/podflame/sidecar/internal/timeline"
	"golang.org/x/sys/unix"
)

// Clock is the time as the agent sees it.
type Clock interface {
	Now() time.Time         // of the wall; it may be set
	Elapsed() time.Duration // since the boot of the kernel; nobody can set it
}

type systemClock struct{}

// SystemClock is the clock of this host.
func SystemClock() Clock { return systemClock{} }

// Now has no monotonic part: recordings and other processes have none.
func (systemClock) Now() time.Time { return time.Now().Round(0) }

func (systemClock) Elapsed() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // every kernel since 2.6.39 has it
	return time.Duration(t.Nano())
}

// clockWatch notices that the wall clock was set.
type clockWatch struct {
	clock Clock
	zero  time.Time     // the wall when Elapsed was 0
	last  time.Duration // Elapsed when it was last right
}

func watchClock(c Clock) clockWatch { return clockWatch{c, c.Now().Add(-c.Elapsed()), c.Elapsed()} }

// minStep is by how much a clock must have been set to be noticed; less is the
// clock's drift being corrected.
const minStep = 2 * time.Second

// read returns what the wall showed when Elapsed was 0, and Elapsed. Both are read
// at one moment, however seldom this process gets the CPU.
func (w *clockWatch) read() (zero time.Time, elapsed time.Duration) {
	const attempts = 5
	for range attempts {
		before := w.clock.Elapsed()
		now := w.clock.Now()
		elapsed = w.clock.Elapsed()
		zero = now.Add(-elapsed)
		if elapsed-before < minStep/4 {
			return zero, elapsed
		}
	}
	return w.zero, elapsed
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
