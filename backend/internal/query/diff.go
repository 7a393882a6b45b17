package query

import (
	"context"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// diff puts a selection beside what it is compared to.
func (q *Query) diff(ctx context.Context, r request) (any, error) {
	if r.base == nil {
		return nil, api.Errorf(profile.BadParameter, "parameter baseFrom: nothing says what to compare to: give baseFrom and baseTo, or baseVersion, "+
			"basePod, baseSeries, baseService, baseNamespace, baseCluster, baseContainer or baseNode")
	}
	s, err := q.stacks(ctx, *r.base, r)
	if err != nil {
		return nil, err
	}
	pruned, report := s.tree.Prune(r.nodes, s.unread()...)
	names, kinds := functionColumns(pruned.Functions)
	d := api.Diff{
		Type: r.sel.Type, Unit: r.sel.Type.Unit(), CountUnit: r.sel.Type.CountUnit(),
		Functions: names, Kinds: kinds, Parents: pruned.Parent, Frames: pruned.Function,
		Nodes: report.Nodes, OmittedNodes: report.OmittedNodes, Scanned: s.scanned,
	}
	for i, into := range []*api.DiffSide{&d.Base, &d.Head} {
		one := &s.sides[i]
		d.Nodes += one.unreadNodes()
		d.OmittedNodes += one.unreadNodes()
		*into = api.DiffSide{
			Range: one.rng, Total: one.Total, Outside: one.outside, Omitted: report.Omitted[i], Coverage: one.coverage,
		}
		into.Values, into.Counts = amountColumns(pruned.Self[i])
	}
	return d, nil
}
