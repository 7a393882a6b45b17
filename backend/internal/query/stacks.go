package query

import (
	"context"
	"fmt"
	"slices"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// stacks are the filtered stacks of one or several requests, side by side, with
// what belongs to every answer about them.
type stacks struct {
	tree    *calltree.Tree
	sides   []side
	scanned api.Scanned
}

// side is one selection of an answer.
type side struct {
	store.Side
	rng      api.Range
	outside  profile.Amount // what filters left out
	coverage api.Coverage
}

// stacks reads the stacks of requests, and the coverage of the very windows that
// are in them. The filter is that of the first.
func (q *Query) stacks(ctx context.Context, requests ...request) (*stacks, error) {
	sums, err := q.sums(ctx, requests)
	if err != nil {
		return nil, err
	}
	out := &stacks{tree: sums.Tree, scanned: q.scanned(sums.Cost)}
	for i, r := range requests {
		one := side{Side: sums.Sides[i], rng: r.rng, outside: sums.Sides[i].Elsewhere}
		if one.coverage, err = q.explained(ctx, r, one.Coverage); err != nil {
			return nil, err
		}
		noteAmount(&one.coverage, profile.SumsDiffer, one.Excess)
		noteAmount(&one.coverage, profile.StacksCut, one.Cut)
		noteThreads(&one.coverage, r.sel, one.Total, one.Elsewhere)
		out.sides = append(out.sides, one)
	}
	tree, outside, err := sums.Tree.Filter(ctx, requests[0].filter)
	if err != nil {
		return nil, fmt.Errorf("filter stacks: %w", err)
	}
	out.leave(tree, outside)
	return out, nil
}

// sums reads the stacks of requests side by side. Those of one service share its
// call tree, and are read at one moment.
func (q *Query) sums(ctx context.Context, requests []request) (*store.Sums, error) {
	selections := make([]store.Selection, len(requests))
	for i, r := range requests {
		selections[i] = r.sel
	}
	if !slices.ContainsFunc(selections, func(s store.Selection) bool { return s.Service != selections[0].Service }) {
		return q.Samples.Sums(ctx, selections...)
	}
	if err := q.joins.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait for another comparison of two services: %w", err)
	}
	defer q.joins.Release(1)
	out, trees := &store.Sums{}, make([]*calltree.Tree, len(selections))
	for i, sel := range selections {
		sums, err := q.Samples.Sums(ctx, sel)
		if err != nil {
			return nil, err
		}
		trees[i] = sums.Tree
		out.Sides = append(out.Sides, sums.Sides...)
		out.Cost.Add(sums.Cost)
	}
	out.Tree = calltree.Join(trees...)
	return out, nil
}

// bytesOfNode is what a node of the answer takes while it is pruned, sorted and encoded;
// a table has no more rows than a graph has nodes unless asked otherwise, and they take less.
func (r *request) bytesOfNode() int64 {
	if r.base != nil {
		return 240
	}
	return 160
}

// leave replaces the tree by a part of it.
func (s *stacks) leave(part *calltree.Tree, outside []profile.Amount) {
	s.tree = part
	for i := range s.sides {
		s.sides[i].outside = s.sides[i].outside.Add(outside[i])
	}
}

// unread is what never came into the tree, by side.
func (s *stacks) unread() []profile.Amount {
	out := make([]profile.Amount, len(s.sides))
	for i := range s.sides {
		out[i] = s.sides[i].Omitted
	}
	return out
}
