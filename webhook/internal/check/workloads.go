package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/webhook/internal/audit"
	"github.com/podflame/podflame/webhook/internal/inject"
)

// maxNamed is how many objects a detail names.
const maxNamed = 5

func named(names []string) string {
	slices.Sort(names)
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
}

func (i Installation) namespaces(ctx context.Context) []Result {
	all, err := i.Client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return unanswered("list namespaces", err, "")
	}
	var results []Result
	for _, ns := range all.Items {
		if _, annotated := ns.Annotations[contract.Enabled]; annotated {
			results = append(results, warned("namespace "+ns.Name, inject.AnnotationOnNamespace.Remedy()))
		}
		if value, labelled := ns.Labels[contract.Enabled]; labelled && value != "true" && value != "false" {
			results = append(results, warned(fmt.Sprintf("namespace %s: %q", ns.Name, value), inject.InvalidEnabled.Remedy()))
		}
	}
	return orPassed(results)
}

// injected are the pods with a sidecar.
func (i Installation) injected(ctx context.Context) ([]corev1.Pod, error) {
	all, err := i.Client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all.Items, func(p corev1.Pod) bool { return !inject.HasSidecar(&p) }), nil
}

func (i Installation) waiting(ctx context.Context) []Result {
	pods, err := i.injected(ctx)
	if err != nil {
		return unanswered("list pods", err, "")
	}
	waiting := map[string][]string{} // pods by what they wait for
	for _, pod := range pods {
		if why := audit.Waits(&pod); why != "" {
			waiting[why] = append(waiting[why], pod.Namespace+"/"+pod.Name)
		}
	}
	var results []Result
	for _, why := range slices.Sorted(maps.Keys(waiting)) {
		results = append(results, failed(why+", of "+named(waiting[why]), inject.ImageUnpullable.Remedy())...)
	}
	return orPassed(results)
}

func (i Installation) versions(ctx context.Context) []Result {
	pods, err := i.injected(ctx)
	if err != nil {
		return unanswered("list pods", err, "")
	}
	old := map[string]int{}
	for _, pod := range pods {
		if image := audit.ImageOf(&pod); image != i.Inject.Image {
			old[image]++
		}
	}
	var results []Result
	for _, image := range slices.Sorted(maps.Keys(old)) {
		results = append(results, warned(fmt.Sprintf("%d pods have %s, new ones get %s", old[image], image, i.Inject.Image),
			"Restart their workloads when it suits you: kubectl rollout restart"))
	}
	return orPassed(results)
}

// egress finds namespaces with sidecars and policies of which none lets the
// upload through.
func (i Installation) egress(ctx context.Context) []Result {
	door, ok := audit.DoorOf(i.Inject.Backend)
	if !ok {
		return []Result{{Level: Unknown, Detail: "the backend " + i.Inject.Backend + " is no Service of the cluster", Remedy: "Allow it in the network policies of the namespaces"}}
	}
	pods, err := i.injected(ctx)
	if err != nil {
		return unanswered("list pods", err, "")
	}
	policies, err := i.Client.NetworkingV1().NetworkPolicies("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return unanswered("list network policies", err, "")
	}
	cut := map[string][]string{}
	for _, pod := range pods {
		if !door.ReachedFrom(&pod, policies.Items) {
			cut[pod.Namespace] = append(cut[pod.Namespace], pod.Name)
		}
	}
	var results []Result
	for _, namespace := range slices.Sorted(maps.Keys(cut)) {
		results = append(results, warned("namespace "+namespace+", pods "+named(cut[namespace]),
			fmt.Sprintf("Allow egress to namespace %s, TCP port %d, and to DNS", door.Namespace, door.Port)))
	}
	return orPassed(results)
}

const defaultClass = "storageclass.kubernetes.io/is-default-class"

// storage looks at claims of ours that wait.
func (i Installation) storage(ctx context.Context) []Result {
	claims, err := i.Client.CoreV1().PersistentVolumeClaims(i.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return unanswered("list volume claims of "+i.Namespace, err, "")
	}
	var results []Result
	for _, claim := range claims.Items {
		if claim.Status.Phase == corev1.ClaimBound {
			continue
		}
		results = append(results, warned(fmt.Sprintf("claim %s is %s", claim.Name, claim.Status.Phase), i.storageRemedy(ctx, &claim)))
	}
	return orPassed(results)
}

func (i Installation) storageRemedy(ctx context.Context, claim *corev1.PersistentVolumeClaim) string {
	describe := fmt.Sprintf("kubectl -n %s describe pvc %s", i.Namespace, claim.Name)
	if claim.Spec.StorageClassName != nil && *claim.Spec.StorageClassName != "" {
		return describe
	}
	classes, err := i.Client.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return describe
	}
	for _, class := range classes.Items {
		if class.Annotations[defaultClass] == "true" {
			return describe
		}
	}
	return "The cluster has no default StorageClass: make one, or name one in the claim"
}
