package query

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

func (q *Query) series(ctx context.Context, r request) (any, error) {
	window, err := q.windowLength(ctx, r.sel)
	if err != nil {
		return nil, err
	}
	step := stepOf(r.rng, r.points, window)
	first := aligned(r.sel.Range, window)
	var cells []store.Cell
	var parts []store.Part
	var ledger *store.Coverage
	some := len(r.sel.Threads)+len(r.sel.NotThreads) > 0
	switch {
	case some && r.by != "" && r.by != store.ByThread:
		return nil, api.Errorf(profile.BadParameter, "parameter by: a timeline of some threads is taken apart by thread, not by %s", r.by)
	case some:
		cells, parts, ledger, err = q.Samples.Parts(ctx, r.sel, first, step, store.ByThread)
		parts = chosenThreads(parts, r.sel)
	case r.by == "":
		cells, ledger, err = q.Samples.Timeline(ctx, r.sel, first, step)
	default:
		cells, parts, ledger, err = q.Samples.Parts(ctx, r.sel, first, step, r.by)
	}
	if err != nil {
		return nil, err
	}
	coverage, err := q.explained(ctx, r, ledger)
	if err != nil {
		return nil, err
	}
	all := points(cells)
	if some {
		sumOf(parts, cells, all)
		noteThreads(&coverage, r.sel, ledger.Ledger.Stored, less(ledger.Ledger.Stored, totalOf(parts)))
	}
	if r.by == "" {
		parts = nil
	}
	shown, others := partsOf(parts, r.parts, r.by)
	return api.Series{
		Range: r.rng, Type: r.sel.Type, Unit: r.sel.Type.Unit(), CountUnit: r.sel.Type.CountUnit(),
		StepSeconds: int64(step / time.Second), Targets: ledger.Targets, Points: all, Coverage: coverage,
		By: string(r.by), Parts: shown, OtherParts: others,
	}, nil
}

// chosenThreads are the parts of a timeline that are of the chosen threads.
func chosenThreads(parts []store.Part, sel store.Selection) []store.Part {
	return slices.DeleteFunc(parts, func(p store.Part) bool {
		return len(sel.Threads) > 0 && !slices.Contains(sel.Threads, p.Name) || slices.Contains(sel.NotThreads, p.Name)
	})
}

// sumOf gives the points of a timeline the sums of parts.
func sumOf(parts []store.Part, cells []store.Cell, points []api.Point) {
	for i := range points {
		var sum profile.Amount
		for _, p := range parts {
			sum = sum.Add(p.Stored[i])
		}
		points[i].Value, points[i].Count, points[i].PerSecond = sum.Value, sum.Count, perSecond(cells[i].Time, sum)
	}
}

func totalOf(parts []store.Part) (sum profile.Amount) {
	for _, p := range parts {
		sum = sum.Add(p.Total)
	}
	return sum
}

// partsOf returns the heaviest parts and the number of the others.
func partsOf(parts []store.Part, limit int, by store.Column) (shown []api.Part, others int) {
	shown = []api.Part{}
	for _, p := range parts[:min(len(parts), limit)] {
		if by == store.ByThread && p.Name == "" {
			p.Name = profile.UnknownThreads
		}
		one := api.Part{Name: p.Name, Total: p.Total, Windows: p.Windows}
		one.Values, one.Counts = amountColumns(p.Stored)
		shown = append(shown, one)
	}
	return shown, len(parts) - len(shown)
}

// stepOf is the shortest multiple of the window that divides the range into at
// most n steps.
func stepOf(r api.Range, n int, window time.Duration) time.Duration {
	span := r.To.Sub(r.From)
	windows := (span + window - 1) / window
	perStep := (int64(windows) + int64(n) - 1) / int64(n)
	return time.Duration(max(perStep, 1)) * window
}

// aligned is where the first window in a range starts, so that steps begin where
// windows do.
func aligned(r store.Range, window time.Duration) time.Time {
	if first := r.From.Add(window - 1).Truncate(window); first.Before(r.To) {
		return first
	}
	return r.From
}

func points(cells []store.Cell) []api.Point {
	out := make([]api.Point, 0, len(cells))
	for _, c := range cells {
		out = append(out, api.Point{
			Start: c.Start.UTC(), Value: c.Ledger.Stored.Value, Count: c.Ledger.Stored.Count, PerSecond: perSecond(c.Time, c.Ledger.Stored),
			Windows: windows(c.Windows), Status: status(c), Told: api.Tell(c.Ledger.Losses, c.Losses),
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

// windowLength is the longest window that the targets of a service have reported since
// the range began, or the default of a sidecar.
func (q *Query) windowLength(ctx context.Context, sel store.Selection) (time.Duration, error) {
	length, err := q.Catalog.WindowLength(ctx, sel.ServiceKey, sel.From)
	return cmp.Or(length, defaultWindowSeconds*time.Second), err
}

// defaultWindowSeconds is the length of a window unless it is set otherwise, and
// longestWindowSeconds what it may be set to.
const (
	defaultWindowSeconds = 60
	longestWindowSeconds = 600
)
