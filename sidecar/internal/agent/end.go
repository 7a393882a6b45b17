package agent

import (
	"context"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/ending"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/session"
)

// cause is why a session ends.
type cause struct {
	op     string         // the command by which we stop it; empty if it has ended
	event  session.Event  // what is known of all recordings then
	reason profile.Reason // why nobody records from then on
	detail string
}

var (
	sidecarEnds   = cause{op: "stop", event: session.Stopped, reason: profile.SidecarRestarted}
	renewal       = cause{op: "renew", event: session.Stopped, reason: profile.ProfilerStall}
	yielding      = cause{op: "yield", event: session.Stopped, reason: profile.Conflict}
	pausing       = cause{op: "pause", event: session.Stopped, reason: profile.Paused}
	wantOfSpace   = cause{op: "stop for want of space", event: session.Stopped, reason: profile.SharedDirNotUsable, detail: "the shared volume is almost full"}
	overflow      = cause{op: "stop for its size", event: session.Stopped, reason: profile.RecordingTooLarge}
	settled       = cause{event: session.Settled, reason: profile.SessionEnded}
	endedByOthers = cause{event: session.Unseen, reason: profile.SessionEnded}
	jvmEnds       = cause{event: session.Gone, reason: profile.JVMExited}
)

// end ends the session. From then on the reason holds; before, it recorded as
// long as its recording will say.
func (w *worker) end(ctx context.Context, c cause) error {
	if c.op != "" {
		if err := w.stop(ctx, c.op); err != nil {
			return err
		}
		if w.marker.Live() != nil { // nobody asks for them after this
			w.countSkips(ctx)
		}
	}
	w.line.Mark(w.clock.Now(), c.reason)
	return w.ended(c)
}

// ended enters that no recording is written any more.
func (w *worker) ended(c cause) error {
	if r := w.marker.Live(); r != nil && r.Phase == session.Running {
		r.Until, r.Why = w.clock.Now().Add(-r.Shift).UTC(), c.reason
		w.line.Mark(w.clock.Now(), c.reason)
	}
	return w.marker.Apply(c.event, "")
}

// stopFor ends the session, says why, and reads what it has recorded.
func (w *worker) stopFor(ctx context.Context, c cause) error {
	if err := w.end(ctx, c); err != nil {
		return err
	}
	state := session.Free
	if c.reason == profile.Conflict {
		state = session.Conflict
	}
	w.refuse(state, c.reason, c.detail)
	w.retry = w.clock.Now().Add(w.config.Limits.RetryInterval)
	if c.reason == profile.SessionEnded {
		w.retry = w.clock.Now()
	}
	if err := w.collect(ctx, w.clock.Now()); err != nil {
		w.problem(err)
	}
	return nil
}

func (w *worker) stop(ctx context.Context, op string) error {
	_, err := w.command(ctx, op, asprof.Stop(w.dir.Log()))
	if asprof.NotActive(err) {
		return nil
	}
	if r := w.marker.Live(); r != nil && err == nil {
		r.Alive = w.clock.Now().Add(-r.Shift).UTC()
	}
	return err
}

// finish is the worker's last work: its JVM has ended, or the sidecar ends, or
// the one after the other, as when a pod is deleted.
func (w *worker) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.config.Limits.ExitGrace)
	defer cancel()
	w.followClock()
	w.findSession(ctx)
	now := w.clock.Now()
	gone := !w.jvm.Alive()
	if gone {
		w.enterGone()
	}
	if _, alone := w.leftAlone(); !gone && !alone && w.marker.Session() != "" {
		if err := w.end(ctx, sidecarEnds); err != nil {
			if gone = !w.jvm.Alive(); !gone {
				w.log.Warn("session could not be stopped", "session", w.marker.Session(), "error", err)
			}
		}
	}
	young := now.Before(w.p.Start.Add(w.config.Limits.StartDelay + aliveInterval))
	if gone && young && !w.looked && len(w.marker.Recordings) == 0 {
		w.forget()
		return
	}
	if gone {
		w.exited(now)
		_ = w.end(ctx, jvmEnds) // cannot fail: nothing is asked of the JVM
	}
	w.lastWindows(ctx, now, gone)
}

// enterGone becomes the owner of what a JVM has left that ended before this
// worker had come so far.
func (w *worker) enterGone() {
	if len(w.marker.Recordings) == 0 {
		return
	}
	if err := w.jvm.As(w.takeLock); err != nil {
		w.problem(err)
		return
	}
	w.restore()
}

// forget leaves no trace of a JVM that ended before the start delay was over, as
// a probe or a short tool does: it was no target, and nothing of it is missing.
func (w *worker) forget() {
	w.cleanUp()
	w.journal.forget(w.p)
	w.board.forget(w.p.Key())
}

// exited notes that the JVM has ended, and what may be to blame.
func (w *worker) exited(now time.Time) {
	end := w.jvm.Ending(w.lastState(), w.marker.Library)
	if v := judge(end, w.suspect, now, w.config.Limits.CrashWindow); v != notOurs {
		w.journal.crashed(w.p, w.suspect.op, v, end.Detail)
		w.metrics.crashes.Inc()
		w.log.Error("JVM died with the profiler or shortly after a command and is left alone from now on",
			"reason", profile.CrashedAfterAttach, "verdict", v, "command", w.suspect.op, "cause", end.Cause, "evidence", end.Detail)
	}
	w.died = now
	w.log.Info("JVM has exited", "reason", profile.JVMExited, "cause", end.Cause, "evidence", end.Detail)
	w.setState("", profile.JVMExited, string(end.Cause)+": "+end.Detail)
}

// lastState says in which state the recording is that was written last.
func (w *worker) lastState() ending.Recording {
	r := w.marker.Live()
	if r == nil || w.files[r.Session] == nil {
		return ending.NoRecording
	}
	f := w.files[r.Session]
	info, err := f.Stat()
	if err != nil {
		return ending.NoRecording
	}
	layout, err := jfr.Scan(f, r.Consumed, info.Size())
	switch {
	case err != nil:
		return ending.NoRecording
	case layout.Unfinished.Bytes > 0:
		return ending.CutOff
	}
	return ending.Finished
}

// lastWindows makes the windows up to now and tells the time that none of them
// has. A session that could not be stopped goes on, until its timeout or until
// the next sidecar adopts it: its recording stays, and its time is not told. What
// an ended JVM has left and could not be read now is for recovery.
func (w *worker) lastWindows(ctx context.Context, now time.Time, gone bool) {
	w.looked = true
	err := w.collect(ctx, now)
	if err != nil {
		w.log.Error("last windows could not be made; their recordings stay, to be read later", "error", err)
	}
	w.tell(context.WithoutCancel(ctx), now) // in any case: it takes moments, and nobody else knows
	if err := w.save(); err != nil {
		w.problem(err)
	}
	if err != nil || len(w.marker.Recordings) > 0 {
		return
	}
	w.cleanUp()
	if gone {
		w.journal.forget(w.p)
	}
}

// findSession finds a session that this worker does not record with: one that
// was begun by a command whose answer we did not wait for, or one that could not
// be opened. A JVM carries one command out after the other, so once it answers
// another one, a session in doubt has begun.
func (w *worker) findSession(ctx context.Context) {
	if w.session() != "" || w.lock == nil || !w.jvm.Alive() {
		return
	}
	answered := false
	if r := w.marker.Live(); r != nil && r.Phase == session.Asked {
		if _, err := w.command(ctx, "status", asprof.Status(w.dir.Log())); err != nil {
			w.log.Warn("it is not known whether a session has begun; it would end by its timeout", "error", err)
			return
		}
		answered = true
	}
	view, err := w.look(ctx, false)
	if err == nil && answered && !view.Recording {
		_ = w.ended(settled)
	}
}
