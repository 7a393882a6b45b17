package inject

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresource "k8s.io/component-helpers/resource"
	"pgregory.net/rapid"
)

// drawLimits draws LimitRanges and quotas of which some admit the pod.
func drawLimits(t *rapid.T, ns *Namespace) {
	for i := range rapid.IntRange(0, 2).Draw(t, "limit ranges") {
		ns.LimitRanges = append(ns.LimitRanges, corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type:                 rapid.SampledFrom([]corev1.LimitType{corev1.LimitTypeContainer, corev1.LimitTypePod}).Draw(t, "type"),
			Min:                  drawList(t, "min", []string{"10m", "50m"}, []string{"64Mi", "100M"}),
			Max:                  drawList(t, "max", []string{"300m", "4"}, []string{"256Mi", "1500Mi", "8Gi"}),
			MaxLimitRequestRatio: drawList(t, "ratio", []string{"1", "3", "10"}, []string{"1", "1500m", "7"}),
		}}}})
		ns.LimitRanges[i].Name = fmt.Sprint("range-", i)
	}
	for range rapid.IntRange(0, 1).Draw(t, "quotas") {
		hard := corev1.ResourceList{}
		for _, name := range []corev1.ResourceName{"cpu", "requests.memory", "limits.cpu", "limits.memory"} {
			if v := some(t, "hard "+string(name), []string{"1", "1500m", "3Gi", "1200Mi"}); v != nil {
				hard[name] = resource.MustParse(*v)
			}
		}
		ns.Quotas = append(ns.Quotas, corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: hard}})
		ns.Missing = rapid.IntRange(0, 2).Draw(t, "missing")
	}
}

func drawList(t *rapid.T, label string, cpu, memory []string) corev1.ResourceList {
	drawn := corev1.ResourceList{}
	for _, c := range []struct {
		name corev1.ResourceName
		pool []string
	}{{corev1.ResourceCPU, cpu}, {corev1.ResourceMemory, memory}} {
		if v := some(t, label+" "+string(c.name), c.pool); v != nil {
			drawn[c.name] = resource.MustParse(*v)
		}
	}
	return drawn
}

// checkLimits: a pod that the namespace's LimitRanges and quotas admit, they
// admit afterwards, and the pods that its workload lacks too.
func checkLimits(t fataler, pod, out *corev1.Pod, ns *Namespace) {
	t.Helper()
	if ns == nil || HasSidecar(pod) || !HasSidecar(out) {
		return
	}
	for i := range ns.LimitRanges {
		if before, after := limitRanger(&ns.LimitRanges[i], pod), limitRanger(&ns.LimitRanges[i], out); before == "" && after != "" {
			t.Errorf("the LimitRange admitted the pod and no longer does: %s", after)
		}
	}
	for i := range ns.Quotas {
		all := ns.Missing + 1
		for name, hard := range ns.Quotas[i].Spec.Hard {
			alone, together := usage(pod, name, all), usage(out, name, 1)+usage(pod, name, all-1)
			if alone <= milli(hard) && together > milli(hard) {
				t.Errorf("%s of quota for %s was enough for %d pods and no longer is", hard.String(), name, all)
			}
		}
	}
}

// usage is what so many pods take of a quota, in thousandths.
func usage(pod *corev1.Pod, name corev1.ResourceName, count int) int64 {
	requests, limits := podresource.PodRequests(pod, podresource.PodResourcesOptions{}), podresource.PodLimits(pod, podresource.PodResourcesOptions{})
	quantities := map[corev1.ResourceName]resource.Quantity{
		"cpu": requests["cpu"], "requests.memory": requests["memory"], "limits.cpu": limits["cpu"], "limits.memory": limits["memory"],
	}
	return milli(quantities[name]) * int64(count)
}

// limitRanger is what the admission plugin of that name checks, written from its
// rules: the first complaint, or nothing.
func limitRanger(limits *corev1.LimitRange, pod *corev1.Pod) string {
	for _, item := range limits.Spec.Limits {
		if item.Type == corev1.LimitTypePod {
			if what := complaint(item, requirementsOf(pod)); what != "" {
				return "pod: " + what
			}
			continue
		}
		for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for _, c := range containers {
				if what := complaint(item, c.Resources); what != "" {
					return c.Name + ": " + what
				}
			}
		}
	}
	return ""
}

func complaint(item corev1.LimitRangeItem, r corev1.ResourceRequirements) string {
	for name, least := range item.Min {
		request, requested := r.Requests[name]
		limit, limited := r.Limits[name]
		if !requested || request.Cmp(least) < 0 || limited && limit.Cmp(least) < 0 {
			return fmt.Sprintf("%s of %s to %s is below %s", name, request.String(), limit.String(), least.String())
		}
	}
	for name, greatest := range item.Max {
		request := r.Requests[name]
		limit, limited := r.Limits[name]
		if !limited || limit.Cmp(greatest) > 0 || request.Cmp(greatest) > 0 {
			return fmt.Sprintf("%s of %s to %s is above %s", name, request.String(), limit.String(), greatest.String())
		}
	}
	for name, ratio := range item.MaxLimitRequestRatio {
		request, limit := r.Requests[name], r.Limits[name]
		if request.IsZero() || limit.IsZero() || limit.AsApproximateFloat64()/request.AsApproximateFloat64() > ratio.AsApproximateFloat64() {
			return fmt.Sprintf("%s of %s to %s exceeds the ratio %s", name, request.String(), limit.String(), ratio.String())
		}
	}
	return ""
}

// TestLimitsFit draws pods and namespaces for which the limits matter, and sees
// each outcome.
func TestLimitsFit(t *testing.T) {
	seen := map[Reason]int{}
	rapid.Check(t, func(t *rapid.T) {
		pod := simplePod("true")
		r := &pod.Spec.Containers[0].Resources
		r.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m"), corev1.ResourceMemory: resource.MustParse("300Mi")}
		r.Requests = r.Limits.DeepCopy()
		if rapid.Bool().Draw(t, "burstable") {
			r.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi")}
		}
		ns := namespaceWith(absent)
		drawLimits(t, ns)
		checkLaws(t, pod, ns, testConfig())
		d := Decide(pod, ns, testConfig())
		seen[d.Reason()]++
		for _, w := range d.Warnings {
			seen[w.Reason]++
		}
	})
	for _, r := range []Reason{Injected, LimitRangeExceeded, QuotaExceeded, ResourcesFitted} {
		if seen[r] == 0 {
			t.Errorf("no generated pod was %s: %v", r, seen)
		}
	}
}
