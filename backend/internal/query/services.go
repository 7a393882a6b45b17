package query

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// services lists services that sent windows in the range, and services whose
// targets reported then although none of them sent a window: those in trouble
// must not be missing from the list.
func (q *Query) services(ctx context.Context, r request) (any, error) {
	targets, moreTargets, _, err := q.Catalog.Targets(ctx, store.TargetFilter{Since: r.rng.From})
	if err != nil {
		return nil, err
	}
	byKey := map[store.ServiceKey]*api.Service{}
	for _, t := range targets {
		q.addTarget(byKey, t)
	}
	// One step for all services: the longest windows must not leave holes, but for those
	// that say they are longer than any pod may ask for.
	window := 0
	for _, s := range byKey {
		window = max(window, min(s.WindowSeconds, longestWindowSeconds))
	}
	length := time.Duration(cmp.Or(window, defaultWindowSeconds)) * time.Second
	step, unit := store.ActivityStep(stepOf(r.rng, q.Limits.SparkPoints, length))
	all, err := q.Catalog.Overview(ctx, store.ServiceFilter{Range: r.sel.Range}, aligned(r.sel.Range, cmp.Or(unit, length)), step)
	if err != nil {
		return nil, err
	}
	for _, s := range all.Services {
		if byKey[s.ServiceKey] == nil {
			byKey[s.ServiceKey] = newService(s.ServiceKey)
		}
		describe(byKey[s.ServiceKey], s, all.Activity[s.ServiceKey])
	}
	list := slices.Collect(maps.Values(byKey))
	slices.SortFunc(list, func(a, b *api.Service) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service))
	})
	out := api.Services{Range: r.rng, Services: make([]api.Service, 0, len(list)), Truncated: all.Truncated || all.Uncounted || moreTargets}
	for _, s := range list {
		out.Services = append(out.Services, *s)
	}
	return out, nil
}

// describe fills in what a service sent.
func describe(out *api.Service, s store.Service, a *store.Activity) {
	out.LastWindowEnd = new(s.LastEnd.UTC())
	for _, version := range s.Versions {
		addVersion(out, version)
	}
	losses := a.Losses
	if a.TooLarge {
		losses = profile.AddLosses(losses, profile.Loss{Outcome: profile.Noticed, Reason: profile.SumTooLarge})
	}
	out.Windows, out.Told = windows(a.Windows), api.Tell(losses, a.Unclaimed)
	out.WindowSeconds = cmp.Or(out.WindowSeconds, int(a.WindowLength/time.Second))
	for _, t := range s.Types {
		of := a.Types[t.Type]
		out.Types = append(out.Types, api.ServiceType{Type: t.Type, Unit: t.Type.Unit(), Total: t.Stored, Unvalued: of.Unvalued, Mean: mean(of.Time, t.Stored), Spark: spark(of.Steps)})
	}
	slices.SortFunc(out.Types, func(a, b api.ServiceType) int {
		return slices.Index(profile.Types(), a.Type) - slices.Index(profile.Types(), b.Type)
	})
}

func addVersion(s *api.Service, version string) {
	if !slices.Contains(s.Versions, version) && len(s.Versions) < store.MaxVersions {
		s.Versions = append(s.Versions, version)
		slices.Sort(s.Versions)
	}
}

func newService(key store.ServiceKey) *api.Service {
	return &api.Service{
		Cluster: key.Cluster, Namespace: key.Namespace, Service: key.Service,
		Versions: []string{}, Targets: map[string]int{}, Types: []api.ServiceType{}, Told: api.Tell(nil, nil),
	}
}

func (q *Query) addTarget(byKey map[store.ServiceKey]*api.Service, t store.TargetStatus) {
	key := store.ServiceKey{Cluster: t.Cluster, Namespace: t.Namespace, Service: t.Service}
	s := byKey[key]
	if s == nil {
		s = newService(key)
		byKey[key] = s
	}
	target := q.target(t)
	s.Targets[shownState(target)]++
	s.WindowSeconds = max(s.WindowSeconds, target.State.WindowSeconds)
	if t.Version != "" {
		addVersion(s, t.Version)
	}
}

// shownState is the state that people are told.
func shownState(t api.Target) string {
	if t.Silent {
		return api.Silent
	}
	return string(t.State.State)
}

// spark is the value per second of each step.
func spark(steps []store.Step) []*float64 {
	out := make([]*float64, len(steps))
	for i, s := range steps {
		if !s.Unvalued {
			out[i] = perSecond(s.Time, profile.Amount{Value: s.Value})
		}
	}
	return out
}
