package inject

import (
	"fmt"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresource "k8s.io/component-helpers/resource"
)

// fit changes what the sidecar gets until the namespace's LimitRanges and
// ResourceQuotas admit the pod with it. It returns the reason if nothing of use
// is admitted: without the sidecar the pod may well be.
func fit(pod *corev1.Pod, resources *corev1.ResourceRequirements, ns *Namespace, asked *annotations) Finding {
	if ns == nil || len(ns.LimitRanges) == 0 && len(ns.Quotas) == 0 {
		return Finding{}
	}
	total := totalsOf(pod)
	guaranteed := isGuaranteed(pod)
	for _, name := range slices.Sorted(maps.Keys(resources.Limits)) {
		b := unbounded(name)
		b.byLimitRanges(ns.LimitRanges, name, total)
		b.byQuotas(ns, name, pod, total)
		want := span{milli(resources.Requests[name]), milli(resources.Limits[name])}
		got, ok := b.fit(want, leastOf(name, want), guaranteed)
		if !ok {
			return finding(b.reason, fmt.Sprintf("%s of the sidecar: %s, %s", name, want.text(name), b.where))
		}
		if got == want {
			continue
		}
		asked.warn(ResourcesFitted, fmt.Sprintf("%s: %s instead of %s, %s", name, got.text(name), want.text(name), b.where))
		resources.Requests[name], resources.Limits[name] = quantity(name, got.request), quantity(name, got.limit)
	}
	return Finding{}
}

// span is a request and a limit, in thousandths.
type span struct{ request, limit int64 }

func (s span) text(name corev1.ResourceName) string {
	request, limit := quantity(name, s.request), quantity(name, s.limit)
	return request.String() + " to " + limit.String()
}

// most is above any quantity in earnest, and small enough to be added up.
const most = math.MaxInt64 / 1024

func milli(q resource.Quantity) int64 { return min(q.MilliValue(), most) }

func quantity(name corev1.ResourceName, milli int64) resource.Quantity {
	if name == corev1.ResourceCPU {
		return *resource.NewMilliQuantity(milli, resource.DecimalSI)
	}
	return *resource.NewQuantity(milli/1000, resource.BinarySI)
}

// leastOf is what a sidecar needs to be of use: of the disk all that it asks
// for, as kubelet evicts the pod for less.
func leastOf(name corev1.ResourceName, want span) span {
	switch name {
	case corev1.ResourceCPU:
		least := milli(resource.MustParse(minimumCPU))
		return span{least, least}
	case corev1.ResourceMemory:
		return span{milli(resource.MustParse(minimumMemRequest)), milli(resource.MustParse(minimumMemLimit))}
	}
	return span{0, want.limit}
}

// totals are the requests and limits of a pod without our sidecar: with all of
// its init containers, and of what runs beside the sidecar.
type totals struct{ all, beside corev1.ResourceRequirements }

func totalsOf(pod *corev1.Pod) totals {
	bare := withoutSidecar(pod)
	all := requirementsOf(bare)
	bare.Spec.InitContainers = slices.DeleteFunc(bare.Spec.InitContainers, func(c corev1.Container) bool { return !isRestartable(&c) })
	return totals{all: all, beside: requirementsOf(bare)}
}

func requirementsOf(pod *corev1.Pod) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: podresource.PodRequests(pod, podresource.PodResourcesOptions{}),
		Limits:   podresource.PodLimits(pod, podresource.PodResourcesOptions{}),
	}
}

// bounds are what a namespace allows of one resource of the sidecar, in
// thousandths; 0 and most are no bound.
type bounds struct {
	step       int64   // whole units but for CPU
	least      int64   // of the request
	maxRequest int64   // may be negative: too little for the pod without us
	maxLimit   int64   // likewise
	ratio      float64 // of the limit to the request
	podRatio   float64 // of the same of the whole pod, which is without us:
	pod        span
	reason     Reason // of the tightest bound
	where      string // its object
}

func unbounded(name corev1.ResourceName) *bounds {
	b := &bounds{step: 1000, maxRequest: most, maxLimit: most, reason: LimitRangeExceeded}
	if name == corev1.ResourceCPU {
		b.step = 1
	}
	return b
}

// fit is the span nearest to what is wanted; false if there is none.
func (b *bounds) fit(want, least span, guaranteed bool) (span, bool) {
	limit := min(want.limit, b.maxLimit)
	if guaranteed {
		limit = min(limit, b.maxRequest)
	}
	if b.ratio > 0 && b.maxRequest < most {
		limit = min(limit, int64(b.ratio*float64(b.maxRequest)))
	}
	limit -= limit % b.step
	request := max(min(want.request, b.maxRequest, limit), b.least, b.divided(limit, b.ratio), b.divided(b.pod.limit+limit, b.podRatio)-b.pod.request)
	if guaranteed {
		request = max(request, limit)
	}
	limit = max(limit, request)
	got := span{request, limit}
	return got, request <= b.maxRequest && limit <= b.maxLimit && request >= least.request && limit >= least.limit
}

func (b *bounds) divided(value int64, by float64) int64 {
	if by <= 0 {
		return 0
	}
	return int64(math.Ceil(float64(value)/by/float64(b.step))) * b.step
}

// atMost and atLeast note where the tightest bound comes from.
func (b *bounds) atMost(bound *int64, value int64, reason Reason, where string) {
	if value < *bound {
		*bound, b.reason, b.where = value, reason, where
	}
}

func (b *bounds) atLeast(value int64, where string) {
	if value > b.least {
		b.least, b.where = value, where
	}
}

func (b *bounds) byLimitRanges(ranges []corev1.LimitRange, name corev1.ResourceName, total totals) {
	for i := range ranges {
		for _, item := range ranges[i].Spec.Limits {
			where := "LimitRange " + ranges[i].Name + " for each " + string(item.Type)
			minimum, maximum, ratio := item.Min[name], item.Max[name], item.MaxLimitRequestRatio[name]
			switch item.Type {
			case corev1.LimitTypeContainer:
				b.atLeast(milli(minimum), where)
				if !maximum.IsZero() {
					b.atMost(&b.maxLimit, milli(maximum), LimitRangeExceeded, where)
				}
				b.ratio = tighter(b.ratio, ratio)
			case corev1.LimitTypePod:
				beside := span{milli(total.beside.Requests[name]), milli(total.beside.Limits[name])}
				if !maximum.IsZero() {
					b.atMost(&b.maxLimit, milli(maximum)-beside.limit, LimitRangeExceeded, where)
				}
				b.podRatio, b.pod = tighter(b.podRatio, ratio), beside
			}
			if !ratio.IsZero() && b.where == "" {
				b.where = where
			}
		}
	}
}

func tighter(have float64, ratio resource.Quantity) float64 {
	if ratio.IsZero() || have > 0 && have <= ratio.AsApproximateFloat64() {
		return have
	}
	return ratio.AsApproximateFloat64()
}

// byQuotas leaves room for the pod itself and for those that its workload still
// lacks.
func (b *bounds) byQuotas(ns *Namespace, name corev1.ResourceName, pod *corev1.Pod, total totals) {
	for i := range ns.Quotas {
		quota := &ns.Quotas[i]
		if !quotaApplies(quota, pod) {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(quota.Spec.Hard)) {
			left := milli(quota.Spec.Hard[key]) - milli(quota.Status.Used[key])
			where := fmt.Sprintf("ResourceQuota %s, %s", quota.Name, key)
			switch key {
			case corev1.ResourceName("limits." + string(name)):
				b.atMost(&b.maxLimit, left-needed(total.beside.Limits, total.all.Limits, name, ns.Missing), QuotaExceeded, where)
			case name, corev1.ResourceName("requests." + string(name)):
				b.atMost(&b.maxRequest, left-needed(total.beside.Requests, total.all.Requests, name, ns.Missing), QuotaExceeded, where)
			}
		}
	}
}

func needed(beside, all corev1.ResourceList, name corev1.ResourceName, missing int) int64 {
	return milli(beside[name]) + int64(missing)*milli(all[name])
}
