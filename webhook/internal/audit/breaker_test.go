package audit

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/webhook/internal/inject"
)

// waits puts the sidecar of a pod into a state of waiting.
func waits(reason string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.InitContainerStatuses = []corev1.ContainerStatus{
			{Name: "init", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}}},
			{Name: contract.ContainerName, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}},
		}
	}
}

func runsSince(at time.Time) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{
			Name: contract.ContainerName, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}},
		}}
	}
}

func TestBreaker(t *testing.T) {
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	pod := func(name string, changes ...func(*corev1.Pod)) *corev1.Pod {
		made := injected(t, podOf("n", name, "true"))
		for _, change := range changes {
			change(made)
		}
		return made
	}
	b := NewBreaker(nil, config(t).Image, quiet())
	b.now = func() time.Time { return now }
	otherImage := func(pod *corev1.Pod) { pod.Spec.InitContainers[0].Image = "old" }
	for _, step := range []struct {
		what string
		pods []*corev1.Pod
		wait time.Duration
		open bool
	}{
		{"no pod", nil, 0, false},
		{"one that starts", []*corev1.Pod{pod("a", waits("PodInitializing"))}, time.Second, false},
		{"one with an older image", []*corev1.Pod{pod("a", waits("ErrImagePull"), otherImage)}, time.Second, false},
		{"one that ended", []*corev1.Pod{pod("a", waits("ErrImagePull"), finished)}, time.Second, false},
		{"one that waits", []*corev1.Pod{pod("a", waits("ErrImagePull")), pod("b")}, time.Second, true},
		{"it backs off", []*corev1.Pod{pod("a", waits("ImagePullBackOff"))}, time.Hour, true},
		{"it was deleted", nil, time.Second, true},
		{"an older sidecar runs", []*corev1.Pod{pod("b", runsSince(now))}, time.Second, true},
		{"a sidecar has started", []*corev1.Pod{pod("c", runsSince(now.Add(2*time.Hour)))}, time.Second, false},
		{"wrong architecture", []*corev1.Pod{pod("a", waits("RunContainerError"))}, time.Second, true},
		{"it was deleted long ago", nil, holdOpen + time.Second, false},
	} {
		now = now.Add(step.wait)
		cluster := fake.NewClientBuilder().WithScheme(scheme.Scheme)
		for _, p := range step.pods {
			cluster.WithObjects(p)
		}
		b.cache = cluster.Build()
		if got := b.Unpullable(t.Context(), "n"); (got != "") != step.open {
			t.Errorf("%s: %q, want open: %t", step.what, got, step.open)
		}
		if got := b.Unpullable(t.Context(), "other"); got != "" {
			t.Errorf("%s: another namespace is closed to injection: %s", step.what, got)
		}
	}
}

// TestBreakerWithoutPods: an error neither opens nor closes it.
func TestBreakerWithoutPods(t *testing.T) {
	made := injected(t, podOf("n", "a", "true"))
	waits("ErrImagePull")(made)
	cluster := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(made).Build()
	b := NewBreaker(cluster, config(t).Image, quiet())
	broken := interceptor.NewClient(cluster, interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errors.New("not started")
		},
	})
	b.cache = broken
	if got := b.Unpullable(t.Context(), "n"); got != "" {
		t.Errorf("open without having seen a pod: %s", got)
	}
	b.cache = cluster
	want := config(t).Image + ": ErrImagePull"
	if got := b.Unpullable(t.Context(), "n"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b.cache = broken
	if got := b.Unpullable(t.Context(), "n"); got != want {
		t.Errorf("%q, want %q as before", got, want)
	}
}

// TestPodsThatWaitAreFindings: they are told of like those without the sidecar.
func TestPodsThatWaitAreFindings(t *testing.T) {
	waiting := injected(t, podOf("n", "waiting", "true"))
	waits("ImagePullBackOff")(waiting)
	f := newFixture(t, true, namespaceOf("n", nil), waiting, injected(t, podOf("n", "fine", "true")), podOf("n", "missed", "true"))
	f.mustRound(t)
	_, page, _ := f.get(t, "")
	if len(page.Findings) != 2 || page.Findings[0].Reason != inject.MissedByWebhook || page.Findings[1].Reason != inject.ImageUnpullable {
		t.Fatalf("%+v", page.Findings)
	}
	if page.WithSidecar != 2 || page.Missing != 1 || page.Waiting != 1 || page.Unexamined != 0 || page.Images[config(t).Image] != 2 {
		t.Errorf("counts: %+v", page)
	}
	if got := f.options.Breaker.namespaces(); len(got) != 1 || got[0] != "n" {
		t.Errorf("open breakers: %v", got)
	}
}
