package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/podflame/podflame/sidecar/internal/safefile"
	"golang.org/x/sys/unix"
)

// ErrOtherOwner means that another living sidecar is at work in this JVM.
var ErrOtherOwner = errors.New("another sidecar is at work here")

// Lock is the ownership of a JVM among sidecars. The kernel releases it when
// its owner dies, however that happens.
type Lock struct{ file *os.File }

// Lock takes the ownership, or returns ErrOtherOwner.
func (d Dir) Lock() (*Lock, error) {
	path := filepath.Join(string(d), "owner.lock")
	file, err := safefile.Create(path, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open owner's lock: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrOtherOwner
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{file: file}, nil
}

// Release gives the ownership up. It is safe to call on nil and twice.
func (l *Lock) Release() {
	if l != nil {
		_ = l.file.Close()
	}
}
