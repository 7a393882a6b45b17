package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/timeline"
)

// timed is an account of time as it will be when a window is in the spool.
type timed struct {
	line     *timeline.Timeline
	gaps     []timeline.Gap // that the window tells
	recorded time.Duration  // that the window holds
}

// spooled is what the windows in the spool say.
type spooled struct {
	recorded, told time.Duration
	gapWindows     int           // each needs an id of its own
	zero           time.Duration // Clock.Elapsed at the start of the account
}

func (w *worker) newWindow(session string, start, end time.Time) *profile.Window {
	return &profile.Window{
		ID: profile.NewWindowID(w.target.SeriesID(), session, start), Target: w.target,
		Session: session, Start: start, End: end,
	}
}

// tell closes the time up to a boundary, as far as it is known, and puts what no
// window has told.
func (w *worker) tell(ctx context.Context, boundary time.Time) {
	if !w.looked {
		return
	}
	to := w.known(boundary)
	if w.session() != "" && to.Sub(w.line.Through()) <= shortGap {
		return
	}
	if err := w.tellUpTo(ctx, to, w.untold()); err != nil {
		w.problem(err)
		return
	}
	w.told()
}

// untold are the losses that no window tells yet.
func (w *worker) untold() []profile.Loss {
	skipped := w.marker.Skips.Untold()
	if skipped == 0 {
		return w.losses
	}
	return profile.AddLosses(slices.Clone(w.losses), profile.Loss{Outcome: profile.Dropped, Reason: profile.ProfilerSkipped, Count: skipped})
}

// told says that a window with what was untold is in the spool.
func (w *worker) told() { w.losses, w.marker.Skips.Told = nil, w.marker.Skips.Counted }

// shortGap is how much nobody recorded, as when a session is renewed, that the next
// window of the session that runs tells, instead of one of its own.
const shortGap = time.Second

// startedBefore says whether a window has nothing before it but the start of its
// JVM. It tells that itself: a window of its own would count as a lost one.
func (w *worker) startedBefore(at time.Time) bool {
	return at.Sub(w.line.Through()) <= w.settings.Window && w.line.Holds(profile.JVMStarting, at)
}

// longestGap is what one window tells at most of the time that nobody recorded:
// a sidecar may have been away, or the machine asleep, for days, and a window is no
// longer than profile.MaxWindowSeconds.
const longestGap = time.Hour

// tellUpTo tells the time up to a moment. The last window of it has the losses.
func (w *worker) tellUpTo(ctx context.Context, to time.Time, losses []profile.Loss) error {
	for part := w.line.Through().Add(longestGap); part.Before(to); part = part.Add(longestGap) {
		if err := w.putTold(ctx, part, nil); err != nil {
			return err
		}
	}
	return w.putTold(ctx, to, losses)
}

func (w *worker) putTold(ctx context.Context, to time.Time, losses []profile.Loss) error {
	t := timed{line: w.line.Clone()}
	t.gaps = t.line.Tell(to)
	return w.putGaps(ctx, t, losses)
}

// tellLost tells a span of which nothing can be read, as far as that is not told yet.
func (w *worker) tellLost(ctx context.Context, span profile.Span, reason profile.Reason) error {
	for from := span.Start; from.Before(span.End); from = from.Add(longestGap) {
		t := timed{line: w.line.Clone()}
		t.gaps = t.line.Lost(profile.Span{Start: from, End: earlier(from.Add(longestGap), span.End)}, reason)
		if err := w.putGaps(ctx, t, nil); err != nil {
			return err
		}
	}
	return nil
}

// known is up to when it is known that nobody recorded what no window holds. A
// recording that is, or may be, written says the rest.
func (w *worker) known(boundary time.Time) time.Time {
	r := w.marker.Live()
	if r == nil {
		return boundary
	}
	return earlier(boundary, r.Started.Add(r.Shift))
}

// putGaps puts a window that says why there are no samples.
func (w *worker) putGaps(ctx context.Context, t timed, losses []profile.Loss) error {
	if len(t.gaps) == 0 && len(losses) == 0 {
		w.line = t.line
		return nil
	}
	start, end := w.line.Through(), t.line.Through()
	if len(t.gaps) > 0 {
		start, end = t.gaps[0].Start, t.gaps[len(t.gaps)-1].End
	}
	step := w.settings.Window
	start = recording.Floor(start, step)
	if end = recording.Floor(end.Add(step-1), step); !end.After(start) {
		end = start.Add(step)
	}
	window := w.newWindow("", start, end)
	w.spooled.gapWindows++
	window.ID = profile.NewWindowID(w.target.SeriesID(), fmt.Sprintf("gap %d in %s", w.spooled.gapWindows, w.owner.instance), start)
	window.Losses = profile.AddLosses(nil, losses...)
	return w.putTimed(ctx, window, t)
}

// putTimed puts a window with the gaps that it tells, and enters both into the
// account.
func (w *worker) putTimed(ctx context.Context, window *profile.Window, t timed) error {
	var told time.Duration
	for _, g := range t.gaps {
		d := g.End.Sub(g.Start)
		window.Losses = profile.AddLosses(window.Losses, profile.Loss{Outcome: profile.Dropped, Reason: g.Reason, Duration: d})
		told += d
	}
	if err := w.putWindow(ctx, window); err != nil {
		return err
	}
	w.line = t.line
	w.spooled.recorded += t.recorded
	w.spooled.told += told
	return nil
}

// eventsOf are those that a session records; without one, those of today.
func (w *worker) eventsOf(session string) []string {
	if r := w.marker.Find(session); r != nil && len(r.Events) > 0 {
		return r.Events
	}
	return w.settings.Events
}

// fillCoverage gives each type that is asked for a ledger.
func (w *worker) fillCoverage(window *profile.Window) {
	for _, t := range typesOf(w.eventsOf(window.Session)) {
		if window.CoverageOf(t) == nil {
			window.Coverage = append(window.Coverage, profile.Coverage{Type: t})
		}
	}
}

// putWindow puts a window into the spool. One whose ledger does not add up is an
// error of ours, and is told as such instead of being believed.
func (w *worker) putWindow(ctx context.Context, window *profile.Window) error {
	w.fillCoverage(window)
	if err := window.Check(); err != nil {
		w.log.Error("window is not consistent", "window", window.ID, "reason", profile.LedgerMismatch, "error", err)
		window.Sets, window.Coverage = nil, nil
		window.Losses = profile.AddLosses(window.Losses, profile.Loss{
			Outcome: profile.Dropped, Reason: profile.LedgerMismatch, Duration: window.Recorded.End.Sub(window.Recorded.Start),
		})
		w.fillCoverage(window)
	}
	if err := w.spool.Put(ctx, window); err != nil {
		return err
	}
	w.metrics.window(window)
	w.board.update(w.p.Key(), func(s *TargetStatus) {
		s.Windows++
		if window.Settings.Engine != "" {
			s.Engine = window.Settings.Engine
		}
		if window.End.After(s.LastEnd) {
			s.LastStart, s.LastEnd = window.Start, window.End
		}
	})
	return nil
}

// beginTime begins the account of time.
func (w *worker) beginTime(line *timeline.Timeline) {
	w.line = line
	w.spooled.zero = w.clock.Elapsed() - w.clock.Now().Sub(line.Start())
}

// checkTime holds the account to two others: what the windows in the spool say,
// and a clock that nobody sets.
func (w *worker) checkTime() {
	sums := w.line.Sums()
	wall := w.clock.Elapsed() - w.spooled.zero - w.clock.Now().Sub(w.line.Through())
	difference := max(
		(sums.Recorded + sums.Told + sums.Owed + sums.Elsewhere - wall).Abs(),
		(sums.Recorded + sums.Told - w.spooled.recorded - w.spooled.told).Abs(),
	)
	w.board.update(w.p.Key(), func(s *TargetStatus) {
		s.Time, s.From, s.Until, s.Difference = sums, w.line.Start(), w.line.Through(), difference
	})
}
