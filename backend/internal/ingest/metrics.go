package ingest

import (
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/reason"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	windows       *prometheus.CounterVec // outcome, reason
	reports       *prometheus.CounterVec // outcome, reason
	lostSamples   *prometheus.CounterVec // outcome, reason
	bodyBytes     prometheus.Counter
	windowSeconds prometheus.Histogram
	insertSeconds prometheus.Histogram
	waitSeconds   *prometheus.HistogramVec // for
}

// What uploads wait for.
const (
	forMemory = "memory"
	forTurn   = "decoding"
)

func newMetrics(registry prometheus.Registerer, limits Limits, inFlight, memory func() float64) *metrics {
	with := promauto.With(registry)
	buckets := prometheus.ExponentialBuckets(0.002, 2, 14)
	m := &metrics{
		windows: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_ingest_windows_total", Help: "Uploads of windows by outcome and reason.",
		}, []string{"outcome", "reason"}),
		reports: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_ingest_reports_total", Help: "Reports on targets by outcome and reason.",
		}, []string{"outcome", "reason"}),
		lostSamples: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_ingest_lost_samples_total", Help: "Samples that accepted windows say were lost or shortened.",
		}, []string{"outcome", "reason"}),
		bodyBytes: with.NewCounter(prometheus.CounterOpts{
			Name: "podflame_ingest_body_bytes_total", Help: "Bytes of bodies received.",
		}),
		windowSeconds: with.NewHistogram(prometheus.HistogramOpts{
			Name: "podflame_ingest_window_seconds", Help: "Time from the first byte of an accepted window to its receipt.", Buckets: buckets,
		}),
		insertSeconds: with.NewHistogram(prometheus.HistogramOpts{
			Name: "podflame_ingest_insert_seconds", Help: "Time in which the store took a window.", Buckets: buckets,
		}),
	}
	m.waitSeconds = with.NewHistogramVec(prometheus.HistogramOpts{
		Name: "podflame_ingest_wait_seconds", Help: "Time that uploads of windows waited for memory, or for their turn to be decoded.", Buckets: buckets,
	}, []string{"for"})
	for _, what := range []string{forMemory, forTurn} {
		m.waitSeconds.WithLabelValues(what)
	}
	with.NewGauge(prometheus.GaugeOpts{
		Name: "podflame_ingest_in_flight_limit_bytes", Help: "Most bytes of bodies that are received or decoded at a time.",
	}).Set(float64(limits.BytesInFlight))
	with.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "podflame_ingest_in_flight_bytes", Help: "Bytes of bodies that are being received or decoded.",
	}, inFlight)
	with.NewGauge(prometheus.GaugeOpts{
		Name: "podflame_ingest_memory_limit_bytes", Help: "Most memory of windows that are decoded or stored at a time.",
	}).Set(float64(limits.Memory))
	with.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "podflame_ingest_memory_bytes", Help: "Memory of windows that are being decoded or stored.",
	}, memory)
	for _, outcome := range []store.EventOutcome{store.Accepted, store.Duplicate} {
		m.windows.WithLabelValues(string(outcome), "")
	}
	m.windows.WithLabelValues(string(store.Duplicate), string(profile.IDConflict))
	m.reports.WithLabelValues(string(store.Accepted), "")
	for _, vec := range []*prometheus.CounterVec{m.windows, m.reports} {
		for _, r := range finals() {
			vec.WithLabelValues(string(store.Rejected), string(r))
		}
		for _, r := range temporaries() {
			vec.WithLabelValues(string(store.Retryable), string(r))
		}
	}
	for _, o := range profile.Outcomes() {
		for _, t := range reason.Profiling() {
			m.lostSamples.WithLabelValues(o.String(), string(t.Reason))
		}
	}
	return m
}
