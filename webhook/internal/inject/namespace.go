package inject

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Namespace is what a pod finds around it. What is not known is left out, and
// then does not count.
type Namespace struct {
	metav1.ObjectMeta
	LimitRanges []corev1.LimitRange
	Quotas      []corev1.ResourceQuota
	// Missing are the pods that the workload still lacks besides this one: a
	// sidecar must not take the quota that they need.
	Missing int
	// Unpullable says which image of ours pods of the namespace wait for, and
	// why; empty if none does.
	Unpullable string
}
