package query

import (
	"cmp"
	"context"
	"slices"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

func (q *Query) top(ctx context.Context, r request) (any, error) {
	sums, coverage, scanned, err := q.sums(ctx, r)
	if err != nil {
		return nil, err
	}
	t := topOf(&sums.Set, r.functions, r.byTotal)
	t.Range, t.Type, t.Unit, t.CountUnit = r.rng, r.sel.Type, r.sel.Type.Unit(), r.sel.Type.CountUnit()
	t.Total, t.Coverage, t.Scanned = sums.Total, coverage, scanned
	t.Omitted.Self = t.Omitted.Self.Add(sums.Omitted)
	return t, nil
}

// topOf makes the table of the heaviest functions. A sample counts once in the
// total of a function, however often the function is in its stack. Frames of
// kind omitted are no functions; what is theirs is in Omitted.
func topOf(s *profile.StackSet, limit int, byTotal bool) api.Top {
	self := make([]profile.Amount, len(s.Functions))
	total := make([]profile.Amount, len(s.Functions))
	seen := make([]int, len(s.Functions)) // by function: 1 + the last stack that it was found in
	top := api.Top{}
	for i, stack := range s.Stacks {
		a := profile.Amount{Value: stack.Value, Count: stack.Count}
		for _, f := range stack.Frames {
			if seen[f] != i+1 {
				seen[f] = i + 1
				total[f] = total[f].Add(a)
			}
		}
		if n := len(stack.Frames); n > 0 {
			leaf := stack.Frames[n-1]
			self[leaf] = self[leaf].Add(a)
		} else {
			top.Omitted.Self = top.Omitted.Self.Add(a)
		}
	}
	top.Functions = make([]api.TopFunction, 0, len(s.Functions))
	for i, f := range s.Functions {
		switch {
		case f.Kind == profile.Omitted:
			top.Omitted.Self = top.Omitted.Self.Add(self[i])
		case seen[i] > 0:
			top.Functions = append(top.Functions, api.TopFunction{Name: f.Name, Kind: f.Kind.String(), Self: self[i], Total: total[i]})
		}
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
