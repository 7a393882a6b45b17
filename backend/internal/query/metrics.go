package query

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests *prometheus.CounterVec   // endpoint, outcome
	seconds  *prometheus.HistogramVec // endpoint
	running  prometheus.Gauge
	rows     prometheus.Counter
}

func newMetrics(registry prometheus.Registerer, limits Limits, memory func() int64) *metrics {
	with := promauto.With(registry)
	m := &metrics{
		requests: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_query_requests_total", Help: "Requests by endpoint and outcome: ok, or the reason of the error.",
		}, []string{"endpoint", "outcome"}),
		seconds: with.NewHistogramVec(prometheus.HistogramOpts{
			Name: "podflame_query_seconds", Help: "Time to answer a request.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 14),
		}, []string{"endpoint"}),
		running: with.NewGauge(prometheus.GaugeOpts{
			Name: "podflame_query_running", Help: "Requests that are being answered.",
		}),
		rows: with.NewCounter(prometheus.CounterOpts{
			Name: "podflame_query_rows_read_total", Help: "Rows that ClickHouse read for answers.",
		}),
	}
	with.NewGauge(prometheus.GaugeOpts{
		Name: "podflame_query_running_limit", Help: "Requests answered at a time.",
	}).Set(float64(limits.Concurrency))
	with.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "podflame_query_memory_bytes", Help: "Memory of the trees that are worked on, and of the answers made of them.",
	}, func() float64 { return float64(memory()) })
	with.NewGauge(prometheus.GaugeOpts{
		Name: "podflame_query_memory_limit_bytes", Help: "Most of it; more requests wait.",
	}).Set(float64(limits.Memory))
	for _, e := range (&Query{}).endpoints() {
		m.seconds.WithLabelValues(e.path)
		for _, outcome := range outcomes() {
			m.requests.WithLabelValues(e.path, outcome)
		}
	}
	return m
}
