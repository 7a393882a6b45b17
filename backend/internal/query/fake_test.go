package query

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/prometheus/client_golang/prometheus"
)

// fakeStore answers from windows in memory, and fails or waits as told. What
// the real store answers is tested in real_test.go.
type fakeStore struct {
	mu      sync.Mutex
	windows []*profile.Window
	list    []store.TargetStatus
	health  store.Health
	omitted profile.Amount                  // that StackSet leaves out
	before  func(ctx context.Context) error // runs first in each read
	asked   int                             // reads
}

func (f *fakeStore) enter(ctx context.Context) error {
	f.mu.Lock()
	f.asked++
	f.mu.Unlock()
	if f.before != nil {
		return f.before(ctx)
	}
	return ctx.Err()
}

func keyOf(t profile.Target) store.ServiceKey {
	return store.ServiceKey{Cluster: t.Cluster, Namespace: t.Namespace, Service: t.Service}
}

func in(r store.Range, t time.Time) bool { return !t.Before(r.From) && t.Before(r.To) }

func (f *fakeStore) selected(sel store.Selection) []*profile.Window {
	var out []*profile.Window
	for _, w := range f.windows {
		if keyOf(w.Target) == sel.ServiceKey && in(sel.Range, w.Start) &&
			(sel.Version == "" || sel.Version == w.Target.Version) &&
			(sel.Series == nil || slices.Contains(sel.Series, w.Target.SeriesID())) {
			out = append(out, w)
		}
	}
	return out
}

func (f *fakeStore) Services(ctx context.Context, filter store.ServiceFilter) ([]store.Service, bool, store.Cost, error) {
	if err := f.enter(ctx); err != nil {
		return nil, false, store.Cost{}, err
	}
	byKey := map[store.ServiceKey]*store.Service{}
	for _, w := range f.windows {
		if !in(filter.Range, w.Start) {
			continue
		}
		s := byKey[keyOf(w.Target)]
		if s == nil {
			s = &store.Service{ServiceKey: keyOf(w.Target), Versions: []string{w.Target.Version}}
			byKey[s.ServiceKey] = s
		}
		s.Windows++
		s.LastWindow = w.End
		for _, c := range w.Coverage {
			i := slices.IndexFunc(s.Types, func(t store.TypeTotal) bool { return t.Type == c.Type })
			if i < 0 {
				i = len(s.Types)
				s.Types = append(s.Types, store.TypeTotal{Type: c.Type})
			}
			s.Types[i].Stored = s.Types[i].Stored.Add(c.Stored)
		}
	}
	var out []store.Service
	for _, s := range byKey {
		out = append(out, *s)
	}
	return out, false, store.Cost{}, nil
}

func (f *fakeStore) Targets(ctx context.Context, filter store.TargetFilter) ([]store.TargetStatus, bool, store.Cost, error) {
	if err := f.enter(ctx); err != nil {
		return nil, false, store.Cost{}, err
	}
	var out []store.TargetStatus
	for _, t := range f.list {
		if (filter.Service == "" || filter.Service == t.Service) && !t.ReportedAt.Before(filter.Since) &&
			(filter.Clusters == nil || slices.Contains(filter.Clusters, t.Cluster)) &&
			(filter.Namespaces == nil || slices.Contains(filter.Namespaces, t.Namespace)) {
			out = append(out, t)
		}
	}
	return out, false, store.Cost{}, nil
}

func (f *fakeStore) Activity(ctx context.Context, filter store.ServiceFilter, step time.Duration) (map[store.ServiceKey]*store.Activity, store.Cost, error) {
	if err := f.enter(ctx); err != nil {
		return nil, store.Cost{}, err
	}
	out := map[store.ServiceKey]*store.Activity{}
	for _, w := range f.windows {
		if !in(filter.Range, w.Start) {
			continue
		}
		a := out[keyOf(w.Target)]
		if a == nil {
			a = &store.Activity{WindowSeconds: 60, Steps: map[profile.Type][]store.ActivityStep{}}
			out[keyOf(w.Target)] = a
		}
		a.Windows.Expected++
		a.Windows.Stored++
		for _, c := range w.Coverage {
			if a.Steps[c.Type] == nil {
				a.Steps[c.Type] = make([]store.ActivityStep, (filter.To.Sub(filter.From)+step-1)/step)
			}
			cell := &a.Steps[c.Type][w.Start.Sub(filter.From)/step]
			cell.Stored = cell.Stored.Add(c.Stored)
			cell.Windows++
		}
	}
	return out, store.Cost{}, nil
}

func (f *fakeStore) Health(context.Context) store.Health { return f.health }

func (f *fakeStore) StackSet(ctx context.Context, sel store.Selection) (*store.Sums, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	set := merged(f.selected(sel), sel.Type)
	slices.SortFunc(set.Stacks, func(a, b profile.Stack) int { return cmp.Compare(b.Value, a.Value) })
	return &store.Sums{Set: set, Total: set.Total().Add(f.omitted), Omitted: f.omitted, Cost: store.Cost{RowsRead: 10, BytesRead: 100}}, nil
}

// merged is what the stacks of windows must add up to.
func merged(windows []*profile.Window, t profile.Type) profile.StackSet {
	var sets []*profile.StackSet
	for _, w := range windows {
		if s := w.Set(t); s != nil {
			sets = append(sets, s)
		}
	}
	return profile.Merge(t, sets...)
}

func (f *fakeStore) Coverage(ctx context.Context, sel store.Selection) (*store.Coverage, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	out := &store.Coverage{Ledger: profile.Coverage{Type: sel.Type}, Cost: store.Cost{RowsRead: 1, BytesRead: 10}}
	for _, w := range f.selected(sel) {
		if c := w.CoverageOf(sel.Type); c != nil {
			out.Ledger = profile.MergeCoverage(sel.Type, out.Ledger, *c)
			out.Windows.Expected++
			out.Windows.Stored++
			out.Losses = profile.AddLosses(out.Losses, w.Losses...)
			out.Targets = 1
		}
	}
	return out, nil
}

func (f *fakeStore) Timeline(ctx context.Context, sel store.Selection, step time.Duration) ([]store.Cell, store.Cost, error) {
	if err := f.enter(ctx); err != nil {
		return nil, store.Cost{}, err
	}
	var cells []store.Cell
	for at := sel.From; at.Before(sel.To); at = at.Add(step) {
		c := store.Cell{Start: at, Status: store.CellNone}
		one := sel
		one.Range = store.Range{From: at, To: at.Add(step)}
		for _, w := range f.selected(one) {
			if l := w.CoverageOf(sel.Type); l != nil {
				c.Stored, c.Status = c.Stored.Add(l.Stored), store.CellOK
				c.Windows.Expected++
				c.Windows.Stored++
			}
		}
		cells = append(cells, c)
	}
	return cells, store.Cost{}, nil
}

// fakeUploads is an ingest that did nothing.
type fakeUploads struct{}

func (fakeUploads) Health() api.IngestHealth {
	return api.IngestHealth{Since: now, Rejected: []api.ReasonCount{}, Retryable: []api.ReasonCount{}, Losses: []api.Loss{}}
}

var now = time.Date(2026, 11, 22, 12, 0, 30, 0, time.UTC)

type harness struct {
	*apitest.Client
	store *fakeStore
	query *Query
}

func newHarness(t *testing.T, change func(*Config)) *harness {
	t.Helper()
	noLeaks(t)
	h := &harness{store: &fakeStore{health: store.Health{Reachable: true, Version: "26.7"}}}
	cfg := Config{
		Catalog: h.store, Samples: h.store, Prober: h.store, Uploads: fakeUploads{}, Mode: "embedded", Limits: DefaultLimits(),
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&cfg)
	}
	h.query = New(cfg)
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	h.query.Routes(engine)
	h.Client = apitest.New(t, engine)
	return h
}
