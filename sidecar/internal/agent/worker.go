package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/account"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/budget"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
	"github.com/podflame/podflame/sidecar/internal/timeline"
)

// worker looks after one JVM, from its discovery to its end.
//
// Its state is the marker, which says how far each recording is, and the
// timeline, which says of each moment what has become of it. Both change in the
// worker's own goroutine, and are saved after each change that matters to a
// successor.
type worker struct {
	config  *Config
	log     *slog.Logger
	clock   Clock
	p       target.Process
	target  profile.Target
	jvm     jvm
	dir     session.Dir
	reader  recording.Reader
	spool   Spool
	journal *journal
	board   *board
	metrics *metrics
	account *account.Account // of CPU time, kept by the kernel
	owner   owner
	pause   *pause

	lock     *session.Lock
	settings contract.Settings // of today; the annotations may change them
	changed  time.Duration     // Clock.Elapsed when they did; 0 if they have not
	noLive   bool              // the JVM has refused to follow live objects
	restored bool              // the marker is read
	looked   bool              // somebody has looked whether a session runs
	marker   session.Marker    // see session.Marker.Apply
	saved    session.Marker    // as it was left to a successor the last time
	files    map[string]*os.File
	taken    string         // session whose recording the JVM was seen to write, and which is open here
	fd       int            // in the JVM, of the recording that it writes
	losses   []profile.Loss // that the next window tells
	line     *timeline.Timeline
	spooled  spooled
	loads    budget.Loads // of the windows

	watch clockWatch
	next  time.Time // when the next window ends
	retry time.Time // when the JVM is looked at again, if there is no session
	died  time.Time // when the JVM was seen to have ended

	suspect suspect  // command that may be to blame if the JVM ends now
	borne   []string // events that the JVM has been seen to bear
}

// owner is who works.
type owner struct {
	instance string // of this sidecar
	library  string // as installed
}

// aliveInterval is how often the worker looks whether its JVM still runs.
const aliveInterval = time.Second

func (w *worker) run(ctx context.Context) {
	defer w.close()
	w.setState("", profile.JVMStarting, "")
	alive := time.NewTicker(aliveInterval)
	defer alive.Stop()
	for {
		paused := w.pause.on()
		wake := time.NewTimer(w.step(ctx).Sub(w.clock.Now()))
	wait:
		select {
		case <-ctx.Done():
			wake.Stop()
			w.finish(ctx)
			return
		case <-alive.C:
			if !w.jvm.Alive() {
				wake.Stop()
				w.finish(ctx)
				return
			}
			if w.pause.on() == paused && !w.watch.stepped() && !w.watch.sleeps() && !w.overfull() {
				goto wait
			}
		case <-wake.C:
		}
		wake.Stop()
	}
}

// step does what is due and returns when the next thing is.
func (w *worker) step(ctx context.Context) time.Time {
	if ctx.Err() != nil {
		return w.clock.Now()
	}
	if set, slept := w.followClock(), w.watch.slept(); set || slept {
		w.clockSet(ctx)
	}
	if w.pause.on() && w.session() != "" {
		c := pausing
		c.detail = w.pause.detail()
		if err := w.stopFor(ctx, c); err != nil {
			w.problem(err)
		}
	}
	if w.overfull() {
		c := overflow
		c.detail = fmt.Sprintf("more than %d bytes before the end of the window", w.mostRecording())
		if err := w.stopFor(ctx, c); err != nil {
			w.problem(err)
		}
	}
	if now := w.clock.Now(); !now.Before(w.next) {
		w.cut(ctx, later(w.next, recording.Floor(now, w.settings.Window)))
	}
	if w.session() != "" {
		return w.next
	}
	if now := w.clock.Now(); !now.Before(w.retry) {
		w.retry = now.Add(w.config.Limits.RetryInterval)
		w.consider(ctx)
	}
	if w.retry.Before(w.next) && w.session() == "" {
		return w.retry
	}
	return w.next
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// session is the session that this worker records with: it runs, and this worker
// has begun or adopted it. One that the journal knows is not: nobody has looked
// whether it still runs, and another sidecar may own it.
func (w *worker) session() string {
	if id := w.marker.Session(); id == w.taken {
		return id
	}
	return ""
}

// consider looks at a JVM without a session of this worker, and acts.
func (w *worker) consider(ctx context.Context) {
	if c, ok := w.leftAlone(); ok {
		w.readOnly(ctx)
		w.refuse("", profile.CrashedAfterAttach, c.String())
		return
	}
	if err := w.enter(); err != nil {
		w.refuseError(err)
		return
	}
	if err := w.act(ctx); err != nil {
		w.refuseError(err)
	}
}

// leftAlone returns the crash for which this JVM gets no command.
func (w *worker) leftAlone() (crash, bool) {
	c, ok := w.journal.crash(w.p)
	return c, ok && !w.config.RetryCrashed
}

// readOnly takes up what an earlier sidecar has left of a JVM that gets no command
// any more. A session that runs finishes its chunks by itself, until its timeout
// ends it.
func (w *worker) readOnly(ctx context.Context) {
	if w.marker.Live() == nil && w.lock == nil {
		return
	}
	if err := w.enter(); err != nil {
		w.problem(err)
		return
	}
	if _, err := w.look(ctx, false); err != nil {
		w.problem(err)
	}
}

// act looks who profiles the JVM and does what follows from it.
func (w *worker) act(ctx context.Context) error {
	view, err := w.look(ctx, true)
	if err != nil {
		return err
	}
	action := session.Decide(view.Evidence)
	if w.pause.on() && action == session.Begin {
		w.refuse(session.Free, profile.Paused, w.pause.detail())
		return nil
	}
	switch action {
	case session.Begin:
		return w.begin(ctx, view)
	case session.Continue, session.Adopt:
		return w.adopt(ctx, view)
	case session.Yield:
		return w.yield(ctx, view)
	}
	state := session.Classify(view.Evidence)
	w.refuse(state, reasonOf(state), view.Detail)
	return nil
}

// enter prepares the JVM's directory, becomes its owner and reads what an
// earlier one has left.
func (w *worker) enter() error {
	err := w.jvm.As(func() error {
		if err := w.dir.Make(); err != nil {
			return err
		}
		if err := w.dir.SameIn(w.jvm.Root()); err != nil {
			return err
		}
		return w.takeLock()
	})
	switch {
	case errors.Is(err, session.ErrOtherOwner):
		return err
	case err != nil:
		return w.notUsable(err)
	}
	w.restore()
	return nil
}

func (w *worker) takeLock() error {
	if w.lock != nil {
		return nil
	}
	lock, err := w.dir.Lock()
	w.lock = lock
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
	return profile.SidecarError
}

// refuseError notes why the JVM is not profiled after an error.
func (w *worker) refuseError(err error) {
	reason := asprof.ReasonOf(err)
	switch {
	case errors.Is(err, session.ErrOtherOwner):
		w.refuse(session.Conflict, profile.Conflict, err.Error())
		w.line.Mark(w.clock.Now(), timeline.Elsewhere) // that sidecar accounts for the time
		return
	case errors.Is(err, os.ErrPermission) && reason == profile.SidecarError:
		reason = profile.AccessDenied
	case reason == profile.JVMStarting:
		w.retry = w.clock.Now().Add(time.Second)
	}
	w.problem(err)
	w.refuse(w.status().State, reason, err.Error())
}

// refuse says why this worker has no session from now on. One that runs all the
// same, for all that is known, records: its recording will say how long.
func (w *worker) refuse(s session.State, r profile.Reason, detail string) {
	w.looked = true
	if w.marker.Session() == "" {
		w.line.Mark(w.clock.Now(), r)
	}
	if before := w.status(); before.Reason != r || before.State != s {
		w.log.Warn("JVM is not profiled", "reason", r, "detail", detail)
	}
	w.setState(s, r, detail)
}

func (w *worker) problem(err error) {
	w.log.Debug("profiling step did not succeed", "error", err)
	w.board.update(w.p.Key(), func(s *TargetStatus) { s.LastError, s.LastErrorAt = err.Error(), w.clock.Now() })
}

func (w *worker) setState(state session.State, r profile.Reason, detail string) {
	w.board.update(w.p.Key(), func(s *TargetStatus) {
		s.Target, s.Session, s.Settings, s.Sampling = w.target, w.session(), w.settings, w.samplingText()
		s.set(w.clock.Now(), state, r, detail)
	})
}

func (w *worker) status() TargetStatus { return w.board.get(w.p.Key()) }

// close gives up everything that the worker holds.
func (w *worker) close() {
	for _, f := range w.files {
		_ = f.Close()
	}
	w.lock.Release()
	w.jvm.Forget()
}
