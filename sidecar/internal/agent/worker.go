package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// worker looks after one JVM, from its discovery to its end.
type worker struct {
	*Agent
	log    *slog.Logger
	p      target.Process
	target profile.Target
	dir    session.Dir
	lock   *session.Lock
	marker session.Marker

	session string              // that is active; empty if none
	library string              // in which it runs
	files   map[string]*os.File // of recordings, by session
	gaps    gaps
	window  time.Duration
	found   time.Time // when the work began; gaps account for the time since
	since   time.Time // boundary up to which windows have been made
	next    time.Time // boundary at which the next window is due
	retry   time.Time // when the JVM is looked at again, if there is no session

	inDoubt bool // a session may begin by a command whose answer we did not get

	suspect   string // command that is to blame if the JVM ends now
	suspectAt time.Time
}

func newWorker(a *Agent, p target.Process) *worker {
	now := time.Now()
	w := &worker{
		Agent: a, p: p, target: a.targetOf(p), dir: session.NewDir(a.config.Shared, p.Key()),
		log:   a.log.With("pid", p.PID, "container", p.Container, "main_class", p.MainClass),
		files: map[string]*os.File{}, window: a.config.Settings.Window, found: now,
	}
	w.since, w.next = floor(now, w.window), ceil(now, w.window)
	w.retry = p.Start.Add(a.config.Limits.StartDelay)
	w.gaps.set(now, profile.JVMStarting)
	return w
}

// aliveInterval is how often the worker looks whether its JVM still runs.
const aliveInterval = time.Second

func (w *worker) run(ctx context.Context) {
	defer w.close()
	w.accountFor(profile.SidecarRestarted, w.journal.begun(w.p))
	w.setState("", profile.JVMStarting, "")
	alive := time.NewTicker(aliveInterval)
	defer alive.Stop()
	for {
		wake := time.NewTimer(time.Until(w.step(ctx)))
		select {
		case <-ctx.Done():
			wake.Stop()
			w.finish(ctx)
			return
		case <-alive.C:
			wake.Stop()
			if !w.procs.Alive(w.p) {
				w.exited(ctx)
				return
			}
		case <-wake.C:
		}
	}
}

// step does what is due and returns when the next thing is.
func (w *worker) step(ctx context.Context) time.Time {
	if ctx.Err() != nil {
		return time.Now()
	}
	if now := time.Now(); now.Add(w.window).Before(w.next) {
		// The clock was set back. Dumps, and looks at the free space, go on at
		// their pace, instead of stopping until it has caught up.
		w.since, w.next = floor(now, w.window), ceil(now, w.window)
	}
	if now := time.Now(); !now.Before(w.next) {
		w.rotate(ctx, floor(now, w.window))
	}
	if w.session != "" {
		return w.next
	}
	if now := time.Now(); !now.Before(w.retry) {
		w.retry = now.Add(w.config.Limits.RetryInterval)
		w.consider(ctx)
	}
	if w.retry.Before(w.next) && w.session == "" {
		return w.retry
	}
	return w.next
}

// consider looks at a JVM without a session of this worker, and acts.
func (w *worker) consider(ctx context.Context) {
	if c, ok := w.journal.crash(w.p); ok && !w.config.RetryCrashed {
		w.refuse("", profile.CrashedAfterAttach, fmt.Sprintf("process %d after %s at %s", c.PID, c.Op, c.At.Format(time.RFC3339)))
		return
	}
	if err := w.enter(); err != nil {
		w.refuseError(err)
		return
	}
	view, err := w.looker.Look(ctx, w.p, w.dir, w.session, true)
	if err != nil {
		w.refuseError(err)
		return
	}
	state := session.Classify(view.Evidence)
	switch session.Decide(view.Evidence) {
	case session.Begin:
		err = w.begin(ctx, view)
	case session.Adopt:
		err = w.adopt(ctx, view)
	case session.Yield:
		err = w.yield(ctx, view)
	default:
		w.refuse(state, reasonOf(state), view.Detail)
		return
	}
	if err != nil {
		w.refuseError(err)
	}
}

// enter prepares the JVM's directory and becomes its owner.
func (w *worker) enter() error {
	err := w.procs.As(w.p.Identity, func() error {
		if err := w.dir.Make(); err != nil {
			return err
		}
		if err := w.dir.SameIn(w.procs.Path(w.p.PID, "root")); err != nil {
			return err
		}
		if w.lock != nil {
			return nil
		}
		lock, err := w.dir.Lock()
		w.lock = lock
		return err
	})
	if err != nil && !errors.Is(err, session.ErrOtherOwner) {
		return w.notUsable(err)
	}
	return err
}

func (w *worker) notUsable(err error) error {
	return &asprof.Error{Reason: profile.SharedDirNotUsable, Op: "prepare directory", PID: w.p.PID, Err: err}
}

func reasonOf(s session.State) profile.Reason {
	switch s {
	case session.Conflict:
		return profile.Conflict
	case session.Unknown:
		return profile.UnknownProfiler
	}
	return profile.Internal
}

// refuseError notes why the JVM is not profiled after an error.
func (w *worker) refuseError(err error) {
	reason := asprof.ReasonOf(err)
	switch {
	case errors.Is(err, session.ErrOtherOwner):
		w.refuse(session.Conflict, profile.Conflict, err.Error())
		return
	case errors.Is(err, os.ErrPermission) && reason == profile.Internal:
		reason = profile.AccessDenied
	case reason == profile.JVMStarting:
		w.retry = time.Now().Add(time.Second)
	}
	w.problem(err)
	w.refuse(w.state(), reason, err.Error())
}

func (w *worker) refuse(s session.State, r profile.Reason, detail string) {
	w.gaps.set(time.Now(), r)
	if before := w.status(); before.Reason != r || before.State != s {
		w.log.Warn("JVM is not profiled", "reason", r, "detail", detail)
	}
	w.setState(s, r, detail)
}

func (w *worker) problem(err error) {
	w.log.Debug("profiling step did not succeed", "error", err)
	w.update(w.p.Key(), func(s *TargetStatus) { s.LastError, s.LastErrorAt = err.Error(), time.Now() })
}

func (w *worker) setState(state session.State, r profile.Reason, detail string) {
	w.update(w.p.Key(), func(s *TargetStatus) {
		s.Target, s.Session = w.target, w.session
		s.set(state, r, detail)
	})
}

func (w *worker) status() TargetStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.statuses[w.p.Key()]
}

func (w *worker) state() session.State { return w.status().State }

// close gives up everything that the worker holds.
func (w *worker) close() {
	for _, f := range w.files {
		_ = f.Close()
	}
	w.lock.Release()
	w.profiler.Forget(w.p)
}

// accountFor enters the time from since until the worker found its JVM, in which
// nobody profiled: what lies before the first window of the worker as a window of
// its own, which therefore shares its start, and so its id, with no other gap.
func (w *worker) accountFor(r profile.Reason, since time.Time) {
	if since.IsZero() || !since.Before(w.found) {
		return
	}
	if first := floor(w.found, w.window); since.Before(first) {
		loss := profile.Loss{Outcome: profile.Dropped, Reason: r, Duration: first.Sub(since)}
		w.putGap(context.Background(), floor(since, w.window), first, []profile.Loss{loss})
		since = first
	}
	w.gaps.add(r, w.found.Sub(since))
}
