package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	reportingController = "podflame.io/webhook"
	eventAction         = "Audit"
	eventBurst          = 20
	maxNote             = 1000 // bytes; the API server accepts 1024
	announceTimeout     = 5 * time.Second
)

// Events announces findings as Kubernetes Events on the pods. The name of an
// Event follows from the pod's UID, so that another replica, or this one after
// a restart, does not say it twice.
type Events struct {
	Writer   client.Writer
	Instance string // this replica
	Metrics  *Metrics
	Log      *slog.Logger

	limit *rate.Limiter
}

// NewEvents makes an announcer of at most so many Events per second.
func NewEvents(writer client.Writer, instance string, perSecond float64, metrics *Metrics, log *slog.Logger) *Events {
	return &Events{Writer: writer, Instance: instance, Metrics: metrics, Log: log, limit: rate.NewLimiter(rate.Limit(perSecond), eventBurst)}
}

// Announce implements Announcer.
func (e *Events) Announce(ctx context.Context, finding Finding) bool {
	if !e.limit.Allow() {
		e.Metrics.events.WithLabelValues(eventDeferred).Inc()
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	err := e.Writer.Create(ctx, e.event(finding))
	switch {
	case apierrors.IsAlreadyExists(err):
		return true
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return true
	case err != nil:
		e.Metrics.events.WithLabelValues(eventFailed).Inc()
		e.Log.Warn("event not sent", "pod", finding.key(), "error", err)
		return false
	}
	e.Metrics.events.WithLabelValues(eventSent).Inc()
	return true
}

func (e *Events) event(finding Finding) *eventsv1.Event {
	note := finding.Text
	if finding.Detail != "" {
		note += " (" + finding.Detail + ")"
	}
	if finding.Remedy != "" {
		note += " " + finding.Remedy
	}
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: finding.Namespace,
			Name:      fmt.Sprintf("podflame-audit.%s", finding.UID),
		},
		EventTime:           metav1.NowMicro(),
		ReportingController: reportingController,
		ReportingInstance:   e.Instance,
		Action:              eventAction,
		Reason:              string(finding.Reason),
		Type:                corev1.EventTypeWarning,
		Note:                note[:min(len(note), maxNote)],
		Regarding: corev1.ObjectReference{
			APIVersion: "v1", Kind: "Pod",
			Namespace: finding.Namespace, Name: finding.Pod, UID: finding.UID,
		},
	}
}
