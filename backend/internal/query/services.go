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
	sent, truncated, _, err := q.Catalog.Services(ctx, store.ServiceFilter{Range: r.sel.Range})
	if err != nil {
		return nil, err
	}
	targets, moreTargets, _, err := q.Catalog.Targets(ctx, store.TargetFilter{Since: r.rng.From})
	if err != nil {
		return nil, err
	}
	byKey := map[store.ServiceKey]*api.Service{}
	for _, s := range sent {
		byKey[s.ServiceKey] = q.service(s)
	}
	for _, t := range targets {
		q.addTarget(byKey, t)
	}
	if err := q.addActivity(ctx, r, byKey); err != nil {
		return nil, err
	}
	list := slices.Collect(maps.Values(byKey))
	slices.SortFunc(list, func(a, b *api.Service) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service))
	})
	out := api.Services{Range: r.rng, Services: make([]api.Service, 0, len(list)), Truncated: truncated || moreTargets}
	for _, s := range list {
		out.Services = append(out.Services, *s)
	}
	return out, nil
}

func (q *Query) service(s store.Service) *api.Service {
	last := s.LastWindow.UTC()
	out := newService(s.ServiceKey)
	out.LastWindow = &last
	out.Versions = append(out.Versions, s.Versions...)
	// Until addActivity knows better: what came was expected.
	out.Windows = api.Windows{Expected: s.Windows, Stored: s.Windows}
	for _, t := range s.Types {
		out.Types = append(out.Types, api.ServiceType{Type: t.Type, Unit: t.Type.Unit(), Total: t.Stored, Spark: []*float64{}})
	}
	slices.SortFunc(out.Types, func(a, b api.ServiceType) int {
		return slices.Index(profile.Types(), a.Type) - slices.Index(profile.Types(), b.Type)
	})
	return out
}

func newService(key store.ServiceKey) *api.Service {
	return &api.Service{
		Cluster: key.Cluster, Namespace: key.Namespace, Service: key.Service,
		Versions: []string{}, Targets: map[string]int{}, Types: []api.ServiceType{}, Losses: []api.Loss{},
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
	state := string(target.State.State)
	if target.Silent {
		state = api.Silent
	}
	s.Targets[state]++
	s.WindowSeconds = max(s.WindowSeconds, target.State.WindowSeconds)
	if t.Version != "" && !slices.Contains(s.Versions, t.Version) && len(s.Versions) < store.MaxVersions {
		s.Versions = append(s.Versions, t.Version)
		slices.Sort(s.Versions)
	}
}

// addActivity fills in sparks, windows and losses.
func (q *Query) addActivity(ctx context.Context, r request, byKey map[store.ServiceKey]*api.Service) error {
	// One step for all services: the longest windows must not leave holes.
	window := 0
	for _, s := range byKey {
		window = max(window, s.WindowSeconds)
	}
	length := time.Duration(cmp.Or(window, defaultWindowSeconds)) * time.Second
	step := stepOf(r.rng, q.Limits.SparkPoints, length)
	filter := store.ServiceFilter{Range: aligned(r.sel, length).Range}
	activities, _, err := q.Catalog.Activity(ctx, filter, step)
	if err != nil {
		return err
	}
	for key, a := range activities {
		s := byKey[key]
		if s == nil {
			continue // beyond the limit of services
		}
		s.Windows, s.Losses = windows(a.Windows), api.Losses(a.Losses)
		s.WindowSeconds = cmp.Or(s.WindowSeconds, a.WindowSeconds)
		for i := range s.Types {
			s.Types[i].Spark = spark(a.Steps[s.Types[i].Type], step)
		}
	}
	return nil
}

// spark is the value per second of each step.
func spark(steps []store.ActivityStep, step time.Duration) []*float64 {
	out := make([]*float64, len(steps))
	for i, s := range steps {
		if s.Windows > 0 {
			v := float64(s.Stored.Value) / step.Seconds()
			out[i] = &v
		}
	}
	return out
}
