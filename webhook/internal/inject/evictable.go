package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// evictableKey names the emptyDirs that do not keep the cluster autoscaler from
// removing the node under the pod. It removes none whose pods have others.
const evictableKey = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"

// evictable is the value of that annotation with our volumes behind what is
// there.
func evictable(pod *corev1.Pod, plan Plan, cfg Config) string {
	var names []string
	for name := range strings.SplitSeq(pod.Annotations[evictableKey], ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	for _, v := range volumes(plan, cfg) {
		if v.EmptyDir != nil && !slices.Contains(names, v.Name) {
			names = append(names, v.Name)
		}
	}
	return strings.Join(names, ",")
}
