package inject

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresource "k8s.io/component-helpers/resource"

	"github.com/podflame/podflame/sidecar/contract"
)

// sidecarResources is what the sidecar is to get before the namespace has its
// say.
//
// Two properties of the pod stay what they were. A pod of QoS class Guaranteed
// keeps it, and with it its exclusive CPUs. And where containers limit ephemeral
// storage, kubelet evicts the pod by the sum of these limits, so the sidecar
// adds what it may write.
func sidecarResources(pod *corev1.Pod, plan Plan, asked *annotations, cfg Config) corev1.ResourceRequirements {
	guaranteed := isGuaranteed(pod)
	cpu := cfg.CPULimit
	if guaranteed {
		cpu = cfg.CPUGuaranteed
	}
	cpuRequest, cpuLimit := pair(asked, contract.CPURequest, contract.CPULimit, cfg.CPURequest, cpu, cfg.CPUMaximum)
	memRequest, memLimit := pair(asked, contract.MemoryRequest, contract.MemoryLimit, cfg.MemoryRequest, cfg.MemoryLimit, cfg.MemoryMaximum)
	if guaranteed {
		cpuRequest, memRequest = cpuLimit, memLimit
	}
	r := corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: cpuRequest, corev1.ResourceMemory: memRequest},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: cpuLimit, corev1.ResourceMemory: memLimit},
	}
	if limitsEphemeralStorage(pod) {
		r.Requests[corev1.ResourceEphemeralStorage] = ephemeralRequest
		r.Limits[corev1.ResourceEphemeralStorage] = ephemeralLimit(plan, cfg)
	}
	return r
}

// raised is what a pod with resources as a whole gets on top of them: they hold
// for all of its containers together, and ours must not live on the JVM's.
func raised(pod *corev1.Pod, sidecar corev1.ResourceRequirements) *corev1.ResourceRequirements {
	if pod.Spec.Resources == nil {
		return nil
	}
	whole := withoutSidecar(pod).Spec.Resources
	return &corev1.ResourceRequirements{Requests: shared(sidecar.Requests, whole.Requests), Limits: shared(sidecar.Limits, whole.Limits)}
}

// defaulted are the resources of the pod as a whole with the requests that the
// API server fills in before it asks the webhook: those of the containers, or
// else the limits (defaultPodRequests in Kubernetes' pkg/apis/core/v1). A
// manifest lacks them, and with the sidecar's own requests in the pod they would
// become these alone.
func defaulted(pod *corev1.Pod) *corev1.ResourceRequirements {
	whole := pod.Spec.Resources
	if whole == nil || len(whole.Limits) == 0 {
		return whole
	}
	filled := pod.DeepCopy()
	for _, containers := range [][]corev1.Container{filled.Spec.InitContainers, filled.Spec.Containers} {
		for i := range containers {
			r := &containers[i].Resources
			r.Requests = withDefaults(r.Requests, r.Limits)
		}
	}
	out := whole.DeepCopy()
	out.Requests = withDefaults(out.Requests, podresource.AggregateContainerRequests(filled, podresource.PodResourcesOptions{}))
	out.Requests = withDefaults(out.Requests, out.Limits)
	return out
}

// withDefaults adds what a list lacks of CPU and memory.
func withDefaults(list, defaults corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	maps.Copy(out, list)
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		q, known := defaults[name]
		if _, there := out[name]; known && !there {
			out[name] = q
		}
	}
	return out
}

// shared are the resources of one list that the other has too.
func shared(list, other corev1.ResourceList) corev1.ResourceList {
	common := corev1.ResourceList{}
	for name, q := range list {
		if _, both := other[name]; both {
			common[name] = q
		}
	}
	return common
}

// changed adds to the resources of the pod as a whole, or takes from them.
func changed(whole, by *corev1.ResourceRequirements, change func(*resource.Quantity, resource.Quantity)) *corev1.ResourceRequirements {
	if whole == nil || by == nil {
		return whole
	}
	out := whole.DeepCopy()
	for _, lists := range [][2]corev1.ResourceList{{out.Requests, by.Requests}, {out.Limits, by.Limits}} {
		for name, q := range lists[1] {
			if have, there := lists[0][name]; there {
				change(&have, q)
				lists[0][name] = have
			}
		}
	}
	return out
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

// QoS is the class that Kubernetes will give the pod.
func QoS(pod *corev1.Pod) string {
	total := requirementsOf(pod)
	relevant := func(list corev1.ResourceList) bool { return !list.Cpu().IsZero() || !list.Memory().IsZero() }
	switch {
	case everyHasEqualLimits(pod):
		return string(corev1.PodQOSGuaranteed)
	case relevant(total.Requests), relevant(total.Limits):
		return string(corev1.PodQOSBurstable)
	}
	return string(corev1.PodQOSBestEffort)
}

// isGuaranteed follows Kubernetes' rule for the QoS class, without our sidecar.
func isGuaranteed(pod *corev1.Pod) bool { return everyHasEqualLimits(withoutSidecar(pod)) }

func everyHasEqualLimits(pod *corev1.Pod) bool {
	if podresource.IsPodLevelResourcesSet(pod) {
		return hasEqualLimits(*pod.Spec.Resources)
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
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

func ephemeralLimit(plan Plan, cfg Config) resource.Quantity {
	library := resource.MustParse(librarySize)
	bytes := int64(len(plan.Containers))*cfg.RecordingsSize.Value() + int64(len(plan.TmpFor))*cfg.TmpSize.Value() +
		library.Value() + cfg.StateSize.Value() + logAllowance
	return *resource.NewQuantity(bytes, resource.BinarySI)
}
