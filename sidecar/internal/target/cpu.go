package target

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime returns the CPU time, of user and system, that the kernel has charged
// to a process since it started, its ended threads included. It has the
// precision of USER_HZ, 10 ms.
func (f *Finder) CPUTime(pid int) (time.Duration, error) {
	proc, err := f.fs.Proc(pid)
	if err != nil {
		return 0, fmt.Errorf("find process %d: %w", pid, err)
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0, fmt.Errorf("read stat of process %d: %w", pid, err)
	}
	return time.Duration(stat.UTime+stat.STime) * time.Second / clockTicks, nil
}

// KernelTick returns the time between two ticks of the kernel, at which it
// looks at timers on CPU time; 0 if it does not say.
func KernelTick() time.Duration {
	var tick unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &tick); err != nil {
		return 0
	}
	return time.Duration(tick.Nano())
}
