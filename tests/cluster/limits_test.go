package cluster

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// sized gives the application memory, as request and limit.
func sized(memory string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		list := corev1.ResourceList{corev1.ResourceCPU: quantity.MustParse("200m"), corev1.ResourceMemory: quantity.MustParse(memory)}
		pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: list, Limits: list.DeepCopy()}
	}
}

func atMost(kind corev1.LimitType, memory string) corev1.LimitRangeItem {
	return corev1.LimitRangeItem{Type: kind, Max: corev1.ResourceList{corev1.ResourceMemory: quantity.MustParse(memory)}}
}

// TestLimitRanges: the server's own LimitRanger admits every pod that asks, with
// a sidecar that fits or without one.
func TestLimitRanges(t *testing.T) {
	startWebhook(t, 1)
	for name, row := range map[string]struct {
		limits corev1.LimitRangeItem
		reason string
		memory string // limit of the sidecar
	}{
		"container at most 256Mi": {atMost(corev1.LimitTypeContainer, "256Mi"), "injected", "256Mi"},
		"container at most 130Mi": {atMost(corev1.LimitTypeContainer, "130Mi"), "limit_range_exceeded", ""},
		"pod at most 400Mi":       {atMost(corev1.LimitTypePod, "400Mi"), "injected", "272Mi"},
		"pod at most 200Mi":       {atMost(corev1.LimitTypePod, "200Mi"), "limit_range_exceeded", ""},
		"least and ratio": {corev1.LimitRangeItem{
			Type:                 corev1.LimitTypeContainer,
			Min:                  corev1.ResourceList{corev1.ResourceCPU: quantity.MustParse("150m"), corev1.ResourceMemory: quantity.MustParse("64Mi")},
			MaxLimitRequestRatio: corev1.ResourceList{corev1.ResourceCPU: quantity.MustParse("2"), corev1.ResourceMemory: quantity.MustParse("3")},
		}, "injected", "384Mi"},
	} {
		t.Run(name, func(t *testing.T) {
			namespace := newNamespace(t, "limits", nil)
			limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "limits"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{row.limits}}}
			if _, err := shared.Client.CoreV1().LimitRanges(namespace).Create(testContext(t), limits, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			pod := awaitReason(t, namespace, row.reason, annotated(contract.Enabled, "true"), sized("128Mi"))
			if added := sidecar(pod); added != nil && added.Resources.Limits.Memory().String() != row.memory {
				t.Errorf("memory limit %s, want %s", added.Resources.Limits.Memory(), row.memory)
			}
		})
	}
}

// awaitReason creates the pod until the webhook's caches know what is new in the
// namespace: before that the LimitRanger refuses the pod. That must be brief.
func awaitReason(t *testing.T, namespace, reason string, adjust ...func(*corev1.Pod)) (pod *corev1.Pod) {
	t.Helper()
	attempt := 0
	eventually(t, "a pod that is "+reason, func(ctx context.Context) (bool, string) {
		attempt++
		made, err := shared.Client.CoreV1().Pods(namespace).Create(ctx, plainPod(fmt.Sprint("pod-", attempt), adjust...), metav1.CreateOptions{})
		if err != nil {
			return false, err.Error()
		}
		pod = made
		return statusOf(t, made).Reason == reason, fmt.Sprintf("%+v", statusOf(t, made))
	})
	return pod
}

// TestQuotas: a Deployment that fits into the quota by itself gets all of its
// replicas, whatever that leaves for sidecars.
func TestQuotas(t *testing.T) {
	startWebhook(t, 1)
	for name, row := range map[string]struct {
		hard     string
		injected int
	}{
		"room for nothing else": {"512Mi", 0},
		"room for one":          {"900Mi", 1},
		"room for all":          {"4Gi", 4},
	} {
		t.Run(name, func(t *testing.T) {
			namespace := newNamespace(t, "quota", nil)
			ctx := testContext(t)
			quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: corev1.ResourceQuotaSpec{
				Hard: corev1.ResourceList{corev1.ResourceLimitsMemory: quantity.MustParse(row.hard)},
			}}
			if _, err := shared.Client.CoreV1().ResourceQuotas(namespace).Create(ctx, quota, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			template := plainPod("", annotated(contract.Enabled, "true"), sized("128Mi"))
			template.Labels = map[string]string{"app": "web"}
			if _, err := shared.Client.AppsV1().Deployments(namespace).Create(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.DeploymentSpec{
				Replicas: new(int32(4)), Selector: &metav1.LabelSelector{MatchLabels: template.Labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: template.ObjectMeta, Spec: template.Spec},
			}}, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			injected := 0
			for _, pod := range podsOf(t, namespace, "app=web", 4) {
				if sidecar(&pod) != nil {
					injected++
				}
			}
			if injected > row.injected {
				t.Errorf("%d pods are injected, want at most %d", injected, row.injected)
			}
		})
	}
}
