package audit

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// Metrics say how many pods run without the sidecar they asked for, and why.
type Metrics struct {
	pods        *prometheus.GaugeVec
	withSidecar prometheus.Gauge
	unexamined  prometheus.Gauge
	waiting     prometheus.Gauge
	egress      prometheus.Gauge
	outdated    prometheus.Gauge
	breakers    prometheus.Gauge
	finished    prometheus.Gauge
	failures    prometheus.Counter
	events      *prometheus.CounterVec
}

// Outcomes of an Event, the values of the label "result".
const (
	eventSent     = "sent"
	eventDeferred = "deferred" // above the rate: tried again at the next audit
	eventFailed   = "failed"
)

// NewMetrics registers the metrics, every reason at 0.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	factory := promauto.With(registry)
	m := &Metrics{
		pods: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "podflame_audit_pods_without_sidecar",
			Help: "Pods that opted in and run without the sidecar, or wait for its image, by reason.",
		}, []string{"reason"}),
		withSidecar: factory.NewGauge(prometheus.GaugeOpts{
			Name: "podflame_audit_pods_with_sidecar",
			Help: "Pods that opted in and run with the sidecar.",
		}),
		unexamined: factory.NewGauge(prometheus.GaugeOpts{
			Name: "podflame_audit_pods_unexamined",
			Help: "Pods without the sidecar beyond the number that is examined; their reasons are not known.",
		}),
		waiting: factory.NewGauge(prometheus.GaugeOpts{
			Name: "podflame_audit_pods_waiting_for_image",
			Help: "Pods that wait for the sidecar's image.",
		}),
		egress: factory.NewGauge(prometheus.GaugeOpts{
			Name: "podflame_audit_pods_egress_denied",
			Help: "Pods with the sidecar which no network policy lets upload.",
		}),
		outdated: factory.NewGauge(prometheus.GaugeOpts{
			Name: "podflame_audit_pods_outdated",
			Help: "Pods whose sidecar is of another image than new pods get.",
		}),
		breakers: factory.NewGauge(prometheus.GaugeOpts{
			Name: "podflame_audit_namespaces_image_unpullable",
			Help: "Namespaces in which no further pod is injected, as pods there wait for the sidecar's image.",
		}),
		finished: factory.NewGauge(prometheus.GaugeOpts{
			Name: "podflame_audit_last_success_timestamp_seconds",
			Help: "Unix time of the last finished audit; 0 before the first.",
		}),
		failures: factory.NewCounter(prometheus.CounterOpts{
			Name: "podflame_audit_failures_total",
			Help: "Audits that could not be finished.",
		}),
		events: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_audit_events_total",
			Help: "Kubernetes Events on pods without the sidecar, by what became of them.",
		}, []string{"result"}),
	}
	for _, reason := range inject.Outcomes() {
		m.pods.WithLabelValues(string(reason))
	}
	for _, result := range []string{eventSent, eventDeferred, eventFailed} {
		m.events.WithLabelValues(result)
	}
	return m
}

func (m *Metrics) publish(r *report, openBreakers int) {
	byReason := r.byReason()
	for _, reason := range inject.Outcomes() {
		m.pods.WithLabelValues(string(reason)).Set(float64(byReason[reason]))
	}
	m.withSidecar.Set(float64(r.withSidecar))
	m.unexamined.Set(float64(r.missing - r.examined))
	m.waiting.Set(float64(r.troubled[inject.ImageUnpullable]))
	m.egress.Set(float64(r.troubled[inject.EgressDenied]))
	m.outdated.Set(float64(r.troubled[inject.SidecarOutdated]))
	m.breakers.Set(float64(openBreakers))
	m.finished.Set(float64(r.at.Unix()))
}

func (r *report) byReason() map[inject.Reason]int {
	counts := map[inject.Reason]int{}
	for _, finding := range r.findings {
		counts[finding.Reason]++
	}
	return counts
}
