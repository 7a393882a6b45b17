package agent

import (
	"context"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/session"
)

// rotate ends the windows before boundary.
func (w *worker) rotate(ctx context.Context, boundary time.Time) {
	w.next = boundary.Add(w.window)
	counters, err := w.endChunk(ctx)
	if err != nil {
		w.problem(err)
	}
	losses := append(w.gaps.take(boundary), counters...)
	if err := w.collect(ctx, boundary, &losses); err != nil {
		w.problem(err)
	}
	if len(losses) > 0 { // no window of a session has taken them
		w.putGap(ctx, w.since, boundary, losses)
	}
	w.since = boundary
}

// endChunk makes the profiler finish what it has recorded, and returns what it
// lost while it did.
func (w *worker) endChunk(ctx context.Context) ([]profile.Loss, error) {
	if w.session == "" {
		return nil, nil
	}
	view, err := w.looker.Look(ctx, w.p, w.dir, w.session, false)
	if err != nil {
		return nil, err
	}
	if !view.Recording {
		w.sessionEnded()
		return nil, nil
	}
	if session.Decide(view.Evidence) == session.Yield {
		return nil, w.yield(ctx, view)
	}
	if free, err := w.dir.FreeBytes(); err == nil && free < w.config.Limits.MinFree {
		return nil, w.stopForSpace(ctx)
	}
	entry := *w.marker.Find(w.session)
	if w.renewalDue(time.Now(), entry) {
		losses := w.skipped(ctx, entry)
		if err := w.renew(ctx); err != nil {
			w.refuseError(err)
			return losses, err
		}
		return losses, nil
	}
	result, err := w.command(ctx, "dump", asprof.Dump(w.dir.Log()))
	if err != nil {
		return nil, err
	}
	w.update(w.p.Key(), func(s *TargetStatus) { s.Stall = result.Took })
	stall := profile.Loss{Outcome: profile.Dropped, Reason: profile.ProfilerStall, Duration: result.Took}
	return append(w.skipped(ctx, entry), stall), nil
}

// sessionEnded notices that somebody, or the timeout, has ended our session.
// The application can set the time of the file; at the last boundary, however,
// the session was still seen.
func (w *worker) sessionEnded() {
	ended := time.Now()
	if f := w.files[w.session]; f != nil {
		if info, err := f.Stat(); err == nil && info.ModTime().Before(ended) {
			ended = clamp(info.ModTime(), w.since, ended)
		}
	}
	w.session = ""
	w.gaps.set(ended, profile.SessionEnded)
	w.retry = time.Now()
	w.log.Warn("JVM is not profiled", "reason", profile.SessionEnded)
	w.setState(session.Free, profile.SessionEnded, "")
}

func (w *worker) stopForSpace(ctx context.Context) error {
	err := w.stop(ctx, "stop for want of space")
	if err != nil {
		return err
	}
	w.session = ""
	w.refuse(session.Free, profile.SharedDirNotUsable, "the shared volume is almost full")
	return nil
}

// skipped asks the profiler how many samples it has skipped since the last
// time. Its counter runs from the start of the library's first session, so an
// answer below what was counted before is none.
func (w *worker) skipped(ctx context.Context, entry session.Recording) []profile.Loss {
	result, err := w.command(ctx, "metrics", asprof.Metrics(w.dir.Log()))
	if err != nil {
		return nil
	}
	return w.countSkipped(asprof.ParseMetrics(result.Log).Skipped, entry)
}

func (w *worker) countSkipped(total int64, entry session.Recording) []profile.Loss {
	since := total - entry.Skipped
	if since <= 0 {
		return nil
	}
	for i := range w.marker.Recordings {
		w.marker.Recordings[i].Skipped = total
	}
	return []profile.Loss{{Outcome: profile.Dropped, Reason: profile.ProfilerSkipped, Count: since}}
}

// finish ends the work because the sidecar ends.
func (w *worker) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.config.Limits.ExitGrace)
	defer cancel()
	now := time.Now()
	w.findSession(ctx)
	if w.session != "" {
		if err := w.stop(ctx, "stop"); err != nil {
			// The session goes on until its timeout, or until the next sidecar
			// adopts it: everything stays as it is.
			w.log.Warn("session could not be stopped", "session", w.session, "error", err)
			if losses := w.gaps.take(now); len(losses) > 0 {
				w.putGap(ctx, w.since, ceil(now, w.window), losses)
			}
			return
		}
		w.session = ""
		w.journal.ended(w.p, time.Now())
	}
	if w.lastWindows(ctx, now) {
		w.cleanUp()
	}
}

// lastWindows makes the windows up to now and tells the losses that none of
// them has taken. It says whether every recording has been read.
func (w *worker) lastWindows(ctx context.Context, now time.Time) bool {
	losses := w.gaps.take(now)
	err := w.collect(ctx, now, &losses)
	if err != nil {
		w.log.Error("last windows could not be made", "error", err)
	}
	if len(losses) > 0 {
		w.putGap(ctx, w.since, ceil(now, w.window), losses)
	}
	return err == nil
}

// findSession finds a session that this worker does not count as its own: one
// that was begun by a command whose answer we did not wait for, or one that could
// not be opened or stopped. Its recording must not be taken for an ended one. A
// JVM carries one command out after the other, so once it answers another one,
// a session in doubt has begun.
func (w *worker) findSession(ctx context.Context) {
	if w.session != "" || w.lock == nil {
		return
	}
	if w.inDoubt {
		if _, err := w.command(ctx, "status", asprof.Status(w.dir.Log())); err != nil {
			w.log.Warn("it is not known whether a session has begun; it would end by its timeout", "error", err)
			return
		}
	}
	view, err := w.looker.Look(ctx, w.p, w.dir, "", false)
	if err != nil || !view.Recording {
		return
	}
	w.restoreMarker()
	if w.ensureEntry(view.Session) == nil {
		w.session, w.library = view.Session, view.Library
	}
}

// exited reads what a JVM that has ended left behind.
func (w *worker) exited(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.config.Limits.ExitGrace)
	defer cancel()
	now := time.Now()
	if w.suspect != "" && now.Sub(w.suspectAt) < w.config.Limits.CrashWindow {
		w.journal.crashed(w.p, w.suspect)
		w.metrics.crashes.Inc()
		w.log.Error("JVM died shortly after a profiler command and is left alone from now on",
			"reason", profile.CrashedAfterAttach, "command", w.suspect)
	}
	w.log.Info("JVM has exited", "reason", profile.JVMExited)
	w.session = ""
	w.setState("", profile.JVMExited, "")
	if w.lastWindows(ctx, now) {
		w.cleanUp()
	}
}

// cleanUp removes the JVM's directory when nothing in it is needed any more.
func (w *worker) cleanUp() {
	if w.lock == nil || len(w.marker.Recordings) > 0 {
		return
	}
	if err := w.as(w.dir.Remove); err != nil {
		w.log.Warn("session directory could not be removed", "error", err)
	}
}
