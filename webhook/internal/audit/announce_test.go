package audit

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/podflame/podflame/webhook/internal/inject"
)

func TestEventsOnPods(t *testing.T) {
	cluster := fake.NewClientBuilder().WithScheme(scheme.Scheme).Build()
	metrics := NewMetrics(prometheus.NewRegistry())
	count := func(result string) float64 { return testutil.ToFloat64(metrics.events.WithLabelValues(result)) }
	finding := Finding{Namespace: "n", Pod: "p", UID: "u", Reason: inject.HostPID, Detail: strings.Repeat("x", 3000), Text: "Text.", Remedy: "Remedy."}
	for _, instance := range []string{"replica-1", "replica-2"} { // the second after a change of leader
		if !NewEvents(cluster, instance, 1, metrics, quiet()).Announce(t.Context(), finding) {
			t.Errorf("%s: not announced", instance)
		}
	}
	var list eventsv1.EventList
	if err := cluster.List(t.Context(), &list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%d Events, %v", len(list.Items), err)
	}
	event := list.Items[0]
	if event.Regarding.Kind != "Pod" || event.Regarding.UID != "u" || event.Reason != "host_pid" || event.Type != corev1.EventTypeWarning || event.ReportingInstance != "replica-1" {
		t.Errorf("event %+v", event)
	}
	if len(event.Note) > 1024 || !strings.HasPrefix(event.Note, "Text. (xxx") {
		t.Errorf("note of %d bytes: %.40s", len(event.Note), event.Note)
	}
	if count(eventSent) != 1 {
		t.Errorf("%v counted", count(eventSent))
	}

	few := NewEvents(cluster, "i", 1e-9, metrics, quiet())
	for range eventBurst {
		few.Announce(t.Context(), finding)
	}
	if few.Announce(t.Context(), finding) || count(eventDeferred) != 1 {
		t.Errorf("above the rate: %v deferred", count(eventDeferred))
	}
	broken := interceptor.NewClient(cluster, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			return errors.New("forbidden")
		},
	})
	if NewEvents(broken, "i", 1, metrics, quiet()).Announce(t.Context(), finding) || count(eventFailed) != 1 {
		t.Errorf("%v failed", count(eventFailed))
	}
}
