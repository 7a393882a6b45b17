package agent

import (
	"context"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

func (w *worker) types() []profile.Type {
	var types []profile.Type
	for _, event := range w.config.Settings.Events {
		if t, err := profile.ParseType(event); err == nil {
			types = append(types, t)
		}
	}
	return types
}

func (w *worker) newWindow(session string, start, end time.Time) *profile.Window {
	return &profile.Window{
		ID: profile.NewWindowID(w.target.SeriesID(), session, start), Target: w.target,
		Session: session, Start: start, End: end,
	}
}

// fillCoverage gives each type that is asked for a ledger.
func (w *worker) fillCoverage(window *profile.Window) {
	for _, t := range w.types() {
		if window.CoverageOf(t) == nil {
			window.Coverage = append(window.Coverage, profile.Coverage{Type: t})
		}
	}
}

// putGap puts a window that says why there are no samples. Its id is of this
// sidecar alone: another one has other gaps in the same window to tell. Losses
// that the spool does not take wait for the next window.
func (w *worker) putGap(ctx context.Context, start, end time.Time, losses []profile.Loss) {
	window := w.newWindow("", start, end)
	window.ID = profile.NewWindowID(w.target.SeriesID(), "gap in "+w.instance, start)
	window.Losses = profile.AddLosses(nil, losses...)
	if err := w.put(ctx, window); err != nil {
		w.problem(err)
		w.gaps.losses = profile.AddLosses(w.gaps.losses, losses...)
	}
}

// put puts a window into the spool. One whose ledger does not add up is an
// error of ours, and is told as such instead of being believed.
func (w *worker) put(ctx context.Context, window *profile.Window) error {
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
	w.update(w.p.Key(), func(s *TargetStatus) {
		s.Windows++
		if window.Settings.Engine != "" {
			s.Engine = window.Settings.Engine
		}
		if window.End.After(s.LastWindow) {
			s.LastStart, s.LastWindow = window.Start, window.End
		}
	})
	return nil
}
