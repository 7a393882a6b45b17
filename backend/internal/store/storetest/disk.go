package storetest

import (
	"sync"
	"syscall"
	"testing"
)

// ReadOnly makes a directory read-only, also for who has opened it, until the
// returned function is called.
func ReadOnly(tb testing.TB, dir string) (writable func()) {
	tb.Helper()
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		tb.Skipf("mount a directory: %v", err)
	}
	writable = sync.OnceFunc(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(writable)
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		tb.Fatal(err)
	}
	return writable
}
