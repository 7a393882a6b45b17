package query

import (
	"context"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"golang.org/x/sync/errgroup"
)

func (q *Query) series(ctx context.Context, r request) (any, error) {
	window, err := q.windowLength(ctx, r.sel.ServiceKey)
	if err != nil {
		return nil, err
	}
	step := stepOf(r.rng, r.points, window)
	timeline := aligned(r.sel, window)
	var cells []store.Cell
	var ledger *store.Coverage
	g, ctx2 := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		cells, _, err = q.Samples.Timeline(ctx2, timeline, step)
		return err
	})
	g.Go(func() (err error) {
		ledger, err = q.Samples.Coverage(ctx2, r.sel)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	coverage, err := q.explained(ctx, r, ledger)
	if err != nil {
		return nil, err
	}
	return api.Series{
		Range: r.rng, Type: r.sel.Type, Unit: r.sel.Type.Unit(), CountUnit: r.sel.Type.CountUnit(),
		StepSeconds: int64(step / time.Second), Targets: ledger.Targets, Points: points(cells), Coverage: coverage,
	}, nil
}

// stepOf is the shortest multiple of the window that divides the range into at
// most n steps.
func stepOf(r api.Range, n int, window time.Duration) time.Duration {
	span := r.To.Sub(r.From)
	windows := (span + window - 1) / window
	perStep := (int64(windows) + int64(n) - 1) / int64(n)
	return time.Duration(max(perStep, 1)) * window
}

// aligned begins a selection where the first window in it starts, so that cells
// begin where windows do.
func aligned(sel store.Selection, window time.Duration) store.Selection {
	if from := sel.From.Add(window - 1).Truncate(window); from.Before(sel.To) {
		sel.From = from
	}
	return sel
}

func points(cells []store.Cell) []api.Point {
	out := make([]api.Point, 0, len(cells))
	for _, c := range cells {
		out = append(out, api.Point{
			Start: c.Start.UTC(), Value: c.Stored.Value, Count: c.Stored.Count,
			Windows: windows(c.Windows), Status: status(c), Losses: api.Losses(c.Losses),
		})
	}
	return out
}

func status(c store.Cell) api.Status {
	switch c.Status {
	case store.CellNone:
		return api.None
	case store.CellOK:
		return api.Complete
	case store.CellPartial:
		return api.Partial
	case store.CellPending:
		return api.Pending
	}
	return api.Lost
}

// windowLength is the longest window that the targets of a service report, or
// the default of a sidecar.
func (q *Query) windowLength(ctx context.Context, key store.ServiceKey) (time.Duration, error) {
	list, _, _, err := q.Catalog.Targets(ctx, store.TargetFilter{
		Clusters: []string{key.Cluster}, Namespaces: []string{key.Namespace}, Service: key.Service,
		Since: q.Now().Add(-q.Limits.Retention),
	})
	if err != nil {
		return 0, err
	}
	seconds := 0
	for _, t := range list {
		seconds = max(seconds, q.target(t).State.WindowSeconds)
	}
	if seconds == 0 {
		seconds = defaultWindowSeconds
	}
	return time.Duration(seconds) * time.Second, nil
}

// defaultWindowSeconds is the length of a window unless it is set otherwise.
const defaultWindowSeconds = 60
