package query

import (
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/calltree"
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
	events  []store.EventCell
	stored  store.Storage
	omitted profile.Amount                  // that Sums leaves out
	excess  profile.Amount                  // of Sums
	cut     profile.Amount                  // of Sums, and of each block
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
			(sel.Versions == nil || slices.Contains(sel.Versions, w.Target.Version)) &&
			(sel.Pods == nil || slices.Contains(sel.Pods, w.Target.Pod)) &&
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
		s.LastEnd = w.End
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

func (f *fakeStore) Overview(ctx context.Context, filter store.ServiceFilter, first time.Time, step time.Duration) (*store.Overview, error) {
	list, _, _, err := f.Services(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := &store.Overview{Services: list, Activity: map[store.ServiceKey]*store.Activity{}}
	for _, s := range list {
		a := &store.Activity{WindowLength: time.Minute, Types: map[profile.Type]*store.TypeActivity{}}
		out.Activity[s.ServiceKey] = a
		for _, t := range s.Types {
			sel := store.Selection{ServiceKey: s.ServiceKey, Type: t.Type, Range: filter.Range}
			total := f.account(sel)
			steps := make([]store.Step, (filter.To.Sub(first)+step-1)/step)
			for i := range steps {
				sel.Range = store.Range{From: first.Add(time.Duration(i) * step), To: first.Add(time.Duration(i+1) * step)}
				of := f.account(sel)
				steps[i] = store.Step{Value: of.Ledger.Stored.Value, Unvalued: of.Ledger.Stored.Value == 0 && of.Ledger.Stored.Count > 0, Time: of.Time}
			}
			a.Windows, a.Types[t.Type] = total.Windows, &store.TypeActivity{Time: total.Time, Steps: steps}
		}
	}
	return out, nil
}

func (f *fakeStore) WindowLength(ctx context.Context, _ store.ServiceKey, _ time.Time) (time.Duration, error) {
	return 0, f.enter(ctx)
}

// account is of the windows of a selection, each of which lasts as long as it
// should.
func (f *fakeStore) account(sel store.Selection) store.Account {
	a := store.Account{Ledger: profile.Coverage{Type: sel.Type}}
	for _, w := range f.selected(sel) {
		if c := w.CoverageOf(sel.Type); c != nil {
			a.Ledger = profile.MergeCoverage(sel.Type, a.Ledger, *c)
			a.Windows.Expected++
			a.Windows.Stored++
			a.Losses = profile.AddLosses(a.Losses, w.Losses...)
			length := w.End.Sub(w.Start)
			a.Time = store.Time{Recorded: a.Time.Recorded + length, Lived: a.Time.Lived + length, Covered: a.Time.Covered + length}
		}
	}
	return a
}

func (f *fakeStore) Health(context.Context) store.Health { return f.health }

func (f *fakeStore) Events(ctx context.Context, _ store.Range, _ time.Duration) ([]store.EventCell, store.Cost, error) {
	return f.events, store.Cost{}, f.enter(ctx)
}

func (f *fakeStore) Storage(ctx context.Context) (*store.Storage, error) {
	return &f.stored, f.enter(ctx)
}

func (f *fakeStore) Sums(ctx context.Context, selections ...store.Selection) (*store.Sums, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	out := &store.Sums{Cost: store.Cost{RowsRead: 11, BytesRead: 110}}
	d := calltree.NewDictionary(1 << 30)
	var lists [][]calltree.Sum
	for _, sel := range selections {
		set := merged(f.selected(sel), sel.Type)
		chosen := ofThreads(set, sel)
		lists = append(lists, enter(d, chosen))
		total, inside := set.Total(), chosen.Total()
		out.Sides = append(out.Sides, store.Side{
			Elsewhere: profile.Amount{Value: total.Value - inside.Value, Count: total.Count - inside.Count},
			Total:     total.Add(f.omitted), Omitted: f.omitted, Excess: f.excess, Cut: f.cut, Coverage: &store.Coverage{Account: f.account(sel)},
		})
	}
	out.Tree, _ = d.Tree(lists...)
	return out, nil
}

func (f *fakeStore) Blocks(ctx context.Context, sel store.Selection, groups, slices int, each func(store.Block) error) (store.Cost, error) {
	if err := f.enter(ctx); err != nil {
		return store.Cost{}, err
	}
	slice := max(sel.To.Sub(sel.From)/time.Duration(slices), time.Minute)
	for group := range groups {
		for at := sel.From; at.Before(sel.To); at = at.Add(slice) {
			var windows []*profile.Window
			for _, w := range f.selected(sel) {
				if int(w.Target.SeriesID()%uint64(groups)) == group && in(store.Range{From: at, To: at.Add(slice)}, w.Start) {
					windows = append(windows, w)
				}
			}
			if set := ofThreads(merged(windows, sel.Type), sel); len(set.Stacks) > 0 {
				if err := each(store.Block{Group: group, Total: set.Total(), Tree: whole(set), Cut: f.cut}); err != nil {
					return store.Cost{}, err
				}
			}
		}
	}
	return store.Cost{RowsRead: 7}, nil
}

func (f *fakeStore) Versions(ctx context.Context, sel store.Selection) ([]store.VersionSpan, store.Cost, error) {
	if err := f.enter(ctx); err != nil {
		return nil, store.Cost{}, err
	}
	var out []store.VersionSpan
	for _, w := range f.selected(sel) {
		i := slices.IndexFunc(out, func(v store.VersionSpan) bool { return v.Version == w.Target.Version })
		if i < 0 {
			out = append([]store.VersionSpan{{Version: w.Target.Version, First: w.Start}}, out...)
			i = 0
		}
		out[i].Last = w.Start
	}
	return out, store.Cost{}, nil
}

// enter puts the stacks of a set into a dictionary.
func enter(d *calltree.Dictionary, set profile.StackSet) []calltree.Sum {
	var sums []calltree.Sum
	for _, stack := range set.Stacks {
		var ids []uint64
		var packed []byte
		for _, f := range stack.Frames {
			ids = append(ids, profile.FunctionID(set.Functions[f]))
			packed = binary.LittleEndian.AppendUint64(packed, ids[len(ids)-1])
		}
		id := profile.StackID(ids)
		d.Add(id, packed)
		sums = append(sums, calltree.Sum{Stack: id, Amount: profile.Amount{Value: stack.Value, Count: stack.Count}})
	}
	for _, f := range set.Functions {
		d.Name(profile.FunctionID(f), f)
	}
	return sums
}

// ofThreads are the stacks of the chosen threads.
func ofThreads(set profile.StackSet, sel store.Selection) profile.StackSet {
	set.Stacks = slices.DeleteFunc(slices.Clone(set.Stacks), func(s profile.Stack) bool {
		return len(sel.Threads) > 0 && !slices.Contains(sel.Threads, s.Thread) || slices.Contains(sel.NotThreads, s.Thread)
	})
	return set
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
	out := &store.Coverage{Account: f.account(sel), Cost: store.Cost{RowsRead: 1, BytesRead: 10}}
	if out.Windows.Stored > 0 {
		out.Targets = 1
	}
	return out, nil
}

func (f *fakeStore) Timeline(ctx context.Context, sel store.Selection, first time.Time, step time.Duration) ([]store.Cell, *store.Coverage, error) {
	whole, err := f.Coverage(ctx, sel)
	if err != nil {
		return nil, nil, err
	}
	var cells []store.Cell
	for at := first; at.Before(sel.To); at = at.Add(step) {
		one := sel
		one.Range = store.Range{From: at, To: at.Add(step)}
		c := store.Cell{Start: at, Status: store.CellNone, Account: f.account(one)}
		if c.Windows.Stored > 0 {
			c.Status = store.CellOK
		}
		cells = append(cells, c)
	}
	return cells, whole, nil
}

func (f *fakeStore) Parts(ctx context.Context, sel store.Selection, first time.Time, step time.Duration, by store.Column) ([]store.Cell, []store.Part, *store.Coverage, error) {
	cells, whole, err := f.Timeline(ctx, sel, first, step)
	if err != nil {
		return nil, nil, nil, err
	}
	if by == store.ByThread {
		return cells, f.threads(sel, len(cells)), whole, nil
	}
	names := map[string]bool{}
	for _, w := range f.selected(sel) {
		names[map[store.Column]string{store.ByVersion: w.Target.Version, store.ByPod: w.Target.Pod}[by]] = true
	}
	var parts []store.Part
	for name := range names {
		one := sel
		if by == store.ByPod {
			one.Pods = []string{name}
		} else {
			one.Versions = []string{name}
		}
		p := store.Part{Name: name}
		of, _, _ := f.Timeline(ctx, one, first, step)
		for _, c := range of {
			p.Total = p.Total.Add(c.Ledger.Stored)
			p.Stored, p.Windows = append(p.Stored, c.Ledger.Stored), append(p.Windows, c.Windows.Stored)
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b store.Part) int { return int(b.Total.Value - a.Total.Value) })
	return cells, parts, whole, nil
}

// threads are parts that have everything in their first cell.
func (f *fakeStore) threads(sel store.Selection, cells int) (parts []store.Part) {
	set := merged(f.selected(sel), sel.Type)
	for _, s := range set.Stacks {
		i := slices.IndexFunc(parts, func(p store.Part) bool { return p.Name == s.Thread })
		if i < 0 {
			i = len(parts)
			parts = append(parts, store.Part{Name: s.Thread, Stored: make([]profile.Amount, cells), Windows: make([]int64, cells)})
		}
		parts[i].Total = parts[i].Total.Add(profile.Amount{Value: s.Value, Count: s.Count})
		parts[i].Stored[0] = parts[i].Total
	}
	return parts
}

// fakeUploads is an ingest that did nothing.
type fakeUploads struct{}

func (fakeUploads) Health(context.Context) api.IngestHealth {
	return api.IngestHealth{Since: now, Rejected: []api.ReasonCount{}, Retryable: []api.ReasonCount{}, Refusals: []api.Refusal{}, Losses: []api.Loss{}}
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
