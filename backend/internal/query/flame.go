package query

import (
	"context"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
)

func (q *Query) flame(ctx context.Context, r request) (any, error) {
	s, err := q.stacks(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.flame(r), nil
}

func (q *Query) callers(ctx context.Context, r request) (any, error) {
	return q.sandwich(ctx, r, (*calltree.Tree).Callers)
}

func (q *Query) callees(ctx context.Context, r request) (any, error) {
	return q.sandwich(ctx, r, (*calltree.Tree).Callees)
}

func (q *Query) sandwich(ctx context.Context, r request, around func(*calltree.Tree, string) (*calltree.Tree, []profile.Amount)) (any, error) {
	s, err := q.stacks(ctx, r)
	if err != nil {
		return nil, err
	}
	tree, outside := around(s.tree, r.function)
	if s.tree.Size() > 0 && tree.Size() == 0 {
		return nil, api.Errorf(profile.NotFound, "no stack of the selection has a function %q", r.function)
	}
	s.leave(tree, outside)
	return s.flame(r), nil
}

// flame is the answer with the heaviest nodes.
func (s *stacks) flame(r request) api.Flame {
	pruned, report := s.tree.Prune(r.nodes, s.unread()...)
	only := &s.sides[0]
	return api.Flame{
		Range: r.rng, Type: r.sel.Type, Unit: r.sel.Type.Unit(), CountUnit: r.sel.Type.CountUnit(),
		Graph: graph(pruned), Total: only.Total, Outside: only.outside,
		Nodes: report.Nodes + only.unreadNodes(),
		Omitted: api.OmittedNodes{
			Nodes: report.OmittedNodes + only.unreadNodes(), Value: report.Omitted[0].Value, Count: report.Omitted[0].Count,
		},
		Coverage: only.coverage, Scanned: s.scanned,
	}
}

// unreadNodes is the least number of nodes that were not read: of a stack that
// was not read it is only known that it has a node of its own.
func (s *side) unreadNodes() int { return int(s.OmittedStacks) }

func graph(g *calltree.Graph) api.Graph {
	names, kinds := functionColumns(g.Functions)
	out := api.Graph{Functions: names, Kinds: kinds, Parents: g.Parent, Frames: g.Function}
	out.Values, out.Counts = amountColumns(g.Self[0])
	return out
}

func functionColumns(functions []profile.Function) (names, kinds []string) {
	names, kinds = make([]string, len(functions)), make([]string, len(functions))
	for i, f := range functions {
		names[i], kinds[i] = f.Name, f.Kind.String()
	}
	return names, kinds
}

func amountColumns(amounts []profile.Amount) (values, counts []int64) {
	values, counts = make([]int64, len(amounts)), make([]int64, len(amounts))
	for i, a := range amounts {
		values[i], counts[i] = a.Value, a.Count
	}
	return values, counts
}
