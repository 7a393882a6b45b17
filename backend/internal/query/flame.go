package query

import (
	"context"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"golang.org/x/sync/errgroup"
)

func (q *Query) flame(ctx context.Context, r request) (any, error) {
	sums, coverage, scanned, err := q.sums(ctx, r)
	if err != nil {
		return nil, err
	}
	set := profile.Merge(r.sel.Type, &sums.Set) // into canonical order, which Prune needs
	pruned, report := profile.Prune(&set, r.nodes)
	pruned = withOmitted(&pruned, sums.Omitted)
	f := columns(&pruned)
	f.Range, f.Unit, f.CountUnit = r.rng, r.sel.Type.Unit(), r.sel.Type.CountUnit()
	f.Total, f.Coverage, f.Scanned = sums.Total, coverage, scanned
	// Of a stack that was not read it is only known that it has a node of its own.
	f.Nodes = report.Nodes + int(sums.OmittedStacks)
	f.Omitted = api.OmittedNodes{
		Nodes: report.OmittedNodes + int(sums.OmittedStacks),
		Value: report.Omitted.Value + sums.Omitted.Value,
		Count: report.Omitted.Count + sums.Omitted.Count,
	}
	return f, nil
}

// sums reads the stacks and the coverage of a selection at the same time.
func (q *Query) sums(ctx context.Context, r request) (sums *store.Sums, coverage api.Coverage, scanned api.Scanned, err error) {
	g, ctx2 := errgroup.WithContext(ctx)
	var ledger *store.Coverage
	g.Go(func() (err error) {
		sums, err = q.Samples.StackSet(ctx2, r.sel)
		return err
	})
	g.Go(func() (err error) {
		ledger, err = q.Samples.Coverage(ctx2, r.sel)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, api.Coverage{}, api.Scanned{}, err
	}
	coverage, err = q.explained(ctx, r, ledger)
	return sums, coverage, q.scanned(sums.Cost, ledger.Cost), err
}

// withOmitted adds what the store left out as one frame, so that the values of
// the stacks sum to the total.
func withOmitted(s *profile.StackSet, a profile.Amount) profile.StackSet {
	if a == (profile.Amount{}) {
		return *s
	}
	rest := profile.StackSet{
		Type:      s.Type,
		Functions: []profile.Function{{Name: profile.OmittedFrames, Kind: profile.Omitted}},
		Stacks:    []profile.Stack{{Frames: []uint32{0}, Value: a.Value, Count: a.Count}},
	}
	return profile.Merge(s.Type, s, &rest)
}

func columns(s *profile.StackSet) api.Flame {
	f := api.Flame{
		Type:      s.Type,
		Functions: make([]string, len(s.Functions)),
		Kinds:     make([]string, len(s.Functions)),
		Frames:    make([][]uint32, len(s.Stacks)),
		Values:    make([]int64, len(s.Stacks)),
		Counts:    make([]int64, len(s.Stacks)),
	}
	for i, function := range s.Functions {
		f.Functions[i], f.Kinds[i] = function.Name, function.Kind.String()
	}
	for i, stack := range s.Stacks {
		f.Frames[i], f.Values[i], f.Counts[i] = stack.Frames, stack.Value, stack.Count
		if stack.Frames == nil {
			f.Frames[i] = []uint32{}
		}
	}
	return f
}
