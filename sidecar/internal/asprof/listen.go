package asprof

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/runas"
	"golang.org/x/sys/unix"
)

// settle is how long a socket may take to appear once its listener runs, and how
// long it is waited for after a signal of long ago.
const settle = 2 * time.Second

// awaitSocket returns when the JVM listens. It wakes the listener if necessary,
// by one SIGQUIT until the JVM has answered it. Another one needs the evidence
// that the socket was removed under a JVM that makes it again.
func (a attachment) awaitSocket(ctx context.Context) error {
	if ok, err := a.listens(ctx, 0); ok || err != nil {
		return err
	}
	if at := a.memory.Signalled(a.p); !at.IsZero() {
		ok, err := a.listens(ctx, settle)
		if ok || err != nil {
			return err
		}
		return a.failed(profile.SignalUnanswered, "attach", fmt.Errorf("it was sent at %s", at.UTC().Format(time.RFC3339)))
	}
	if ok, err := a.listensAlready(ctx); ok || err != nil {
		return err
	}
	if err := a.wake(); err != nil {
		return err
	}
	_, err := a.listens(ctx, forever)
	return err
}

// listensAlready waits for the socket of a listener that runs without our doing.
// One without a socket is either past help or may be woken once more.
func (a attachment) listensAlready(ctx context.Context) (bool, error) {
	signs, err := a.procs.Signs(a.p)
	if err != nil || !signs.Threads.Listener {
		return false, err
	}
	if ok, err := a.listens(ctx, settle); ok || err != nil {
		return ok, err
	}
	switch removed, err := a.procs.Listens(a.p.PID, a.socketName()); {
	case err != nil:
		return false, err
	case !removed:
		return false, a.failed(profile.SocketMissing, "attach", errors.New("the process has no such socket"))
	case !remakesSocket(a.p.Version):
		return false, a.failed(profile.SocketMissing, "attach", errors.New(missingSocket(a.p.Version)))
	}
	return false, nil
}

// forever is as long as the command may take.
const forever = time.Hour

// listens waits for the attach socket. Once it is there, no signal is on its way
// any more and the trigger can go. It returns false when the time is up.
func (a attachment) listens(ctx context.Context, limit time.Duration) (bool, error) {
	for end := time.Now().Add(limit); ; {
		if ok, err := a.socketExists(); err != nil {
			return false, err
		} else if ok {
			a.answered()
			return true, nil
		}
		if !a.procs.Alive(a.p) {
			return false, a.failed(profile.JVMExited, "attach", nil)
		}
		if !time.Now().Before(end) {
			return false, nil
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return false, a.failed(profile.AttachTimeout, "wait for attach socket", err)
		}
	}
}

// answered removes the trigger and forgets the signal. Where that cannot be
// written the JVM will just not be signalled again.
func (a attachment) answered() {
	a.jvm.trigger.remove()
	if a.memory.Signalled(a.p).IsZero() {
		return
	}
	_ = unix.Unlink(a.tmp() + "/" + a.triggerName()) // of an earlier sidecar
	_ = a.note(time.Time{})
}

// note is for the memory, which is ours and not the JVM's user's.
func (a attachment) note(at time.Time) error {
	return runas.Ourselves(func() error { return a.memory.SetSignalled(a.p, at) })
}

// wake starts the attach listener: trigger file first, then SIGQUIT, never the
// one without the other.
func (a attachment) wake() error {
	if err := a.maySignal(); err != nil {
		return err
	}
	if err := a.checkTmp(); err != nil {
		return err
	}
	if err := a.placeTrigger(); err != nil {
		return err
	}
	return a.signal()
}

func (a attachment) maySignal() error {
	signs, err := a.procs.Signs(a.p)
	if err != nil {
		return err
	}
	if reason, detail := RefuseSignal(a.p, signs, a.signalLaunchers); reason != "" {
		err := a.failed(reason, "attach", nil)
		if detail != "" {
			err = a.failed(reason, "attach", errors.New(detail))
		}
		return err
	}
	return nil
}

// signal sends SIGQUIT through a pidfd, so that it cannot reach a process that
// has taken over the pid, and only after one more look. The memory comes first:
// better a signal noted that was never sent than one sent twice.
func (a attachment) signal() error {
	pidfd, err := unix.PidfdOpen(a.p.PID, 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", a.p.PID, err)
	}
	defer unix.Close(pidfd)
	if !a.procs.Alive(a.p) {
		return a.failed(profile.JVMExited, "attach", nil)
	}
	if err := a.maySignal(); err != nil {
		a.jvm.trigger.remove()
		return err
	}
	if err := a.note(time.Now()); err != nil {
		a.jvm.trigger.remove()
		return a.failed(profile.SidecarError, "note a signal before it is sent", err)
	}
	if err := unix.PidfdSendSignal(pidfd, unix.SIGQUIT, nil, 0); err != nil {
		a.jvm.trigger.remove()
		return errors.Join(fmt.Errorf("signal process %d: %w", a.p.PID, err), a.note(time.Time{}))
	}
	return nil
}
