package admission

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// recorder keeps Events as "kind namespace/Owner/name reason".
type recorder struct{ events []string }

func (r *recorder) Eventf(regarding, _ runtime.Object, kind, reason, _, note string, args ...any) {
	owner := regarding.(*corev1.ObjectReference)
	if text := fmt.Sprintf(note, args...); text == "" || owner.UID == "" || owner.APIVersion == "" {
		reason += " INCOMPLETE"
	}
	r.events = append(r.events, fmt.Sprintf("%s %s/%s/%s %s", kind, owner.Namespace, owner.Kind, owner.Name, reason))
}

func ownedBy(kind string, controller bool) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "Other", Name: "o", UID: "o"},
		{APIVersion: "apps/v1", Kind: kind, Name: "cart", UID: "u", Controller: &controller},
	}}}
}

func decided(reason inject.Reason, injected bool, warnings ...inject.Reason) inject.Decision {
	decision := inject.Decision{Inject: injected, Reasons: []inject.Finding{{Reason: reason}}}
	for _, warning := range warnings {
		decision.Warnings = append(decision.Warnings, inject.Finding{Reason: warning, Detail: "100%d"})
	}
	return decision
}

func TestOwnerEvents(t *testing.T) {
	for _, row := range []struct {
		what     string
		pod      *corev1.Pod
		decision inject.Decision
		want     []string
	}{
		{"injected", ownedBy("ReplicaSet", true), decided(inject.Injected, true), []string{"Normal shop/ReplicaSet/cart injected"}},
		{"injected with a warning", ownedBy("Job", true), decided(inject.Injected, true, inject.AboveMaximum),
			[]string{"Normal shop/Job/cart injected", "Warning shop/Job/cart above_maximum"}},
		{"skipped", ownedBy("StatefulSet", true), decided(inject.HostPID, false), []string{"Warning shop/StatefulSet/cart host_pid"}},
		{"no news", ownedBy("ReplicaSet", true), decided(inject.AlreadyInjected, false), nil},
		{"an owner that is no controller", ownedBy("ReplicaSet", false), decided(inject.HostPID, false), nil},
		{"a node", ownedBy("Node", true), decided(inject.HostPID, false), nil},
		{"nobody", &corev1.Pod{}, decided(inject.HostPID, false), nil},
	} {
		recorder := &recorder{}
		NewOwnerEvents(recorder, 1, NewMetrics(prometheus.NewRegistry())).Report(row.pod, "shop", row.decision)
		if diff := cmp.Diff(row.want, recorder.events); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.what, diff)
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	recorder, metrics := &recorder{}, NewMetrics(prometheus.NewRegistry())
	events := NewOwnerEvents(recorder, 1e-9, metrics)
	for range eventBurst + 25 {
		events.Report(ownedBy("ReplicaSet", true), "shop", decided(inject.HostPID, false))
	}
	sent, dropped := testutil.ToFloat64(metrics.events.WithLabelValues(eventSent)), testutil.ToFloat64(metrics.events.WithLabelValues(eventDropped))
	if len(recorder.events) != eventBurst || sent != eventBurst || dropped != 25 {
		t.Errorf("%d Events, counted %v sent and %v dropped", len(recorder.events), sent, dropped)
	}
}
