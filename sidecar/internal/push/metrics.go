package push

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/spool"
)

type metrics struct {
	attempts *prometheus.CounterVec
	bytes    prometheus.Counter
	seconds  prometheus.Histogram
	known    map[profile.Reason]bool
}

func newMetrics(reg prometheus.Registerer) *metrics {
	factory := promauto.With(reg)
	m := &metrics{
		attempts: factory.NewCounterVec(prometheus.CounterOpts{Name: "podflame_push_attempts_total", Help: "Uploads of a window by outcome: accepted, retryable, unavailable or rejected."}, []string{"outcome", "reason"}),
		bytes:    factory.NewCounter(prometheus.CounterOpts{Name: "podflame_push_bytes_total", Help: "Bytes of accepted uploads."}),
		seconds:  factory.NewHistogram(prometheus.HistogramOpts{Name: "podflame_push_duration_seconds", Help: "Time of one attempt.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 12)}),
		known:    map[profile.Reason]bool{"": true, profile.IDConflict: true},
	}
	m.attempts.WithLabelValues("accepted", "")
	m.attempts.WithLabelValues("accepted", string(profile.IDConflict))
	for _, reason := range []profile.Reason{profile.Overloaded, profile.SourceLimit, profile.StoreQueueFull, profile.StoreUnavailable, profile.BackendUnreached, profile.Unauthenticated, profile.Forbidden, profile.Internal} {
		m.known[reason] = true
		m.attempts.WithLabelValues(string(Retryable), string(reason))
		m.attempts.WithLabelValues(string(Unavailable), string(reason))
	}
	for _, reason := range spool.Reasons() {
		m.known[reason] = true
		m.attempts.WithLabelValues(string(Rejected), string(reason))
	}
	return m
}

// outcome counts an attempt. A code that this version does not know, from a
// newer backend, is counted as internal, so that labels stay a fixed set.
func (m *metrics) outcome(outcome string, reason profile.Reason) {
	if !m.known[reason] {
		reason = profile.Internal
	}
	m.attempts.WithLabelValues(outcome, string(reason)).Inc()
}
