package target

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's account of a process is what it says to the process itself.
func TestCPUTime(t *testing.T) {
	f, err := NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	own := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for own() < 200*time.Millisecond {
		_ = make([]byte, 1<<20)
	}
	before := own()
	got, err := f.CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after := own(); got < before-20*time.Millisecond || got > after+20*time.Millisecond {
		t.Errorf("%s, want between %s and %s", got, before, after)
	}
	if _, err := f.CPUTime(1 << 30); err == nil {
		t.Error("a process that is not there has an account")
	}
}

func TestKernelTick(t *testing.T) {
	if tick := KernelTick(); tick < 100*time.Microsecond || tick > 10*time.Millisecond {
		t.Errorf("tick of %s", tick)
	}
}
