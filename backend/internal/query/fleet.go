package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// fleetTop adds up the functions of all services of a reader. The heaviest are
// read first and one after the other, as long as half of the time for a request
// allows; what is not read is told with its value, so shares are of the whole.
func (q *Query) fleetTop(ctx context.Context, r request) (any, error) {
	if err := q.fleets.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait for another table over all services: %w", err)
	}
	defer q.fleets.Release(1)
	until := time.Now().Add(q.Limits.Timeout / 2)
	filter := store.ServiceFilter{Range: r.sel.Range}
	if r.has["cluster"] {
		filter.Clusters = []string{r.sel.Cluster}
	}
	if r.has["namespace"] {
		filter.Namespaces = []string{r.sel.Namespace}
	}
	all, err := q.Catalog.Overview(ctx, filter, r.sel.From, r.rng.To.Sub(r.rng.From))
	if err != nil {
		return nil, err
	}
	f := newFleet(r, all, q.Limits.FleetNames)
	costs := []store.Cost{all.Cost}
	for i, service := range f.services {
		if i >= q.Limits.Fleet || time.Now().After(until) {
			f.leaveUnread(service)
			continue
		}
		sel := r.sel
		sel.ServiceKey = service.key
		sums, err := q.Samples.Sums(ctx, sel)
		switch {
		case tooMuch(err) && ctx.Err() == nil:
			f.leaveUnread(service)
			continue
		case err != nil:
			return nil, err
		}
		costs = append(costs, sums.Cost)
		if err := f.add(ctx, service.key, sums); err != nil {
			return nil, err
		}
	}
	out := f.table(r)
	out.Price, out.Truncated, out.Scanned = q.Price, all.Truncated || all.Uncounted, q.scanned(costs...)
	if len(f.services) == 0 {
		out.Coverage.Told = api.Tell(nil, q.because(r, []profile.Reason{f.whyNone(all)}))
	}
	return out, nil
}

// tooMuch says that a service by itself is beyond a limit: others are not.
func tooMuch(err error) bool {
	e, ok := errors.AsType[*store.Error](err)
	return ok && (e.Class == store.TooExpensive || e.Class == store.SumTooLarge)
}

// fleet is a table over all services while it is being filled.
type fleet struct {
	request  request
	most     int            // rows
	services []fleetService // with samples of the type, the heaviest first
	rows     map[profile.Function]*api.FleetFunction
	answer   api.FleetTop
	account  store.Account // of the services that were read
	mean     api.Mean
	excess   profile.Amount
	cut      profile.Amount
}

type fleetService struct {
	key    store.ServiceKey
	stored profile.Amount
}

func newFleet(r request, all *store.Overview, most int) *fleet {
	f := &fleet{request: r, most: most, rows: map[profile.Function]*api.FleetFunction{}}
	for _, s := range all.Services {
		for _, t := range s.Types {
			if t.Type != r.sel.Type {
				continue
			}
			f.services = append(f.services, fleetService{s.ServiceKey, t.Stored})
			if rate := perSecond(all.Activity[s.ServiceKey].Types[t.Type].Time, t.Stored); rate != nil {
				f.answer.PerSecond = new(value(f.answer.PerSecond) + *rate)
			}
		}
	}
	slices.SortStableFunc(f.services, func(a, b fleetService) int {
		return cmp.Or(cmp.Compare(b.stored.Value, a.stored.Value), cmp.Compare(b.stored.Count, a.stored.Count))
	})
	return f
}

func value(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

func (f *fleet) leaveUnread(s fleetService) {
	f.answer.Unread.Services++
	f.answer.Unread.Total = f.answer.Unread.Total.Add(s.stored)
	f.answer.Total = f.answer.Total.Add(s.stored)
}

// add enters the stacks of a service, and the coverage of the very windows that
// are in them.
func (f *fleet) add(ctx context.Context, key store.ServiceKey, sums *store.Sums) error {
	side := sums.Sides[0]
	tree, outside, err := sums.Tree.Filter(ctx, f.request.filter)
	if err != nil {
		return fmt.Errorf("filter stacks of %s: %w", key.Service, err)
	}
	f.answer.Services++
	f.answer.Total, f.answer.Outside = f.answer.Total.Add(side.Total), f.answer.Outside.Add(outside[0])
	list, rest := tree.Top()
	f.answer.Omitted.Self = f.answer.Omitted.Self.Add(rest[0]).Add(side.Omitted)
	for i := range list {
		f.enter(key, &list[i])
	}
	f.cover(side)
	return nil
}

// enter adds a function of a service to its row. Functions for which there is no
// room are of lighter services than those that have a row.
func (f *fleet) enter(key store.ServiceKey, one *calltree.FunctionSums) {
	row := f.rows[one.Function]
	switch {
	case row == nil && len(f.rows) == f.most:
		f.answer.Omitted.Functions++
		f.answer.Omitted.Self = f.answer.Omitted.Self.Add(one.Self[0])
		return
	case row == nil:
		row = &api.FleetFunction{Name: one.Name, Kind: one.Kind.String()}
		f.rows[one.Function] = row
	}
	row.Services++
	row.Self, row.Total = row.Self.Add(one.Self[0]), row.Total.Add(one.Total[0])
	here := api.FleetService{Cluster: key.Cluster, Namespace: key.Namespace, Service: key.Service, Self: one.Self[0], Total: one.Total[0]}
	if row.Services == 1 || cmp.Or(cmp.Compare(here.Self.Value, row.Most.Self.Value), cmp.Compare(here.Total.Value, row.Most.Total.Value)) > 0 {
		row.Most = here
	}
}

func (f *fleet) cover(side store.Side) {
	c, sum := side.Coverage, &f.account
	sum.Windows.Expected += c.Windows.Expected
	sum.Windows.Stored += c.Windows.Stored
	sum.Windows.Lost += c.Windows.Lost
	sum.Ledger = profile.MergeCoverage(f.request.sel.Type, sum.Ledger, c.Ledger)
	sum.Losses = profile.AddLosses(sum.Losses, c.Losses...)
	sum.Kernel.Windows += c.Kernel.Windows
	sum.Kernel.Charged += c.Kernel.Charged
	sum.Kernel.Profiled += c.Kernel.Profiled
	f.excess, f.cut = f.excess.Add(side.Excess), f.cut.Add(side.Cut)
	of := mean(c.Time, c.Ledger.Stored)
	f.mean.RecordedSeconds += of.RecordedSeconds
	f.mean.MeanTargets += of.MeanTargets
	if of.PerSecond != nil {
		f.mean.PerSecond = new(value(f.mean.PerSecond) + *of.PerSecond)
	}
}

func (f *fleet) table(r request) api.FleetTop {
	out := f.answer
	out.Range, out.Type, out.Unit, out.CountUnit = r.rng, r.sel.Type, r.sel.Type.Unit(), r.sel.Type.CountUnit()
	out.Functions = make([]api.FleetFunction, 0, len(f.rows))
	for _, row := range f.rows {
		out.Functions = append(out.Functions, *row)
	}
	top := func(f api.FleetFunction) api.TopFunction {
		return api.TopFunction{Name: f.Name, Kind: f.Kind, Self: f.Self, Total: f.Total}
	}
	slices.SortFunc(out.Functions, func(a, b api.FleetFunction) int { return compareTop(top(a), top(b), r.byTotal) })
	for _, row := range out.Functions[min(r.functions, len(out.Functions)):] {
		out.Omitted.Functions++
		out.Omitted.Self = out.Omitted.Self.Add(row.Self)
	}
	out.Functions = out.Functions[:min(r.functions, len(out.Functions))]
	out.Coverage = told(&store.Coverage{Account: f.account}, f.account.Losses)
	out.Coverage.Mean = f.mean
	noteAmount(&out.Coverage, profile.SumsDiffer, f.excess)
	noteAmount(&out.Coverage, profile.StacksCut, f.cut)
	return out
}

// whyNone is the reason for which no service has samples of the type.
func (f *fleet) whyNone(all *store.Overview) profile.Reason {
	if len(all.Services) > 0 {
		return profile.NotRecorded
	}
	return profile.NoTarget
}
