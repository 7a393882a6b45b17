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
	Awake() time.Duration   // of that, without the time in which the machine slept
}

type systemClock struct{}

// SystemClock is the clock of this host.
func SystemClock() Clock { return systemClock{} }

// Now has no monotonic part: recordings and other processes have none.
func (systemClock) Now() time.Time { return time.Now().Round(0) }

func (systemClock) Elapsed() time.Duration { return kernelTime(unix.CLOCK_BOOTTIME) }
func (systemClock) Awake() time.Duration   { return kernelTime(unix.CLOCK_MONOTONIC) }

// kernelTime reads a clock that every kernel since 2.6.39 has.
func kernelTime(clock int32) time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(clock, &t)
	return time.Duration(t.Nano())
}

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

// asleep is how long the machine has slept since its boot. Both clocks are read at one
// moment, see clockWatch.read.
func asleep(c Clock) (d time.Duration) {
	for range readAttempts {
		before := c.Awake()
		elapsed := c.Elapsed()
		after := c.Awake()
		if d = elapsed - after; after-before < minStep/4 {
			break
		}
	}
	return d
}

// minStep is by how much a clock must have been set to be noticed; less is the
// clock's drift being corrected.
const minStep = 2 * time.Second

// readAttempts bounds how often two clocks are read until it was at one moment.
const readAttempts = 5

// read returns what the wall showed when Elapsed was 0, and Elapsed. Both are read
// at one moment, however seldom this process gets the CPU.
func (w *clockWatch) read() (zero time.Time, elapsed time.Duration) {
	for range readAttempts {
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

// sleeps says whether the machine has slept since slept was asked.
func (w *clockWatch) sleeps() bool { return asleep(w.clock)-w.asleep >= minStep }

// slept says whether the machine has slept since the last call.
func (w *clockWatch) slept() bool {
	if !w.sleeps() {
		return false
	}
	w.asleep = asleep(w.clock)
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
