package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// troubles are what the audit tells of a sidecar that is there, the worst first:
// of each pod the first that is so.
var troubles = []inject.Reason{inject.ImageUnpullable, inject.EgressDenied, inject.SidecarOutdated}

// trouble is what is the matter with the sidecar of a pod; the reason is empty
// if nothing is.
func (a *Auditor) trouble(pod *corev1.Pod, policies []networkingv1.NetworkPolicy) (code inject.Reason, detail string) {
	if waits := Waits(pod); waits != "" {
		return inject.ImageUnpullable, waits
	}
	if a.inCluster && !a.door.ReachedFrom(pod, policies) {
		return inject.EgressDenied, fmt.Sprintf("to TCP port %d of namespace %s", a.door.Port, a.door.Namespace)
	}
	if image := ImageOf(pod); image != a.options.Inject.Image {
		return inject.SidecarOutdated, fmt.Sprintf("%s; new pods get %s", image, a.options.Inject.Image)
	}
	return "", ""
}

// addSidecars adds what there is room for, the worst first, and has the breakers
// look, also at namespaces where no pod is created now.
func (a *Auditor) addSidecars(ctx context.Context, next *report, found []Finding) {
	namespaces := a.options.Breaker.namespaces()
	for _, finding := range found {
		next.troubled[finding.Reason]++
		if finding.Reason == inject.ImageUnpullable {
			namespaces = append(namespaces, finding.Namespace)
		}
	}
	slices.Sort(namespaces)
	for _, namespace := range slices.Compact(namespaces) {
		a.options.Breaker.Unpullable(ctx, namespace)
	}
	rank := func(f Finding) int { return slices.Index(troubles, f.Reason) }
	slices.SortFunc(found, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.key(), y.key()))
	})
	next.examined = len(next.findings)
	next.findings = append(next.findings, found[:min(len(found), max(0, a.options.Max-len(next.findings)))]...)
	slices.SortFunc(next.findings, func(x, y Finding) int { return cmp.Compare(x.key(), y.key()) })
}
