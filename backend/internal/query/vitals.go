package query

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// Vitals are metrics of what the store and the reports of sidecars hold, taken
// from time to time: how many targets are in which state, how old the oldest
// window in a spool is, and how much disk is left. What could not be read has no
// metric, so that nobody takes an old value for a new one.
type Vitals struct {
	query *Query
	every time.Duration
	back  time.Duration
	log   *slog.Logger

	targets, oldest, free, total *prometheus.Desc

	mu   sync.Mutex
	last vital
}

// vital is what was read last.
type vital struct {
	states    map[string]int // nil if not known
	oldest    time.Duration
	disk      bool // whether free and total are known
	free, all uint64
}

// VitalsEvery is the usual time between two looks, and vitalsBack how long a
// target counts after its last report.
const (
	VitalsEvery = time.Minute
	vitalsBack  = time.Hour
)

// NewVitals registers the metrics.
func NewVitals(q *Query, registry prometheus.Registerer) *Vitals {
	v := &Vitals{
		query: q, every: VitalsEvery, back: vitalsBack, log: q.Log,
		targets: prometheus.NewDesc("podflame_targets", "Targets that reported within the last hour, by state.", []string{"state"}, nil),
		oldest: prometheus.NewDesc("podflame_spool_oldest_seconds",
			"Age of the oldest window that waits in the spool of a sidecar which still reports; 0 if none waits.", nil, nil),
		free:  prometheus.NewDesc("podflame_store_disk_free_bytes", "Space left on the disk of ClickHouse that has most of it; of a cluster, on the shard that has least.", nil, nil),
		total: prometheus.NewDesc("podflame_store_disk_bytes", "Size of the disk of ClickHouse that has most space left; of a cluster, on the shard that has least.", nil, nil),
	}
	registry.MustRegister(v)
	return v
}

// Run looks until ctx ends.
func (v *Vitals) Run(ctx context.Context) error {
	tick := time.NewTicker(v.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			v.Look(ctx)
		}
	}
}

// Look reads once.
func (v *Vitals) Look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(access.Into(ctx, access.Everything()), v.query.Limits.Timeout)
	defer cancel()
	var now vital
	list, truncated, _, err := v.query.Catalog.Targets(ctx, store.TargetFilter{Since: v.query.Now().Add(-v.back)})
	switch {
	case err != nil:
		v.log.Debug("targets could not be counted for metrics", "error", err)
	case truncated:
		v.log.Warn("there are more targets than can be counted for metrics", "limit", len(list))
	default:
		now.count(v.query, list)
	}
	if h := v.query.storeHealth(ctx); h.Reachable && h.Room.Total > 0 {
		now.disk, now.free, now.all = true, h.Room.Free, h.Room.Total
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = now
}

func (now *vital) count(q *Query, list []store.TargetStatus) {
	now.states = map[string]int{api.Silent: 0}
	for _, state := range profile.States() {
		now.states[string(state)] = 0
	}
	for _, t := range list {
		state := shownState(q.target(t))
		if _, known := now.states[state]; known { // what a sidecar of another version calls it makes no label
			now.states[state]++
		}
		if !t.SpoolOldest.IsZero() && t.SpoolWindows > 0 && state != api.Silent && state != string(profile.StateGone) {
			now.oldest = max(now.oldest, q.Now().Sub(t.SpoolOldest))
		}
	}
}

// Describe implements prometheus.Collector.
func (v *Vitals) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{v.targets, v.oldest, v.free, v.total} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (v *Vitals) Collect(out chan<- prometheus.Metric) {
	v.mu.Lock()
	defer v.mu.Unlock()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for state, n := range v.last.states {
		gauge(v.targets, float64(n), state)
	}
	if v.last.states != nil {
		gauge(v.oldest, v.last.oldest.Seconds())
	}
	if v.last.disk {
		gauge(v.free, float64(v.last.free))
		gauge(v.total, float64(v.last.all))
	}
}
