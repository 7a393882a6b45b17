// Package runas runs a function with the credentials of another user, on one
// operating system thread and never on the whole process.
//
// A sidecar that runs as root looks into a JVM, and writes where the JVM reads,
// only as the JVM's own user: then nothing the application puts in its way (a
// symlink, a FIFO, a foreign mount) gives it more than the application has
// itself, and no capability beyond SETUID and SETGID is needed.
package runas

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Identity is an effective user and group.
type Identity struct{ UID, GID int }

// String returns "uid:gid".
func (id Identity) String() string { return fmt.Sprintf("%d:%d", id.UID, id.GID) }

// Self is the identity of this process.
func Self() Identity { return Identity{UID: unix.Geteuid(), GID: unix.Getegid()} }

// ErrCannotSwitch is returned by Do for another identity than our own if this
// process is not root.
var ErrCannotSwitch = errors.New("only root can act as another user")

// Do runs fn as id and returns its error. If id is our own identity, fn runs on
// the calling goroutine. Otherwise it runs on a thread that drops to id for
// good and ends with fn: file descriptors fn opens stay valid, but it must not
// start processes.
func Do(id Identity, fn func() error) error {
	if id == Self() {
		return fn()
	}
	if unix.Geteuid() != 0 {
		return fmt.Errorf("act as %s: %w", id, ErrCannotSwitch)
	}
	done := make(chan error, 1)
	go func() { done <- onThreadOfItsOwn(id, fn) }()
	return <-done
}

// Ourselves runs fn with the credentials of this process, also where the caller
// runs as somebody else.
func Ourselves(fn func() error) error {
	done := make(chan error, 1)
	go func() { done <- fn() }() // another thread: the caller's is locked to it
	return <-done
}

// onThreadOfItsOwn spends the current thread: the goroutine ends without
// unlocking it, so the runtime destroys it. The process's main thread must not
// be spent, because /proc/PID/status would show its credentials as ours.
func onThreadOfItsOwn(id Identity, fn func() error) error {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		done := make(chan error, 1)
		go func() { done <- onThreadOfItsOwn(id, fn) }()
		return <-done
	}
	if err := dropThreadTo(id); err != nil {
		return err
	}
	return fn()
}

// dropThreadTo uses raw system calls: those of package syscall change all
// threads. Groups go first, while the thread is still root.
func dropThreadTo(id Identity) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return fmt.Errorf("clear supplementary groups of thread: %w", errno)
	}
	gid, uid := uintptr(id.GID), uintptr(id.UID)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return fmt.Errorf("set gid %d of thread: %w", id.GID, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return fmt.Errorf("set uid %d of thread: %w", id.UID, errno)
	}
	return nil
}
