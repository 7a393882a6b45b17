package admission

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"golang.org/x/time/rate"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// EventRecorder is the part of events.EventRecorder that is needed.
type EventRecorder interface {
	Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any)
}

// action is what the Events say that we did.
const action = "Admission"

// eventBurst is how many Events may go out at once.
const eventBurst = 50

// OwnerEvents reports decisions as Kubernetes Events on the controller that
// made the pod: at admission the pod itself has neither UID nor, mostly, a
// name. Who creates a bare pod gets the warnings of the answer instead.
type OwnerEvents struct {
	recorder EventRecorder
	limit    *rate.Limiter
	metrics  *Metrics
}

// NewOwnerEvents makes a reporter of at most so many Events per second.
func NewOwnerEvents(recorder EventRecorder, perSecond float64, metrics *Metrics) *OwnerEvents {
	return &OwnerEvents{recorder: recorder, limit: rate.NewLimiter(rate.Limit(perSecond), eventBurst), metrics: metrics}
}

// Report implements Reporter.
func (e *OwnerEvents) Report(pod *corev1.Pod, namespace string, decision inject.Decision) {
	owner := controllerOf(pod, namespace)
	if owner == nil || decision.Reason() == inject.AlreadyInjected {
		return
	}
	kind := corev1.EventTypeNormal
	if !decision.Inject {
		kind = corev1.EventTypeWarning
	}
	e.send(owner, kind, decision.Reasons[0])
	for _, warning := range decision.Warnings {
		e.send(owner, corev1.EventTypeWarning, warning)
	}
}

func (e *OwnerEvents) send(owner *corev1.ObjectReference, kind string, finding inject.Finding) {
	if !e.limit.Allow() {
		e.metrics.events.WithLabelValues(eventDropped).Inc()
		return
	}
	e.recorder.Eventf(owner, nil, kind, string(finding.Reason), action, "%s", finding.String())
	e.metrics.events.WithLabelValues(eventSent).Inc()
}

// controllerOf refers to the controller of a pod; nil if it has none, or one
// outside of its namespace (a Node).
func controllerOf(pod *corev1.Pod, namespace string) *corev1.ObjectReference {
	for _, owner := range pod.OwnerReferences {
		if owner.Controller != nil && *owner.Controller && owner.Kind != "Node" {
			return &corev1.ObjectReference{APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name, UID: owner.UID, Namespace: namespace}
		}
	}
	return nil
}
