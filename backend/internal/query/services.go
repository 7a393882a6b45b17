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
	"golang.org/x/sync/errgroup"
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
	list := slices.Collect(maps.Values(byKey))
	slices.SortFunc(list, func(a, b *api.Service) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service))
	})
	if err := q.addActivity(ctx, r, list); err != nil {
		return nil, err
	}
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

// addActivity reads the timelines of services: sparks, windows and losses.
func (q *Query) addActivity(ctx context.Context, r request, list []*api.Service) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	read := 0
	for _, s := range list {
		if len(s.Types) == 0 {
			continue
		}
		if read++; read > q.Limits.Activities {
			break
		}
		g.Go(func() error { return q.activity(ctx, r, s) })
	}
	return g.Wait()
}

func (q *Query) activity(ctx context.Context, r request, s *api.Service) error {
	window := time.Duration(cmp.Or(s.WindowSeconds, defaultWindowSeconds)) * time.Second
	step := stepOf(r.rng, q.Limits.SparkPoints, window)
	var losses []profile.Loss
	counted := store.WindowCount{}
	for i := range s.Types {
		cells, _, err := q.Samples.Timeline(ctx, aligned(store.Selection{
			ServiceKey: store.ServiceKey{Cluster: s.Cluster, Namespace: s.Namespace, Service: s.Service},
			Type:       s.Types[i].Type, Range: r.sel.Range,
		}, window), step)
		if err != nil {
			return err
		}
		sum := store.WindowCount{}
		for _, c := range cells {
			sum.Expected += c.Windows.Expected
			sum.Stored += c.Windows.Stored
			sum.Lost += c.Windows.Lost
			losses = profile.AddLosses(losses, c.Losses...)
			s.Types[i].Spark = append(s.Types[i].Spark, perSecond(c, step))
		}
		// All types come in the same windows; the type that most targets record
		// counts them best.
		if sum.Stored > counted.Stored || counted == (store.WindowCount{}) {
			counted = sum
		}
	}
	for i := range losses {
		losses[i].Value = 0 // ns of one type and bytes of another do not add up
	}
	s.Windows, s.Losses = windows(counted), api.Losses(losses)
	return nil
}

func perSecond(c store.Cell, step time.Duration) *float64 {
	if c.Windows.Stored == 0 {
		return nil
	}
	v := float64(c.Stored.Value) / step.Seconds()
	return &v
}
