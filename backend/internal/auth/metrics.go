package auth

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Metrics count questions and refusals. All of a backend share one.
type Metrics struct {
	reviews    *prometheus.CounterVec // review, outcome
	seconds    prometheus.Histogram
	remembered prometheus.Counter
	refused    *prometheus.CounterVec // reason
	logins     *prometheus.CounterVec // outcome
}

// reasons are those for which somebody is not let in.
func reasons() []profile.Reason {
	return []profile.Reason{
		profile.Unauthenticated, profile.TokenMalformed, profile.TokenExpired, profile.TokenAudience, profile.TokenRefused,
		profile.TooManyRefusals, profile.Forbidden, profile.HostNotAllowed, profile.OriginNotAllowed, profile.ProxyNotTrusted, profile.ReviewUnavailable, profile.Overloaded,
	}
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	with := promauto.With(registry)
	m := &Metrics{
		reviews: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_auth_reviews_total", Help: "Questions to the Kubernetes API server, by review (token, access) and outcome.",
		}, []string{"review", "outcome"}),
		seconds: with.NewHistogram(prometheus.HistogramOpts{
			Name: "podflame_auth_review_seconds", Help: "Time in which the Kubernetes API server answered.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		remembered: with.NewCounter(prometheus.CounterOpts{
			Name: "podflame_auth_remembered_total", Help: "Tokens that were judged without a question, as the answer was remembered.",
		}),
		refused: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_auth_refused_total", Help: "Requests of people that were refused, by reason.",
		}, []string{"reason"}),
		logins: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_auth_logins_total", Help: "Logins by outcome: ok, or the reason of the refusal.",
		}, []string{"outcome"}),
	}
	for _, review := range []string{"token", "access"} {
		for _, outcome := range []string{"ok", "refused", "unavailable"} {
			m.reviews.WithLabelValues(review, outcome)
		}
	}
	m.reviews.WithLabelValues("token", limitedOutcome)
	m.logins.WithLabelValues("ok")
	for _, r := range reasons() {
		m.refused.WithLabelValues(string(r))
		m.logins.WithLabelValues(string(r))
	}
	return m
}

// limitedOutcome is that of a question which was not asked, as too many were
// about tokens from the same address.
const limitedOutcome = "limited"

func (m *Metrics) limited() { m.reviews.WithLabelValues("token", limitedOutcome).Inc() }

func (m *Metrics) asked(review string, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "refused"
		if api.AsError(err).RetryAfter > 0 {
			outcome = "unavailable"
		}
	}
	m.reviews.WithLabelValues(review, outcome).Inc()
	m.seconds.Observe(took.Seconds())
}
