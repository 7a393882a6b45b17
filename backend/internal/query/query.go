package query

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/quota"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

// Catalog lists what there is. Its errors are *store.Error.
type Catalog interface {
	Services(ctx context.Context, f store.ServiceFilter) ([]store.Service, bool, store.Cost, error)
	Targets(ctx context.Context, f store.TargetFilter) ([]store.TargetStatus, bool, store.Cost, error)
	Overview(ctx context.Context, f store.ServiceFilter, first time.Time, step time.Duration) (*store.Overview, error)
	WindowLength(ctx context.Context, key store.ServiceKey, since time.Time) (time.Duration, error)
}

// Prober says how the store is, and what became of uploads. Its errors are *store.Error.
type Prober interface {
	Health(ctx context.Context) store.Health
	Events(ctx context.Context, r store.Range, step time.Duration) ([]store.EventCell, store.Cost, error)
	Storage(ctx context.Context) (*store.Storage, error)
}

// Samples sums up samples. Its errors are *store.Error.
type Samples interface {
	Sums(ctx context.Context, selections ...store.Selection) (*store.Sums, error)
	Timeline(ctx context.Context, sel store.Selection, first time.Time, step time.Duration) ([]store.Cell, *store.Coverage, error)
	Parts(ctx context.Context, sel store.Selection, first time.Time, step time.Duration, by store.Column) ([]store.Cell, []store.Part, *store.Coverage, error)
	Coverage(ctx context.Context, sel store.Selection) (*store.Coverage, error)
	Blocks(ctx context.Context, sel store.Selection, groups, slices int, each func(store.Block) error) (store.Cost, error)
	Versions(ctx context.Context, sel store.Selection) ([]store.VersionSpan, store.Cost, error)
}

// Uploads says what ingest did.
type Uploads interface {
	Health(ctx context.Context) api.IngestHealth
}

// Config is what New needs. Limits count as they are: 0 is no default.
type Config struct {
	Catalog  Catalog
	Samples  Samples
	Prober   Prober
	Uploads  Uploads
	Mode     string                 // of the store: embedded or external
	Ended    func() *api.StoreEnded // of the ClickHouse inside; nil if there is none
	OTLP     bool                   // whether OTLP profiles of OTLPVersion are offered
	Price    api.Price
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
	fleets  *semaphore.Weighted // tables over all services: one at a time
	joins   *semaphore.Weighted // comparisons of two services: one at a time
	memory  *quota.Memory
	metrics *metrics
	health  *healthMemory
}

// New returns a Query.
func New(cfg Config) *Query {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	memory := quota.NewMemory(cfg.Limits.Memory, cfg.Limits.MemoryWait)
	return &Query{
		Config:  cfg,
		running: semaphore.NewWeighted(int64(cfg.Limits.Concurrency)),
		waiting: semaphore.NewWeighted(int64(cfg.Limits.Waiting)),
		fleets:  semaphore.NewWeighted(1),
		joins:   semaphore.NewWeighted(1),
		memory:  memory,
		metrics: newMetrics(cfg.Registry, cfg.Limits, memory.InUse),
		health:  newHealthMemory(cfg.Prober, cfg.Limits, cfg.Now),
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
		"cluster": optional, "namespace": optional, "service": required, "type": required, "from": required, "to": required,
		"version": repeated, "pod": repeated, "container": repeated, "node": repeated, "series": optional,
	}
	threads := params{"thread": repeated, "excludeThread": repeated}
	stacks := selection.with(threads).with(params{"include": optional, "exclude": optional, "package": optional, "path": repeated})
	sandwich := stacks.with(params{"nodes": optional, "function": required})
	base := params{
		"baseFrom": optional, "baseTo": optional, "baseCluster": optional, "baseNamespace": optional, "baseService": optional, "baseSeries": optional,
		"baseVersion": repeated, "basePod": repeated, "baseContainer": repeated, "baseNode": repeated, "baseThread": repeated,
	}
	return []endpoint{
		{path: "services", takes: params{"from": required, "to": required}, answer: q.services},
		{path: "targets", takes: params{"cluster": optional, "namespace": optional, "service": optional}, answer: q.targets},
		{path: "series", takes: selection.with(threads).and("points", "by", "parts"), answer: q.series},
		{path: "heatmap", takes: selection.and("rows"), answer: q.heatmap},
		{path: "flame", takes: stacks.and("nodes"), answer: q.flame},
		{path: "callers", takes: sandwich, answer: q.callers},
		{path: "callees", takes: sandwich, answer: q.callees},
		{path: "diff", takes: stacks.and("nodes").with(base), answer: q.diff},
		{path: "changes", takes: stacks.and("limit").with(base), answer: q.changes},
		{path: "export", takes: stacks.with(params{"nodes": optional, "format": required, "amount": optional}), answer: q.export},
		{path: "top", takes: stacks.and("limit", "order"), answer: q.top},
		{path: "fleet/top", takes: params{
			"cluster": optional, "namespace": optional, "type": required, "from": required, "to": required,
			"include": optional, "exclude": optional, "package": optional, "limit": optional, "order": optional,
		}, answer: q.fleetTop},
		{path: "coverage", takes: selection, answer: q.coverage},
		{path: "ingest/health", takes: params{}, answer: q.ingestHealth, cheap: true},
		{path: "ingest/history", takes: params{"from": required, "to": required, "points": optional}, answer: q.ingestHistory},
		{path: "ingest/storage", takes: params{}, answer: q.ingestStorage},
		{path: "reasons", takes: params{}, answer: q.reasons, cheap: true},
	}
}

func (q *Query) handle(e endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		begin := time.Now()
		ctx, share := q.memory.Begin(c.Request.Context())
		defer share.End() // also after a panic
		answer, err := q.answer(ctx, e, c)
		outcome := "ok"
		if err != nil {
			failure := q.asError(c.Request.Context(), err)
			outcome = string(failure.Code)
			if failure.Status() >= 500 && c.Request.Context().Err() == nil { // who left need not be told of
				q.Log.Warn("query failed", "endpoint", e.path, "query", c.Request.URL.RawQuery, "reason", failure.Code, "error", failure)
			}
			api.WriteError(c.Writer, failure)
		} else {
			encoded := api.Encode(c.Request, answer)
			share.Keep(encoded.Size() * 3 / 2) // and what it is packed to
			encoded.Pack()
			share.Keep(encoded.Size())
			encoded.Send(c.Writer)
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
	quota.Of(ctx).Answers(r.nodes, r.bytesOfNode())
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
