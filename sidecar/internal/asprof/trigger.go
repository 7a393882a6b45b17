package asprof

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"golang.org/x/sys/unix"
)

const (
	// foreignTriggerWait is how long we wait for a trigger file that we have not
	// made: another client, or an earlier sidecar, may have sent the signal.
	foreignTriggerWait = 2 * time.Second
	// resignalAfter is when a signal that had no effect may be sent once more.
	// Sent too early, the JVM would answer the second with a thread dump.
	resignalAfter = 2 * time.Minute
)

// startingFor is how long a JVM may take to install its handler of SIGQUIT. One
// that takes longer never will: an option that we do not see forbids it.
const startingFor = 2 * time.Minute

// awaitSocket returns when the JVM listens. It wakes the listener if necessary:
// trigger file first, then SIGQUIT, never the one without the other. A trigger
// stays when the wait ends without a socket, because the signal may still be
// on its way.
func (a attachment) awaitSocket(ctx context.Context) error {
	if ok, err := a.socketExists(); ok || err != nil {
		return err
	}
	if err := a.checkSignalIsSafe(); err != nil {
		return err
	}
	foreign, err := a.createTrigger()
	if err != nil {
		return err
	}
	if foreign && a.jvm.signalled.IsZero() {
		wait, cancel := context.WithTimeout(ctx, foreignTriggerWait)
		err := a.pollSocket(wait)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	if err := a.signalOnce(); err != nil {
		return err
	}
	return a.pollSocket(ctx)
}

func (a attachment) checkSignalIsSafe() error {
	if a.p.ReducedSignals {
		return a.failed(profile.SignalsReduced, "attach", nil)
	}
	signals, err := a.procs.Signals(a.p.PID)
	switch {
	case err != nil:
		return err
	case signals.Stopped:
		return a.failed(profile.AttachTimeout, "attach", errors.New("the process is stopped"))
	case !signals.CatchesQuit && time.Since(a.p.Start) > startingFor:
		return a.failed(profile.SignalsReduced, "attach", errors.New("SIGQUIT is not handled"))
	case !signals.CatchesQuit:
		return a.failed(profile.JVMStarting, "attach", errors.New("SIGQUIT is not handled yet"))
	case !a.procs.PastStart(a.p):
		return a.failed(profile.JVMStarting, "attach", errors.New("the attach listener cannot be started yet"))
	}
	var st unix.Stat_t
	tmp := a.procs.Path(a.p.PID, "root", "tmp")
	if err := unix.Stat(tmp, &st); err != nil {
		return fmt.Errorf("look at %s: %w", tmp, err)
	}
	if err := unix.Access(tmp, unix.W_OK|unix.X_OK); err != nil {
		return a.failed(profile.TmpNotWritable, "attach", fmt.Errorf("write to %s: %w", tmp, err))
	}
	return nil
}

// createTrigger makes the file that the JVM looks for when SIGQUIT arrives, in
// its working directory or in /tmp. foreign is true if there was one already.
func (a attachment) createTrigger() (foreign bool, err error) {
	if a.jvm.triggerFor != "" {
		return false, nil
	}
	name := ".attach_pid" + strconv.Itoa(a.p.NSPID)
	for _, dir := range []string{a.procs.Path(a.p.PID, "cwd"), a.procs.Path(a.p.PID, "root", "tmp")} {
		path := dir + "/" + name
		foreign, err = makeOwned(path, a.p.Identity.UID)
		if err == nil {
			if !foreign {
				a.jvm.triggerFor = path
			}
			return foreign, nil
		}
	}
	return false, a.failed(profile.TmpNotWritable, "create attach trigger", err)
}

// makeOwned creates an empty file and makes sure that it belongs to uid: some
// file systems give files to somebody else, and then the JVM ignores it.
func makeOwned(path string, uid int) (existed bool, err error) {
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err == nil {
		_ = unix.Close(fd)
	} else if existed = errors.Is(err, unix.EEXIST); !existed {
		return false, fmt.Errorf("create %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return existed, fmt.Errorf("look at %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG && int(st.Uid) == uid {
		return existed, nil
	}
	if !existed {
		_ = unix.Unlink(path)
	}
	return existed, fmt.Errorf("%s is not a file of uid %d", path, uid)
}

func (j *jvm) removeTrigger() {
	if j.triggerFor != "" {
		_ = unix.Unlink(j.triggerFor)
		j.triggerFor = ""
	}
}

// signalOnce sends SIGQUIT through a pidfd, so that it cannot reach a process
// that has taken over the pid, and only after one more look at the handler.
func (a attachment) signalOnce() error {
	if !a.jvm.signalled.IsZero() && time.Since(a.jvm.signalled) < resignalAfter {
		return nil
	}
	pidfd, err := unix.PidfdOpen(a.p.PID, 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", a.p.PID, err)
	}
	defer unix.Close(pidfd)
	if !a.procs.Alive(a.p) {
		return a.failed(profile.JVMExited, "attach", nil)
	}
	if err := a.checkSignalIsSafe(); err != nil {
		return err
	}
	if err := unix.PidfdSendSignal(pidfd, unix.SIGQUIT, nil, 0); err != nil {
		return fmt.Errorf("signal process %d: %w", a.p.PID, err)
	}
	a.jvm.signalled = time.Now()
	return nil
}

func (a attachment) pollSocket(ctx context.Context) error {
	for {
		if ok, err := a.socketExists(); ok || err != nil {
			return err
		}
		if !a.procs.Alive(a.p) {
			return a.failed(profile.JVMExited, "attach", nil)
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return a.failed(profile.AttachTimeout, "wait for attach socket", err)
		}
	}
}
