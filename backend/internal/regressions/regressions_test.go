package regressions_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/query"
	"github.com/podflame/podflame/backend/internal/regressions"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// rollOut stores 20 minutes of version 1 of a service in two pods, then 20 of
// version 2, in which Price.round takes so many times as long.
func rollOut(t *testing.T, db *store.Store, namespace, service string, end time.Time, seed uint64, times float64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 4))
	noisy := func(mean float64) int64 { return max(1, int64(mean+random.NormFloat64()*mean/20)) }
	for pod := range 2 {
		for i := range 40 {
			version, round := "1", 80.0
			if i >= 20 {
				version, round = "2", 80*times
			}
			target := profiletest.Target(service, fmt.Sprintf("%s-%s-%d", service, version, pod))
			target.Namespace, target.Version = namespace, version
			samples := map[string]int64{"Thread.run;Price.round": noisy(round), "Thread.run;Checkout.pay": noisy(100)}
			for f := range 10 {
				samples[fmt.Sprintf("Thread.run;Other.f%d", f)] = noisy(30)
			}
			w := profiletest.Sampled(profiletest.Options{Start: end.Add(time.Duration(i-40) * time.Minute), Target: target}, samples)
			if _, err := db.Insert(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func newWatch(t *testing.T, catalog regressions.Catalog, comparer regressions.Comparer, change func(*regressions.Limits)) (*regressions.Watch, *prometheus.Registry) {
	t.Helper()
	limits, registry := regressions.DefaultLimits(), prometheus.NewRegistry()
	limits.WarmUp = 2 * time.Minute
	if change != nil {
		change(&limits)
	}
	return regressions.New(regressions.Config{Catalog: catalog, Comparer: comparer, Limits: limits, Log: slog.New(slog.DiscardHandler), Registry: registry}), registry
}

// On a real store: a version with a slower method is worse, with that method
// first, one with a faster method is better, and one of the same code is the
// same. A reader is shown his namespaces only, and /metrics counts.
func TestVerdictsOnRollOuts(t *testing.T) {
	db := storetest.Open(t)
	limits := query.DefaultLimits()
	limits.Timeout = 2 * time.Minute // a loaded machine is no failure
	read := query.New(query.Config{Catalog: db, Samples: db, Prober: db, Limits: limits, Log: slog.New(slog.DiscardHandler)})
	end := time.Now().UTC().Truncate(time.Minute)
	rollOut(t, db, "a", "slower", end, 1, 2)
	rollOut(t, db, "a", "equal", end, 2, 1)
	rollOut(t, db, "b", "faster", end, 3, 0.5)
	w, registry := newWatch(t, db, read, nil)
	w.Round(t.Context())
	gin.SetMode(gin.ReleaseMode)
	scope := access.Everything()
	engine := gin.New()
	engine.Use(func(c *gin.Context) { c.Request = c.Request.WithContext(access.Into(c.Request.Context(), scope)) })
	w.Routes(engine)
	c := apitest.New(t, engine)
	got := apitest.Decode[api.Regressions](t, c.Get(t, "/api/v1/regressions")).Regressions
	if len(got) != 3 {
		t.Fatalf("verdicts are %+v", got)
	}
	for i, want := range []struct {
		service  string
		verdict  api.Verdict
		low, top float64
	}{{"slower", api.Worse, 0.14, 0.20}, {"faster", api.Better, -0.10, -0.07}, {"equal", api.Same, 0, 0}} {
		r := got[i]
		if r.Service != want.service || r.Verdict != want.verdict || r.Growth < want.low || r.Growth > want.top || r.Version != "2" || r.Before != "1" {
			t.Errorf("verdict %d is %s %s with growth %.3f of %s against %s, want %+v", i, r.Service, r.Verdict, r.Growth, r.Version, r.Before, want)
		}
		if r.Head.Coverage.Windows.Stored < 30 || r.Base.Coverage.Windows.Stored < 30 {
			t.Errorf("%s: coverage is %+v and %+v", r.Service, r.Base.Coverage.Windows, r.Head.Coverage.Windows)
		}
		if want.verdict != api.Same && (len(r.Functions) == 0 || r.Functions[0].Name != "Price.round") {
			t.Errorf("%s is explained by %+v", r.Service, r.Functions)
		}
	}
	want := `
# HELP podflame_regressions_services Services by the verdict on their newest version: worse, better, same or not_enough_data.
# TYPE podflame_regressions_services gauge
podflame_regressions_services{verdict="better"} 1
podflame_regressions_services{verdict="not_enough_data"} 0
podflame_regressions_services{verdict="same"} 1
podflame_regressions_services{verdict="worse"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "podflame_regressions_services"); err != nil {
		t.Error(err)
	}
	if got := apitest.Decode[api.Regressions](t, c.Get(t, "/api/v1/regressions?namespace=b")).Regressions; len(got) != 1 || got[0].Service != "faster" {
		t.Errorf("verdicts of b are %+v", got)
	}
	for _, scope = range []access.Scope{access.Of("b"), access.Of()} {
		for _, r := range apitest.Decode[api.Regressions](t, c.Get(t, "/api/v1/regressions")).Regressions {
			if !scope.Allows(r.Namespace) {
				t.Errorf("a reader of %s is shown %+v", scope, r)
			}
		}
	}
	apitest.Refused(t, c.Do(t, httptest.NewRequest("GET", "/api/v1/regressions?service=x", nil)), 400, profile.BadParameter)
}

// script answers as told.
type script struct {
	services []store.Service
	changes  api.Changes
	err      error
	asked    []string
}

func (s *script) Services(context.Context, store.ServiceFilter) ([]store.Service, bool, store.Cost, error) {
	return append([]store.Service{}, s.services...), false, store.Cost{}, nil
}

func (s *script) Compare(_ context.Context, key store.ServiceKey, _ profile.Type, _ store.Range, _ time.Duration) (*api.Changes, error) {
	s.asked = append(s.asked, key.Service)
	c := s.changes
	return &c, s.err
}

func service(name string, versions ...string) store.Service {
	return store.Service{ServiceKey: store.ServiceKey{Namespace: "n", Service: name}, Versions: versions}
}

func sides(enough bool, list ...api.Change) api.Changes {
	return api.Changes{Enough: enough, Changes: list, Base: api.ChangesSide{Versions: []string{"1"}}, Head: api.ChangesSide{Versions: []string{"2"}}}
}

// Work and memory are bounded; what is settled is left alone until another
// version comes; what fails, or has too little data, is tried again.
func TestRoundsAreBounded(t *testing.T) {
	s := &script{changes: sides(true)}
	for i := range 5 {
		s.services = append(s.services, service(fmt.Sprint("s", i), "1", "2"))
	}
	s.services = append(s.services, service("single", "1"))
	w, _ := newWatch(t, s, s, func(l *regressions.Limits) { l.PerRound, l.Services = 2, 4 })
	round := func() string {
		s.asked = nil
		w.Round(t.Context())
		return strings.Join(s.asked, " ")
	}
	everything := access.Everything()
	for i, want := range []string{"s0 s1", "s2 s3", "", ""} {
		if got := round(); got != want {
			t.Errorf("round %d asks for %q, want %q", i, got, want)
		}
	}
	if got := w.List(everything, ""); len(got.Regressions) != 4 || !got.Truncated {
		t.Errorf("%d verdicts are kept, truncated %t", len(got.Regressions), got.Truncated)
	}
	s.services[1] = service("s1", "1", "2", "3")
	if got := round(); got != "s1" {
		t.Errorf("after a new version it asks for %q", got)
	}
	s.services, s.changes = s.services[:2], sides(false)
	s.services[0], s.services[1] = service("s0", "2", "4"), service("s1", "2", "4")
	for range 2 {
		if got := round(); got != "s0 s1" && got != "s1 s0" {
			t.Errorf("with too little data it asks for %q", got)
		}
	}
	got := w.List(everything, "")
	if len(got.Regressions) != 2 || got.Regressions[0].Verdict != api.TooEarly || got.Truncated {
		t.Errorf("verdicts are %+v", got)
	}
	s.err = errors.New("ClickHouse is away")
	for range 2 {
		if got := round(); !strings.Contains(got, "s0") || !strings.Contains(got, "s1") {
			t.Errorf("after a failure it asks for %q", got)
		}
	}
	if got := w.List(everything, ""); len(got.Regressions) != 2 {
		t.Errorf("a failure takes verdicts away: %+v", got)
	}
}

// A young version is looked at again when there is half as much more of it, an
// old one after an hour.
func TestYoungVersionsAreLookedAtAgain(t *testing.T) {
	begin := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	s := &script{services: []store.Service{service("s", "1", "2")}, changes: sides(true)}
	s.changes.Head.Range.From = begin
	w, _ := newWatch(t, s, s, nil)
	for _, one := range []struct {
		after time.Duration
		asks  bool
	}{
		{10 * time.Minute, true}, {14 * time.Minute, false}, {15 * time.Minute, true}, {20 * time.Minute, false},
		{5 * time.Hour, true}, {5*time.Hour + 59*time.Minute, false}, {6 * time.Hour, true},
	} {
		s.asked, w.Now = nil, func() time.Time { return begin.Add(one.after) }
		w.Round(t.Context())
		if asked := len(s.asked) > 0; asked != one.asks {
			t.Errorf("%s after its start it is looked at: %t", one.after, asked)
		}
	}
}

// A function that got slower makes the others look faster; the verdict is about
// the same work.
func TestGrowthIsOfTheSameWork(t *testing.T) {
	change := func(name string, base, head float64) api.Change {
		return api.Change{Name: name, Measure: "self", Base: base, Head: head}
	}
	for label, of := range map[string]struct {
		changes api.Changes
		verdict api.Verdict
		growth  float64
		first   string
	}{
		"one is slower":          {sides(true, change("f", 0.2, 1.0/3)), api.Worse, 0.2, "f"},
		"one is faster":          {sides(true, change("f", 0.2, 1.0/9)), api.Better, -0.1, "f"},
		"the others are seen":    {sides(true, change("f", 0.2, 1.0/3), change("g", 0.4, 1.0/3)), api.Worse, 0.2, "f"},
		"all are seen":           {sides(true, change("f", 0.2, 1.0/3), change("g", 0.4, 1.0/3), change("h", 0.4, 1.0/3)), api.Worse, 0.2, "f"},
		"the heaviest is slower": {sides(true, change("f", 0.6, 0.75)), api.Worse, 0.6, "f"},
		"renamed":                {sides(true, change("f", 0.2, 0), change("g", 0, 0.2)), api.Same, 0, ""},
		"totals say it again":    {sides(true, api.Change{Name: "main", Measure: "total", Base: 0.5, Head: 0.9}), api.Same, 0, ""},
		"hardly":                 {sides(true, change("f", 0.2, 0.21)), api.Same, 0, ""},
	} {
		s := &script{services: []store.Service{service("s", "1", "2")}, changes: of.changes}
		w, _ := newWatch(t, s, s, nil)
		w.Round(t.Context())
		r := w.List(access.Everything(), "").Regressions[0]
		if r.Verdict != of.verdict || r.Growth < of.growth-0.001 || r.Growth > of.growth+0.001 || len(r.Functions) > 0 && r.Functions[0].Name != of.first || (of.first == "") != (len(r.Functions) == 0) {
			t.Errorf("%s: verdict is %s with growth %.3f by %+v", label, r.Verdict, r.Growth, r.Functions)
		}
	}
}
