package runas

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDoAsSelfRunsInPlace(t *testing.T) {
	ran := false
	if err := Do(Self(), func() error { ran = true; return nil }); err != nil || !ran {
		t.Fatalf("Do as self: ran %v, error %v", ran, err)
	}
}

// A switched thread has exactly the other's rights, and no other thread,
// least of all the main one, is changed.
func TestDoSwitchesOneThread(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("switching needs root")
	}
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			id := Identity{UID: 12000 + i, GID: 13000 + i}
			err := Do(id, func() error {
				if got := (Identity{unix.Geteuid(), unix.Getegid()}); got != id {
					t.Errorf("thread is %s, want %s", got, id)
				}
				if groups, _ := unix.Getgroups(); len(groups) != 0 {
					t.Errorf("thread has supplementary groups %v", groups)
				}
				_, err := os.ReadFile(secret)
				return err
			})
			if !errors.Is(err, os.ErrPermission) {
				t.Errorf("read as %s: %v, want permission denied", id, err)
			}
		})
	}
	wg.Wait()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(status), "Uid:\t0\t0\t0\t0") {
		t.Errorf("main thread changed its user: %s", status)
	}
	if _, err := os.ReadFile(secret); err != nil {
		t.Errorf("read as root afterwards: %v", err)
	}
}
