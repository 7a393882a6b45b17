package query

import (
	"context"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

func (q *Query) coverage(ctx context.Context, r request) (any, error) {
	ledger, err := q.Samples.Coverage(ctx, r.sel)
	if err != nil {
		return nil, err
	}
	coverage, err := q.explained(ctx, r, ledger)
	return coverage, err
}

// explained is the coverage of a selection, with the reason if there is
// nothing in it. It returns an error if nobody knows the service.
func (q *Query) explained(ctx context.Context, r request, c *store.Coverage) (api.Coverage, error) {
	losses := profile.AddLosses(append([]profile.Loss(nil), c.Ledger.Losses...), c.Losses...)
	if c.Windows == (store.WindowCount{}) {
		why, err := q.whyEmpty(ctx, r)
		if err != nil {
			return api.Coverage{}, err
		}
		losses = profile.AddLosses(losses, why...)
	}
	return api.Coverage{
		Windows:   windows(c.Windows),
		Captured:  c.Ledger.Captured,
		Stored:    c.Ledger.Stored,
		Truncated: c.Ledger.Sum(profile.Truncated),
		Dropped:   c.Ledger.Sum(profile.Dropped),
		Losses:    api.Losses(losses),
	}, nil
}

func windows(c store.WindowCount) api.Windows {
	return api.Windows{Expected: c.Expected, Stored: c.Stored, Lost: c.Lost}
}

func (q *Query) scanned(costs ...store.Cost) api.Scanned {
	var s api.Scanned
	var elapsed time.Duration
	for _, c := range costs {
		s.Rows += c.RowsRead
		s.Bytes += c.BytesRead
		elapsed += c.Elapsed
	}
	s.ElapsedMS = float64(elapsed) / float64(time.Millisecond)
	q.metrics.rows.Add(float64(s.Rows))
	return s
}
