package regressions

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// Catalog lists services.
type Catalog interface {
	Services(ctx context.Context, f store.ServiceFilter) ([]store.Service, bool, store.Cost, error)
}

// Comparer compares the two newest versions of a service.
type Comparer interface {
	Compare(ctx context.Context, key store.ServiceKey, t profile.Type, span store.Range, warmUp time.Duration) (*api.Changes, error)
}

// Limits bound the work and what is kept. They count as they are: 0 is no default, and
// not "no limit".
type Limits struct {
	Every    time.Duration // between two rounds
	Back     time.Duration // how far back versions are looked for
	WarmUp   time.Duration // of a version that is left out
	Settled  time.Duration // after which a verdict with enough data is looked at again; one on little of it earlier
	PerRound int           // comparisons
	Services int           // verdicts that are kept
}

// DefaultLimits returns the usual limits.
func DefaultLimits() Limits {
	return Limits{Every: 5 * time.Minute, Back: 24 * time.Hour, WarmUp: 5 * time.Minute, Settled: time.Hour, PerRound: 50, Services: 2000}
}

// Config is what New needs.
type Config struct {
	Catalog  Catalog
	Comparer Comparer
	Limits   Limits
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger
	Registry prometheus.Registerer
}

// Watch keeps the verdicts. It is safe for concurrent use.
type Watch struct {
	Config
	services *prometheus.GaugeVec
	failures prometheus.Counter

	mu        sync.Mutex
	kept      map[store.ServiceKey]kept
	truncated bool
}

// kept is what is known of a service.
type kept struct {
	tried    time.Time
	versions []string // when it was tried
	verdict  *api.Regression
}

// holds is how long a verdict is good for: until its version has been there half
// as long again, as more data tells smaller changes from chance, and at most so
// long.
func (k kept) holds(most time.Duration) time.Duration {
	if k.verdict == nil || k.verdict.Verdict == api.TooEarly {
		return 0
	}
	return min(most, k.tried.Sub(k.verdict.Head.Range.From)/2)
}

// New returns a Watch without verdicts.
func New(c Config) *Watch {
	if c.Now == nil {
		c.Now = time.Now
	}
	factory := promauto.With(c.Registry)
	w := &Watch{
		Config: c, kept: map[store.ServiceKey]kept{},
		services: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "podflame_regressions_services", Help: "Services by the verdict on their newest version: worse, better, same or not_enough_data.",
		}, []string{"verdict"}),
		failures: factory.NewCounter(prometheus.CounterOpts{
			Name: "podflame_regressions_failures_total", Help: "Comparisons of versions, or lists of services, that failed; they are tried again.",
		}),
	}
	w.count()
	return w
}

// Run judges until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	ctx = access.Into(ctx, access.Everything()) // each reader is shown his namespaces only
	tick := time.NewTicker(w.Limits.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.Round(ctx)
		}
	}
}

// Round judges the services that are due, those first that wait the longest.
func (w *Watch) Round(ctx context.Context) {
	now := w.Now().UTC()
	span := store.Range{From: now.Add(-w.Limits.Back), To: now}
	list, truncated, _, err := w.Catalog.Services(ctx, store.ServiceFilter{Range: span})
	if err != nil {
		if ctx.Err() == nil {
			w.failures.Inc()
			w.Log.Warn("services could not be listed to judge their versions", "error", err)
		}
		return
	}
	list = slices.DeleteFunc(list, func(s store.Service) bool { return len(s.Versions) < 2 })
	for _, s := range w.due(list, now, truncated) {
		if ctx.Err() != nil {
			return
		}
		w.judge(ctx, s, span, now)
	}
	w.count()
}

// due forgets services that have no two versions any more, and returns those to
// judge now.
func (w *Watch) due(list []store.Service, now time.Time, truncated bool) []store.Service {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(list, func(a, b store.Service) int { return w.kept[a.ServiceKey].tried.Compare(w.kept[b.ServiceKey].tried) })
	listed := map[store.ServiceKey]bool{}
	var out []store.Service
	room := w.Limits.Services - len(w.kept)
	for _, s := range list {
		listed[s.ServiceKey] = true
		k, known := w.kept[s.ServiceKey]
		if !known {
			room--
		}
		truncated = truncated || !known && room < 0
		settled := known && slices.Equal(k.versions, s.Versions) && now.Sub(k.tried) < k.holds(w.Limits.Settled)
		if !settled && (known || room >= 0) && len(out) < w.Limits.PerRound {
			out = append(out, s)
		}
	}
	maps.DeleteFunc(w.kept, func(key store.ServiceKey, _ kept) bool { return !listed[key] })
	w.truncated = truncated
	return out
}

func (w *Watch) judge(ctx context.Context, s store.Service, span store.Range, now time.Time) {
	c, err := w.Comparer.Compare(ctx, s.ServiceKey, profile.CPU, span, w.Limits.WarmUp)
	if err != nil && ctx.Err() == nil {
		w.failures.Inc()
		w.Log.Warn("versions of a service could not be compared", "namespace", s.Namespace, "service", s.Service, "error", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	k := kept{tried: now, versions: s.Versions, verdict: w.kept[s.ServiceKey].verdict}
	if err == nil {
		k.verdict = verdictOn(s.ServiceKey, c, now)
	}
	w.kept[s.ServiceKey] = k
}

// verdictOn is nil if one version only has CPU time in the span.
func verdictOn(key store.ServiceKey, c *api.Changes, now time.Time) *api.Regression {
	if len(c.Head.Versions) != 1 || len(c.Base.Versions) != 1 {
		return nil
	}
	r := &api.Regression{
		Cluster: key.Cluster, Namespace: key.Namespace, Service: key.Service, Version: c.Head.Versions[0], Before: c.Base.Versions[0],
		Base: c.Base, Head: c.Head, Evaluated: now,
	}
	r.Verdict, r.Growth, r.Functions = judge(c)
	return r
}

func (w *Watch) count() {
	w.mu.Lock()
	defer w.mu.Unlock()
	by := map[api.Verdict]int{}
	for _, k := range w.kept {
		if k.verdict != nil {
			by[k.verdict.Verdict]++
		}
	}
	for _, verdict := range api.Verdicts() {
		w.services.WithLabelValues(string(verdict)).Set(float64(by[verdict]))
	}
}

// List returns the verdicts on services in a scope, worse first.
func (w *Watch) List(scope access.Scope, namespace string) api.Regressions {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := api.Regressions{Regressions: []api.Regression{}, Truncated: w.truncated}
	for _, k := range w.kept {
		if r := k.verdict; r != nil && scope.Allows(r.Namespace) && (namespace == "" || r.Namespace == namespace) {
			out.Regressions = append(out.Regressions, *r)
		}
	}
	rank := func(r api.Regression) int { return slices.Index(api.Verdicts(), r.Verdict) }
	slices.SortFunc(out.Regressions, func(a, b api.Regression) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Growth, a.Growth), cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Service, b.Service), cmp.Compare(a.Cluster, b.Cluster))
	})
	return out
}

// Routes adds the route of the verdicts.
func (w *Watch) Routes(r gin.IRouter) {
	r.GET("/api/v1/regressions", func(c *gin.Context) {
		scope, ok := access.From(c.Request.Context())
		if !ok {
			api.WriteError(c.Writer, api.Errorf(profile.Internal, "the request has no scope (package access)"))
			return
		}
		for name := range c.Request.URL.Query() {
			if name != "namespace" {
				api.WriteError(c.Writer, api.Errorf(profile.BadParameter, "parameter %.40q is not known here; known is namespace", name))
				return
			}
		}
		if len(c.Query("namespace")) > maxName {
			api.WriteError(c.Writer, api.Exceeded(profile.BadParameter, "parameter namespace", int64(len(c.Query("namespace"))), maxName))
			return
		}
		api.Answer(c.Writer, c.Request, w.List(scope, c.Query("namespace")))
	})
}

// maxName bounds the name of a namespace, in bytes, as openapi.yaml does.
const maxName = 256
