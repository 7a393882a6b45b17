package audit

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/webhook/internal/inject"
)

// TestSlimPodsAnswerTheSameQuestions compares whole and slim pods in all that
// is asked of slim ones.
func TestSlimPodsAnswerTheSameQuestions(t *testing.T) {
	cfg, namespace := config(t), &inject.Namespace{ObjectMeta: namespaceOf("n", nil).ObjectMeta}
	for what, pod := range map[string]*corev1.Pod{
		"plain":        podOf("n", "a", ""),
		"asks":         podOf("n", "a", "true"),
		"asks wrongly": podOf("n", "a", "1"),
		"opted out":    podOf("n", "a", "false"),
		"by label":     podOf("n", "a", "", func(pod *corev1.Pod) { pod.Labels = map[string]string{contract.Enabled: "true"} }),
		"mirror":       podOf("n", "a", "true", func(pod *corev1.Pod) { pod.Annotations[corev1.MirrorPodAnnotationKey] = "x" }),
		"injected":     injected(t, podOf("n", "a", "true", func(pod *corev1.Pod) { pod.Labels = map[string]string{"app": "shop"} })),
		"skipped":      skipped(t, podOf("n", "a", "true", hostPID)),
		"finished":     podOf("n", "a", "true", finished),
		"going":        podOf("n", "a", "true", func(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{} }),
	} {
		made, err := Slim(pod)
		if err != nil {
			t.Fatal(err)
		}
		slim := made.(*corev1.Pod)
		if got, want := inject.Decide(slim, namespace, cfg).Asked(), inject.Decide(pod, namespace, cfg).Asked(); got != want {
			t.Errorf("%s: asked %v, slim %v", what, want, got)
		}
		if got, want := inject.HasSidecar(slim), inject.HasSidecar(pod); got != want {
			t.Errorf("%s: has the sidecar %v, slim %v", what, want, got)
		}
		if got, want := WantsTrust(slim), WantsTrust(pod); got != want {
			t.Errorf("%s: wants trust %v, slim %v", what, want, got)
		}
		if got, want := serviceOf(slim), serviceOf(pod); got != want {
			t.Errorf("%s: is called %q, slim %q", what, want, got)
		}
		if inject.HasSidecar(pod) && slim.Labels["app"] != "shop" {
			t.Errorf("%s: network policies do not see labels %v", what, slim.Labels)
		}
		if got, want := runs(slim), runs(pod); got != want {
			t.Errorf("%s: runs %v, slim %v", what, want, got)
		}
	}
}

func TestSlimIsSmall(t *testing.T) {
	pod := podOf("n", "a", "true", func(pod *corev1.Pod) {
		for range 40 {
			pod.Spec.Containers = append(pod.Spec.Containers, pod.Spec.Containers[0])
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "v"})
		}
		pod.Annotations["large"] = string(make([]byte, 100_000))
		pod.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
	})
	slim, err := Slim(pod)
	if err != nil {
		t.Fatal(err)
	}
	if size := slim.(*corev1.Pod).Size(); size > 400 {
		t.Errorf("%d bytes of %d", size, pod.Size())
	}
	if object, err := Slim("tombstone"); err != nil || object != "tombstone" {
		t.Errorf("something that is no pod became %v, %v", object, err)
	}
}
