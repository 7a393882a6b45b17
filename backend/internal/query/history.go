package query

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// eventStep is the finest step of the history: the store counts by the minute.
const eventStep = time.Minute

// ingestHistory answers what became of uploads. The store counts them for the
// whole installation, so only who may see every namespace is told.
func (q *Query) ingestHistory(ctx context.Context, r request) (any, error) {
	scope, ok := access.From(ctx)
	if ok && !scope.Everything() {
		return nil, api.Errorf(profile.Forbidden, "the history of ingestion is of every namespace, and you see %s", scope)
	}
	span := store.Range{From: r.sel.From.Truncate(eventStep), To: r.sel.To}
	step := stepOf(api.Range{From: span.From, To: span.To}, r.points, eventStep)
	cells, _, err := q.Prober.Events(ctx, span, step)
	if err != nil {
		return nil, err
	}
	steps := int((span.To.Sub(span.From) + step - 1) / step)
	return api.IngestHistory{
		Range: r.rng, Start: span.From, StepSeconds: int64(step / time.Second), Steps: steps,
		Events: eventColumns(cells, span.From, step, steps),
	}, nil
}

// eventColumns sorts cells into a column for each outcome and reason, in the
// order of outcomes and then of reasons.
func eventColumns(cells []store.EventCell, first time.Time, step time.Duration, steps int) []api.IngestEvents {
	type key struct {
		outcome store.EventOutcome
		reason  profile.Reason
	}
	columns := map[key]*api.IngestEvents{}
	var keys []key
	for _, c := range cells {
		at := int(c.Start.Sub(first) / step)
		if at < 0 || at >= steps {
			continue
		}
		k := key{c.Outcome, c.Reason}
		if columns[k] == nil {
			columns[k] = &api.IngestEvents{Outcome: string(c.Outcome), ReasonText: textOf(c.Reason), Routine: c.Reason.Routine(), Windows: make([]int64, steps), Samples: make([]int64, steps)}
			keys = append(keys, k)
		}
		columns[k].Windows[at] += c.Windows
		columns[k].Samples[at] += c.Samples
	}
	order := store.EventOutcomes()
	slices.SortFunc(keys, func(a, b key) int {
		if d := slices.Index(order, a.outcome) - slices.Index(order, b.outcome); d != 0 {
			return d
		}
		return strings.Compare(string(a.reason), string(b.reason))
	})
	out := make([]api.IngestEvents, 0, len(keys))
	for _, k := range keys {
		out = append(out, *columns[k])
	}
	return out
}

func textOf(r profile.Reason) profile.ReasonText {
	if r == "" { // simply accepted
		return profile.ReasonText{}
	}
	return profile.Explain(r)
}
