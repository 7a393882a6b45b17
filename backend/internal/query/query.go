package query

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

// Catalog lists what there is. Its errors are *store.Error.
type Catalog interface {
	Services(ctx context.Context, f store.ServiceFilter) ([]store.Service, bool, store.Cost, error)
	Targets(ctx context.Context, f store.TargetFilter) ([]store.TargetStatus, bool, store.Cost, error)
	Activity(ctx context.Context, f store.ServiceFilter, step time.Duration) (map[store.ServiceKey]*store.Activity, store.Cost, error)
}

// Prober says how the store is.
type Prober interface {
	Health(ctx context.Context) store.Health
}

// Samples sums up samples. Its errors are *store.Error.
type Samples interface {
	StackSet(ctx context.Context, sel store.Selection) (*store.Sums, error)
	Timeline(ctx context.Context, sel store.Selection, step time.Duration) ([]store.Cell, store.Cost, error)
	Coverage(ctx context.Context, sel store.Selection) (*store.Coverage, error)
}

// Uploads says what ingest did.
type Uploads interface {
	Health() api.IngestHealth
}

// Config is what New needs. Zero Limits are not replaced.
type Config struct {
	Catalog  Catalog
	Samples  Samples
	Prober   Prober
	Uploads  Uploads
	Mode     string // of the store: embedded or external
	Limits   Limits
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger
	Registry prometheus.Registerer
}

// Query is the read side of the API. It is safe for concurrent use.
type Query struct {
	Config
	running *semaphore.Weighted
	waiting *semaphore.Weighted
	metrics *metrics
	health  *healthMemory
}

// New returns a Query.
func New(cfg Config) *Query {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Query{
		Config:  cfg,
		running: semaphore.NewWeighted(int64(cfg.Limits.Concurrency)),
		waiting: semaphore.NewWeighted(int64(cfg.Limits.Waiting)),
		metrics: newMetrics(cfg.Registry, cfg.Limits),
		health:  newHealthMemory(cfg.Prober, cfg.Limits.HealthFor, cfg.Now),
	}
}

// Routes adds the routes of query.
func (q *Query) Routes(r gin.IRouter) {
	for _, e := range q.endpoints() {
		r.GET("/api/v1/"+e.path, q.handle(e))
	}
}

// endpoint is one route: the parameters that it takes and what answers it.
type endpoint struct {
	path   string
	takes  params
	answer func(ctx context.Context, r request) (any, error)
	// cheap endpoints do not wait for their turn: they must answer just then
	// when everything else is overloaded.
	cheap bool
}

func (q *Query) endpoints() []endpoint {
	selection := params{
		"cluster": optional, "namespace": optional, "service": required, "type": required,
		"version": optional, "series": optional, "from": required, "to": required,
	}
	return []endpoint{
		{path: "services", takes: params{"from": required, "to": required}, answer: q.services},
		{path: "targets", takes: params{"cluster": optional, "namespace": optional, "service": optional}, answer: q.targets},
		{path: "series", takes: selection.and("points"), answer: q.series},
		{path: "flame", takes: selection.and("nodes"), answer: q.flame},
		{path: "top", takes: selection.and("limit", "order"), answer: q.top},
		{path: "coverage", takes: selection, answer: q.coverage},
		{path: "ingest/health", takes: params{}, answer: q.ingestHealth, cheap: true},
		{path: "reasons", takes: params{}, answer: q.reasons, cheap: true},
	}
}

func (q *Query) handle(e endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		begin := time.Now()
		answer, err := q.answer(c.Request.Context(), e, c)
		outcome := "ok"
		if err != nil {
			failure := q.asError(c.Request.Context(), err)
			outcome = string(failure.Code)
			if failure.Status() >= 500 && c.Request.Context().Err() == nil { // who left need not be told of
				q.Log.Warn("query failed", "endpoint", e.path, "query", c.Request.URL.RawQuery, "reason", failure.Code, "error", failure)
			}
			api.WriteError(c.Writer, failure)
		} else {
			api.Write(c.Writer, 200, answer)
		}
		q.metrics.requests.WithLabelValues(e.path, outcome).Inc()
		q.metrics.seconds.WithLabelValues(e.path).Observe(time.Since(begin).Seconds())
	}
}

func (q *Query) answer(ctx context.Context, e endpoint, c *gin.Context) (any, error) {
	r, err := parse(e.takes, c.Request.URL.RawQuery, q.Now(), q.Limits)
	if err != nil {
		return nil, err
	}
	if !e.cheap {
		done, err := q.turn(ctx)
		if err != nil {
			return nil, err
		}
		defer done()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, q.Limits.Timeout, errTimeout)
	defer cancel()
	answer, err := e.answer(ctx, r)
	if err != nil && context.Cause(ctx) != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	return answer, err
}

// turn waits until one more request may be answered.
func (q *Query) turn(ctx context.Context) (done func(), err error) {
	overloaded := api.Exceeded(profile.Overloaded, "number of queries at a time", int64(q.Limits.Concurrency)+1, int64(q.Limits.Concurrency)).Retry(time.Second)
	if !q.running.TryAcquire(1) {
		if !q.waiting.TryAcquire(1) {
			return nil, overloaded
		}
		defer q.waiting.Release(1)
		ctx, cancel := context.WithTimeout(ctx, q.Limits.Wait)
		defer cancel()
		if q.running.Acquire(ctx, 1) != nil {
			return nil, overloaded
		}
	}
	q.metrics.running.Inc()
	return func() {
		q.metrics.running.Dec()
		q.running.Release(1)
	}, nil
}
