package inject

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// requested is the truth table of the package comment, after the pods that are
// never touched. It returns no reason if the pod is to be profiled.
func requested(pod *corev1.Pod, ns *Namespace, cfg Config) Finding {
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return finding(MirrorPod, "")
	}
	namespace := pod.Namespace
	if namespace == "" && ns != nil {
		namespace = ns.Name
	}
	if slices.Contains(cfg.ExcludedNamespaces, namespace) {
		return finding(ExcludedNamespace, namespace)
	}
	if value, set := PodEnabled(pod); set {
		return enabled(value, "pod", OptedOut)
	}
	if ns == nil {
		return finding(NotRequested, "the namespace is not known")
	}
	if value, set := ns.Labels[contract.Enabled]; set {
		return enabled(value, "namespace "+ns.Name, OptedOut)
	}
	return finding(NotRequested, "")
}

// PodEnabled is the pod's annotation, or else its label of the same name; false
// if it has neither.
func PodEnabled(pod *corev1.Pod) (string, bool) {
	if value, set := pod.Annotations[contract.Enabled]; set {
		return value, true
	}
	value, set := pod.Labels[contract.Enabled]
	return value, set
}

func enabled(value, where string, no Reason) Finding {
	switch value {
	case "true":
		return Finding{}
	case "false":
		return finding(no, where)
	}
	return finding(InvalidEnabled, fmt.Sprintf("%s: %q", where, printable(value, maxQuoted)))
}

// runsToCompletion tells whether the pod is meant to end by itself, which a
// container that never ends would prevent.
func runsToCompletion(pod *corev1.Pod) bool {
	for _, owner := range pod.OwnerReferences {
		if owner.Kind == "Job" {
			return true
		}
	}
	return pod.Spec.RestartPolicy == corev1.RestartPolicyNever || pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure
}
