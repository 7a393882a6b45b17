package inject

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podflame/podflame/sidecar/contract"
)

// sidecarResources also returns the bytes that the sidecar may count on having.
//
// Three properties of the pod stay what they were. A pod of QoS class
// Guaranteed keeps it, and with it its exclusive CPUs. A pod with resources of
// its own as a whole gives the sidecar a share of them, because more would make
// the pod invalid. And where containers limit ephemeral storage, kubelet evicts
// the pod by the sum of these limits, so the sidecar adds what it may write.
func sidecarResources(pod *corev1.Pod, tmpVolumes int, asked *annotations, cfg Config) (corev1.ResourceRequirements, int64) {
	guaranteed := isGuaranteed(pod)
	cpu := cfg.CPULimit
	if guaranteed {
		cpu = cfg.CPUGuaranteed
	}
	cpuRequest, cpuLimit := pair(asked, contract.CPURequest, contract.CPULimit, cfg.CPURequest, cpu, cfg.CPUMaximum)
	memRequest, memLimit := pair(asked, contract.MemoryRequest, contract.MemoryLimit, cfg.MemoryRequest, cfg.MemoryLimit, cfg.MemoryMaximum)
	if pod.Spec.Resources != nil {
		return corev1.ResourceRequirements{}, memLimit.Value()
	}
	if guaranteed {
		cpuRequest, memRequest = cpuLimit, memLimit
	}
	r := corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: cpuRequest, corev1.ResourceMemory: memRequest},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: cpuLimit, corev1.ResourceMemory: memLimit},
	}
	if limitsEphemeralStorage(pod) {
		r.Requests[corev1.ResourceEphemeralStorage] = ephemeralRequest
		r.Limits[corev1.ResourceEphemeralStorage] = ephemeralLimit(tmpVolumes, cfg)
	}
	return r, memLimit.Value()
}

// pair is a request and a limit within the maximum, the request never above the
// limit. What the user says of one moves the default of the other.
func pair(asked *annotations, requestKey, limitKey string, request, limit, maximum resource.Quantity) (resource.Quantity, resource.Quantity) {
	wantedRequest, wantedLimit := asked.within(requestKey, maximum), asked.within(limitKey, maximum)
	if wantedRequest != nil {
		request = *wantedRequest
	}
	switch {
	case wantedLimit != nil:
		limit = *wantedLimit
	case request.Cmp(limit) > 0:
		limit = request
	}
	if request.Cmp(limit) > 0 {
		if wantedRequest != nil {
			asked.warn(InvalidAnnotation, fmt.Sprintf("%s: %s is above the limit %s, which is used", requestKey, request.String(), limit.String()))
		}
		request = limit
	}
	return request, limit
}

// within is the quantity that an annotation asks for, or the maximum with a
// warning; nil if it asks for none.
func (a *annotations) within(key string, maximum resource.Quantity) *resource.Quantity {
	q := a.resources[key]
	if q == nil || q.Cmp(maximum) <= 0 {
		return q
	}
	a.warn(AboveMaximum, fmt.Sprintf("%s: %s is above %s", key, q.String(), maximum.String()))
	return &maximum
}

// isGuaranteed follows Kubernetes' rule for the QoS class, without our sidecar.
func isGuaranteed(pod *corev1.Pod) bool {
	bare := withoutSidecar(pod)
	for _, containers := range [][]corev1.Container{bare.Spec.InitContainers, bare.Spec.Containers} {
		for i := range containers {
			if !hasEqualLimits(containers[i].Resources) {
				return false
			}
		}
	}
	return true
}

func hasEqualLimits(r corev1.ResourceRequirements) bool {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		limit, limited := r.Limits[name]
		request, requested := r.Requests[name]
		if !limited || limit.IsZero() || requested && request.Cmp(limit) != 0 {
			return false
		}
	}
	return true
}

func limitsEphemeralStorage(pod *corev1.Pod) bool {
	bare := withoutSidecar(pod)
	for _, containers := range [][]corev1.Container{bare.Spec.InitContainers, bare.Spec.Containers} {
		for i := range containers {
			if _, limited := containers[i].Resources.Limits[corev1.ResourceEphemeralStorage]; limited {
				return true
			}
		}
	}
	return false
}

// ephemeralRequest is small, for the volumes are far from full as a rule;
// without one, Kubernetes would request the whole limit.
var ephemeralRequest = resource.MustParse("64Mi")

// logAllowance is what the sidecar's own log may take of the disk.
const logAllowance = 64 << 20

func ephemeralLimit(tmpVolumes int, cfg Config) resource.Quantity {
	bytes := cfg.SharedSize.Value() + cfg.StateSize.Value() + int64(tmpVolumes)*cfg.TmpSize.Value() + logAllowance
	return *resource.NewQuantity(bytes, resource.BinarySI)
}
