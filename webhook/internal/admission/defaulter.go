package admission

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// defaulter carries out the decision on the pod. controller-runtime makes the
// patch from the difference, and keeps fields that our types do not know.
type defaulter struct {
	options Options
}

// Default never returns an error: controller-runtime would deny the pod.
func (d *defaulter) Default(ctx context.Context, pod *corev1.Pod) error {
	o := outcomeOf(ctx)
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		o.err = fmt.Errorf("read admission request: %w", err)
		return nil
	}
	// Without the namespace's labels the sidecar could be one that Pod
	// Security then refuses, with the whole pod.
	namespace, err := d.options.Namespaces.Namespace(ctx, request.Namespace, pod)
	if err != nil {
		o.err = fmt.Errorf("look up namespace %s: %w", request.Namespace, err)
		return nil
	}
	decision := inject.Decide(pod, namespace, d.options.Inject)
	o.pod = pod.DeepCopy()
	inject.Apply(pod, decision, d.options.Inject).DeepCopyInto(pod)
	o.decision = &decision
	return nil
}
