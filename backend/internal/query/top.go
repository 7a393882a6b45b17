package query

import (
	"cmp"
	"context"
	"slices"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/calltree"
)

func (q *Query) top(ctx context.Context, r request) (any, error) {
	s, err := q.stacks(ctx, r)
	if err != nil {
		return nil, err
	}
	t := topOf(s.tree, r.functions, r.byTotal)
	t.Range, t.Type, t.Unit, t.CountUnit = r.rng, r.sel.Type, r.sel.Type.Unit(), r.sel.Type.CountUnit()
	only := s.sides[0]
	t.Total, t.Outside, t.Coverage, t.Scanned = only.Total, only.outside, only.coverage, s.scanned
	t.Omitted.Self = t.Omitted.Self.Add(only.Omitted)
	return t, nil
}

// topOf makes the table of the heaviest functions.
func topOf(tree *calltree.Tree, limit int, byTotal bool) api.Top {
	list, rest := tree.Top()
	top := api.Top{Functions: make([]api.TopFunction, len(list))}
	top.Omitted.Self = rest[0]
	for i, f := range list {
		top.Functions[i] = api.TopFunction{Name: f.Name, Kind: f.Kind.String(), Self: f.Self[0], Total: f.Total[0]}
	}
	slices.SortFunc(top.Functions, func(a, b api.TopFunction) int { return compareTop(a, b, byTotal) })
	return cut(top, limit)
}

func compareTop(a, b api.TopFunction, byTotal bool) int {
	bySelf := cmp.Compare(b.Self.Value, a.Self.Value)
	order := cmp.Compare(b.Total.Value, a.Total.Value)
	if byTotal {
		bySelf, order = order, bySelf
	}
	return cmp.Or(bySelf, order, cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
}

func cut(top api.Top, limit int) api.Top {
	if len(top.Functions) <= limit {
		return top
	}
	top.Omitted.Functions = len(top.Functions) - limit
	for _, f := range top.Functions[limit:] {
		top.Omitted.Self = top.Omitted.Self.Add(f.Self)
	}
	top.Functions = top.Functions[:limit]
	return top
}
