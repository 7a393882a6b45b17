package admission

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// Metrics count decisions by their reason.
type Metrics struct {
	decisions *prometheus.CounterVec
	warnings  *prometheus.CounterVec
	duration  prometheus.Histogram
	panics    prometheus.Counter
	lookups   *prometheus.CounterVec
	inFlight  prometheus.Gauge
	events    *prometheus.CounterVec
}

// Outcomes of an Event, the values of the label "result".
const (
	eventSent    = "sent"
	eventDropped = "dropped" // above the rate
)

// NewMetrics registers the metrics, every reason at 0.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	factory := promauto.With(registry)
	m := &Metrics{
		decisions: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_webhook_decisions_total",
			Help: "Admission requests by the reason of the decision. A pod counts again when another webhook changes it.",
		}, []string{"reason", "dry_run"}),
		warnings: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_webhook_warnings_total",
			Help: "Warnings given with decisions, by reason.",
		}, []string{"reason"}),
		duration: factory.NewHistogram(prometheus.HistogramOpts{
			Name:    "podflame_webhook_decision_duration_seconds",
			Help:    "Time from the parsed request to the answer.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 3},
		}),
		panics: factory.NewCounter(prometheus.CounterOpts{
			Name: "podflame_webhook_panics_total",
			Help: "Panics while deciding; each admitted its pod unchanged.",
		}),
		lookups: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_webhook_lookup_failures_total",
			Help: "Decisions made without something of the namespace that could not be looked up, by what it was.",
		}, []string{"what"}),
		inFlight: factory.NewGauge(prometheus.GaugeOpts{
			Name: "podflame_webhook_in_flight_requests",
			Help: "Admission requests being worked on.",
		}),
		events: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_webhook_events_total",
			Help: "Kubernetes Events on the owners of pods, by what became of them.",
		}, []string{"result"}),
	}
	for _, reason := range inject.Outcomes() {
		m.decisions.WithLabelValues(string(reason), "false")
		m.decisions.WithLabelValues(string(reason), "true")
	}
	for _, reason := range inject.WarningReasons() {
		m.warnings.WithLabelValues(string(reason))
	}
	for _, what := range []string{"limitranges", "resourcequotas", "owner"} {
		m.lookups.WithLabelValues(what)
	}
	for _, result := range []string{eventSent, eventDropped} {
		m.events.WithLabelValues(result)
	}
	return m
}

func (m *Metrics) decided(reason inject.Reason, dryRun bool) {
	m.decisions.WithLabelValues(string(reason), strconv.FormatBool(dryRun)).Inc()
}

func (m *Metrics) warned(reason inject.Reason) {
	m.warnings.WithLabelValues(string(reason)).Inc()
}
