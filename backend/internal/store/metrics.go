package store

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	inserts      prometheus.Histogram
	rows         prometheus.Counter
	duplicates   prometheus.Counter
	errors       *prometheus.CounterVec
	rollups      prometheus.Counter
	eventsLost   prometheus.Counter
	cacheBytes   prometheus.Gauge
	cacheMissing prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	with := promauto.With(registry)
	m := &metrics{
		inserts: with.NewHistogram(prometheus.HistogramOpts{
			Name: "podflame_store_insert_seconds", Help: "Duration of inserts of windows that succeeded.",
			Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}),
		rows:       with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_rows_total", Help: "Rows of samples inserted."}),
		duplicates: with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_duplicates_total", Help: "Windows that were stored already."}),
		errors: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_store_errors_total", Help: "Operations on ClickHouse that failed, by class.",
		}, []string{"class"}),
		rollups:      with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_rollups_total", Help: "Hours of services that were rolled up."}),
		eventsLost:   with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_events_lost_total", Help: "Counts of ingest events given up because ClickHouse was away too long."}),
		cacheBytes:   with.NewGauge(prometheus.GaugeOpts{Name: "podflame_store_stack_cache_bytes", Help: "Size of the cache of decoded stacks and names."}),
		cacheMissing: with.NewCounter(prometheus.CounterOpts{Name: "podflame_store_stack_cache_misses_total", Help: "Stacks that were read because the cache lacked them."}),
	}
	for class := range BadSelection + 1 {
		m.errors.WithLabelValues(class.String())
	}
	return m
}

func (m *metrics) failed(err error) {
	if e, ok := errors.AsType[*Error](err); ok {
		m.errors.WithLabelValues(e.Class.String()).Inc()
	}
}

func (m *metrics) inserted(rows int, took time.Duration) {
	m.inserts.Observe(took.Seconds())
	m.rows.Add(float64(rows))
}
