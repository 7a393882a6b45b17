package query

import (
	"context"
	"slices"
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
	unclaimed := c.Losses
	if c.Windows == (store.WindowCount{}) {
		why, err := q.whyEmpty(ctx, r)
		if err != nil {
			return api.Coverage{}, err
		}
		unclaimed = profile.AddLosses(slices.Clone(unclaimed), why...)
	}
	return told(c, unclaimed), nil
}

// told is a coverage in the words of the API, with losses that no type can claim.
func told(c *store.Coverage, unclaimed []profile.Loss) api.Coverage {
	out := api.Coverage{
		Windows:   windows(c.Windows),
		Captured:  c.Ledger.Captured,
		Stored:    c.Ledger.Stored,
		Truncated: c.Ledger.Sum(profile.Truncated),
		Dropped:   c.Ledger.Sum(profile.Dropped),
		Told:      api.Tell(c.Ledger.Losses, unclaimed),
		Mean:      mean(c.Time, c.Ledger.Stored),
	}
	if c.Uncounted {
		out.Notices = append(out.Notices, notice(profile.TargetsUncounted, profile.Amount{})...)
	}
	if k := c.Kernel; k.Windows > 0 {
		out.KernelCPU = &api.KernelCPU{Windows: k.Windows, ChargedNS: int64(k.Charged), ProfiledNS: int64(k.Profiled)}
	}
	return out
}

func notice(r profile.Reason, a profile.Amount) []api.Loss {
	return api.Losses([]profile.Loss{{Outcome: profile.Noticed, Reason: r, Value: a.Value, Count: a.Count}})
}

// noteAmount tells a reason that some of what is stored has, if there is any.
func noteAmount(c *api.Coverage, r profile.Reason, a profile.Amount) {
	if a != (profile.Amount{}) {
		c.Notices = append(c.Notices, notice(r, a)...)
	}
}

// less is what is left of an amount without a part of it.
func less(all, part profile.Amount) profile.Amount {
	return profile.Amount{Value: all.Value - part.Value, Count: all.Count - part.Count}
}

// noteThreads says of a selection by thread groups that they choose nothing, or
// leave nothing out, of what there is: as an empty answer alone would not. Elsewhere
// is what is not of the chosen threads.
func noteThreads(c *api.Coverage, sel store.Selection, all, elsewhere profile.Amount) {
	none := profile.Amount{}
	chosen := len(sel.Threads) > 0
	if all != none && (chosen && elsewhere == all || !chosen && len(sel.NotThreads) > 0 && elsewhere == none) {
		c.Notices = append(c.Notices, notice(profile.NoSuchThreads, none)...)
	}
}

func mean(t store.Time, stored profile.Amount) api.Mean {
	return api.Mean{RecordedSeconds: t.Recorded.Seconds(), MeanTargets: t.Targets(), PerSecond: perSecond(t, stored)}
}

// perSecond is nil if nothing was recorded, or if none of the samples has a
// value.
func perSecond(t store.Time, stored profile.Amount) *float64 {
	v, ok := t.PerSecond(stored.Value)
	if !ok || stored.Value == 0 && stored.Count > 0 {
		return nil
	}
	return &v
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
