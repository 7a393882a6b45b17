package spool

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/podflame/podflame/backend/profile"
)

type metrics struct {
	windows, bytes   prometheus.Gauge
	dropped, removed *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	factory := promauto.With(reg)
	m := &metrics{
		windows: factory.NewGauge(prometheus.GaugeOpts{Name: "podflame_spool_windows", Help: "Windows that wait for upload."}),
		bytes:   factory.NewGauge(prometheus.GaugeOpts{Name: "podflame_spool_bytes", Help: "Bytes of the windows that wait for upload."}),
		dropped: factory.NewCounterVec(prometheus.CounterOpts{Name: "podflame_spool_dropped_windows_total", Help: "Windows that lost their stacks while they waited."}, []string{"reason"}),
		removed: factory.NewCounterVec(prometheus.CounterOpts{Name: "podflame_spool_removed_windows_total", Help: "Windows removed without an upload of their own; the next window reports them."}, []string{"reason"}),
	}
	for _, reason := range Reasons() {
		m.dropped.WithLabelValues(string(reason))
		m.removed.WithLabelValues(string(reason))
	}
	m.dropped.WithLabelValues(string(profile.Internal))
	m.removed.WithLabelValues(string(profile.Internal))
	return m
}

// label is a reason as a label. A code that this version does not know, from a
// newer backend, is counted as internal, so that labels stay a fixed set.
func label(reason profile.Reason) string {
	if !slices.Contains(Reasons(), reason) {
		reason = profile.Internal
	}
	return string(reason)
}

// Reasons are those for which a window can be lost here.
func Reasons() []profile.Reason {
	return []profile.Reason{
		profile.SpoolFull, profile.SpoolExpired, profile.SpoolUnreadable,
		profile.Malformed, profile.UnsupportedFormat, profile.BodyTooLarge, profile.DecodedTooLarge, profile.LimitExceeded,
		profile.LedgerMismatch, profile.OutsideRetention, profile.InFuture, profile.StoreRejected, profile.Forbidden,
		profile.IDTaken, profile.IDConflict,
	}
}

func (s *Spool) report() {
	s.metrics.windows.Set(float64(len(s.entries)))
	s.metrics.bytes.Set(float64(s.bytes))
}

func timeLost(d time.Duration, reason profile.Reason) profile.Loss {
	return profile.Loss{Outcome: profile.Dropped, Reason: reason, Duration: d}
}
