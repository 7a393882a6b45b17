// Package clock reads the clocks of the kernel, and two of them at one moment.
package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// Wall is the time of day, which may be set. It has no monotonic part: recordings and
// other processes have none.
func Wall() time.Time { return time.Now().Round(0) }

// SinceBoot is the time since the boot of the kernel. Nobody can set it.
func SinceBoot() time.Duration { return read(unix.CLOCK_BOOTTIME) }

// Awake is the time since the boot, without that in which the machine slept.
func Awake() time.Duration { return read(unix.CLOCK_MONOTONIC) }

// read reads a clock that every kernel since 2.6.39 has.
func read(id int32) time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(id, &t)
	return time.Duration(t.Nano())
}

const attempts = 5

// AtOnce reads a clock and another one at one moment, however seldom this process gets
// the CPU: within what is given, of the other's time. It tries some times and returns
// what it read last, and false, if it never was.
func AtOnce[T any](within time.Duration, clock func() T, other func() time.Duration) (at T, then time.Duration, ok bool) {
	for range attempts {
		before := other()
		at = clock()
		if then = other(); then-before < within {
			return at, then, true
		}
	}
	return at, then, false
}
