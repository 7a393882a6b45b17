package agent

import (
	"context"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/session"
)

// cut ends the windows before a boundary: the profiler finishes its chunk, what
// is finished is read, and what nobody recorded is told.
func (w *worker) cut(ctx context.Context, boundary time.Time) {
	w.followWish()
	w.adapt()
	w.next = w.grid(w.marker.Session()).Next(boundary)
	w.showAnswer(w.endChunk(ctx))
	if err := w.collect(ctx, boundary); err != nil {
		w.problem(err)
	}
	w.tell(ctx, boundary)
	if err := w.saveChanges(); err != nil {
		w.problem(err)
	}
	w.checkTime()
}

// showAnswer shows a session whose profiler does not answer as what it is. It
// records on, as far as anybody knows, and its chunks end by themselves.
func (w *worker) showAnswer(err error) {
	if err != nil {
		w.problem(err)
	}
	switch before := w.status(); {
	case w.session() == "":
	case err != nil:
		if before.Reason == "" {
			w.log.Warn("profiler does not answer", "reason", asprof.ReasonOf(err), "error", err)
		}
		w.setState(session.Owned, asprof.ReasonOf(err), err.Error())
	case before.State == session.Owned && before.Reason != "":
		w.log.Info("profiler answers again")
		w.setState(session.Owned, "", "")
	}
}

// grid is how the recording of a session is cut; without one, the time.
func (w *worker) grid(id string) recording.Grid {
	g := recording.Grid{Window: w.settings.Window}
	if r := w.marker.Find(id); r != nil {
		g.Cut, g.Through = r.Cut, r.Through
		if r.Window > 0 {
			g.Window = r.Window
		}
	}
	return g
}

// endChunk makes the profiler finish what it has recorded, and notes what it
// lost while it did.
func (w *worker) endChunk(ctx context.Context) error {
	id := w.session()
	if id == "" {
		return nil
	}
	view, err := w.look(ctx, false)
	switch {
	case err != nil:
		return err
	case view.Session != id:
		return w.stopFor(ctx, endedByOthers)
	case session.Decide(view.Evidence) == session.Yield:
		return w.yield(ctx, view)
	}
	if free, err := w.dir.FreeBytes(); err == nil && free < w.config.Limits.MinFree {
		return w.stopFor(ctx, wantOfSpace)
	}
	r := *w.marker.Find(id)
	w.bear(r)
	w.countSkips(ctx)
	if w.renewalDue(w.clock.Now(), r) {
		return w.renew(ctx)
	}
	result, err := w.command(ctx, "dump", asprof.Dump(w.dir.Log()))
	if err != nil {
		return err
	}
	w.board.update(w.p.Key(), func(s *TargetStatus) { s.Stall = result.Took })
	w.losses = profile.AddLosses(w.losses, profile.Loss{Outcome: profile.Dropped, Reason: profile.ProfilerStall, Duration: result.Took})
	return nil
}

// countSkips asks the profiler how many samples it has skipped.
func (w *worker) countSkips(ctx context.Context) {
	if result, err := w.command(ctx, "metrics", asprof.Metrics(w.dir.Log())); err == nil {
		w.marker.Skips.Count(asprof.ParseMetrics(result.Log).Skipped)
	}
}

// followClock moves what the worker knows of time if the clock was set, and says
// whether it was.
func (w *worker) followClock() bool {
	step, ok := w.watch.step()
	if !ok {
		return false
	}
	w.log.Warn("the clock was set", "by", step.By)
	w.line.Shift(step.By)
	w.retry, w.suspect.at, w.p.Start = w.retry.Add(step.By), w.suspect.at.Add(step.By), w.p.Start.Add(step.By)
	w.marker.ClockSet(step)
	return true
}

// clockSet goes on at the usual pace after the clock was set, or the machine has slept.
// The windows of a session must not lie before those that it has made, nor contain the
// step: it gets a new recording, and what the old one holds is read as the old clock
// had it. The ticks by which a recording tells the times of its chunks may stand still
// while the machine sleeps, so no later chunk may follow in it.
func (w *worker) clockSet(ctx context.Context) {
	now := w.clock.Now()
	switch {
	case w.session() != "":
		w.showAnswer(w.renew(ctx))
	case w.marker.Live() != nil && w.lock != nil: // it is asked for: has it begun by the old clock?
		if _, err := w.look(ctx, false); err != nil {
			w.problem(err)
		}
	}
	if err := w.collect(ctx, now); err != nil {
		w.problem(err)
	}
	if err := w.save(); err != nil {
		w.problem(err)
	}
	w.next = w.grid(w.marker.Session()).Next(now)
}
