package certs

import (
	"crypto/x509"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Kinds of certificate, the values of the label "cert".
const (
	KindCA      = "ca"
	KindServing = "serving"
)

// Outcomes of a reload, the values of the label "result".
const (
	reloadChanged = "changed"
	reloadFailed  = "failed"
)

// Metrics say until when the certificates in use are valid.
type Metrics struct {
	notAfter *prometheus.GaugeVec
	reloads  *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	factory := promauto.With(registry)
	m := &Metrics{
		notAfter: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "podflame_cert_not_after_seconds",
			Help: "Unix time at which the certificate in use expires; 0 while there is none.",
		}, []string{"cert"}),
		reloads: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_cert_reloads_total",
			Help: "Serving certificates taken into use, and attempts that failed.",
		}, []string{"result"}),
	}
	for _, kind := range []string{KindCA, KindServing} {
		m.notAfter.WithLabelValues(kind)
	}
	for _, result := range []string{reloadChanged, reloadFailed} {
		m.reloads.WithLabelValues(result)
	}
	return m
}

// InUse notes the certificate of a kind that is in use; nil means none.
func (m *Metrics) InUse(kind string, certificate *x509.Certificate) {
	until := 0.0
	if certificate != nil {
		until = float64(certificate.NotAfter.Unix())
	}
	m.notAfter.WithLabelValues(kind).Set(until)
}

// Reloaded counts a new certificate taken into use, or, with an error, an
// attempt that left the old one.
func (m *Metrics) Reloaded(err error) {
	if err != nil {
		m.reloads.WithLabelValues(reloadFailed).Inc()
		return
	}
	m.reloads.WithLabelValues(reloadChanged).Inc()
}
