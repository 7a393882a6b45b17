package target

import (
	"time"

	"github.com/podflame/podflame/sidecar/internal/clock"
)

// bootTime is when the kernel booted. It moves when the clock is set: a JVM that
// starts after the clock was set back by an hour would else seem to start in an hour.
type bootTime struct {
	read time.Time        // from procfs
	wall func() time.Time // see wallAtBoot
	then time.Time        // what wall was when it was read
}

func newBootTime(read time.Time, wall func() time.Time) bootTime {
	return bootTime{read, wall, wall()}
}

// minClockStep is by how much a clock must have been set to move the boot time; less
// is the time from one call to the kernel to the next.
const minClockStep = time.Second

func (b bootTime) now() time.Time {
	by := b.wall().Sub(b.then)
	if by.Abs() < minClockStep {
		return b.read
	}
	return b.read.Add(by)
}

// wallAtBoot is what the clock would have shown at the boot of the kernel.
func wallAtBoot() time.Time {
	now, since, _ := clock.AtOnce(minClockStep/4, clock.Wall, clock.SinceBoot)
	return now.Add(-since)
}
