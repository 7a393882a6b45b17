package query

import (
	"context"
	"math"
	"time"

	"github.com/podflame/podflame/backend/api"
)

// heatmap answers what each window of the range stored, to be drawn in columns of
// some windows: bursts stand out, and so does what repeats.
func (q *Query) heatmap(ctx context.Context, r request) (any, error) {
	window, err := q.windowLength(ctx, r.sel)
	if err != nil {
		return nil, err
	}
	cells, ledger, err := q.Samples.Timeline(ctx, r.sel, aligned(r.sel.Range, window), window)
	if err != nil {
		return nil, err
	}
	coverage, err := q.explained(ctx, r, ledger)
	if err != nil {
		return nil, err
	}
	out := api.Heatmap{
		Range: r.rng, Type: r.sel.Type, Unit: r.sel.Type.Unit(), CountUnit: r.sel.Type.CountUnit(),
		Start: r.rng.From, WindowSeconds: int64(window / time.Second), Rows: r.rows,
		Values: make([]*int64, len(cells)), Counts: make([]*int64, len(cells)), PerSecond: make([]*float64, len(cells)), Coverage: coverage,
	}
	if out.Rows == 0 {
		out.Rows = max(1, int(math.Sqrt(float64(len(cells))/2))) // about twice as wide as high
	}
	for i, c := range cells {
		if i == 0 {
			out.Start = c.Start
		}
		if stored := c.Ledger.Stored; c.Windows.Stored > 0 {
			out.Values[i], out.Counts[i], out.PerSecond[i] = &stored.Value, &stored.Count, perSecond(c.Time, stored)
		}
	}
	return out, nil
}
