package check

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podflame/podflame/webhook/internal/audit"
	"github.com/podflame/podflame/webhook/internal/inject"
)

// Explained is why a pod is profiled or not.
type Explained struct {
	Namespace, Name string
	Profiled        bool          // its sidecar runs
	Told            inject.Status // what the webhook wrote on it; the zero value if nothing
	Sidecar         string        // how its sidecar is; empty without one
	// Decision is what the webhook would decide about such a pod now.
	Decision inject.Decision
}

// ExplainPod reads a pod and what is around it, and decides about it as
// admission would.
func ExplainPod(ctx context.Context, client kubernetes.Interface, namespace, name string, config inject.Config) (Explained, error) {
	pod, err := client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return Explained{}, fmt.Errorf("read pod %s/%s: %w", namespace, name, err)
	}
	ns, err := client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
	if err != nil {
		return Explained{}, fmt.Errorf("read namespace %s: %w", namespace, err)
	}
	around := &inject.Namespace{ObjectMeta: ns.ObjectMeta}
	if ranges, err := client.CoreV1().LimitRanges(namespace).List(ctx, metav1.ListOptions{}); err == nil {
		around.LimitRanges = ranges.Items
	}
	// Quotas are left out: they count the pod already.
	e := Explained{Namespace: namespace, Name: name, Decision: inject.Decide(pod, around, config)}
	e.Told, _ = inject.StatusOf(pod)
	if inject.HasSidecar(pod) {
		e.Sidecar, e.Profiled = stateOf(pod)
	}
	return e, nil
}

// stateOf says how the sidecar is, and whether it runs.
func stateOf(pod *corev1.Pod) (string, bool) {
	status := audit.StatusOf(pod)
	switch {
	case status == nil:
		return "not started yet", false
	case status.State.Running != nil:
		text := "runs since " + status.State.Running.StartedAt.UTC().Format("2006-01-02 15:04:05")
		if status.RestartCount > 0 {
			text += fmt.Sprintf(", after %d restarts", status.RestartCount)
		}
		return text, true
	case status.State.Waiting != nil:
		return "waits: " + status.State.Waiting.Reason + " " + status.State.Waiting.Message, false
	case status.State.Terminated != nil:
		return fmt.Sprintf("ended with code %d: %s", status.State.Terminated.ExitCode, status.State.Terminated.Reason), false
	}
	return "not started yet", false
}
