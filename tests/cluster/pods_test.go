package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podflame/podflame/sidecar/contract"
)

// plainPod is a pod as small as it may be, whose JVM's user is known.
func plainPod(name string, adjust ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{RunAsUser: new(int64(1000)), RunAsGroup: new(int64(1000))},
			Containers:      []corev1.Container{{Name: "app", Image: "registry.example/app:1.2.3"}},
		},
	}
	for _, change := range adjust {
		change(pod)
	}
	return pod
}

// annotated sets annotations, given as key, value, key, value.
func annotated(pairs ...string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		for i := 0; i < len(pairs); i += 2 {
			pod.Annotations[pairs[i]] = pairs[i+1]
		}
	}
}

// labelled sets the label of the same name as the annotation that opts in.
func labelled(value string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Labels = map[string]string{contract.Enabled: value} }
}

// restricted makes a pod pass Pod Security restricted.
func restricted(pod *corev1.Pod) {
	pod.Spec.SecurityContext.RunAsNonRoot = new(true)
	pod.Spec.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// sidecar finds what the webhook adds, as a native sidecar; nil if absent.
func sidecar(pod *corev1.Pod) *corev1.Container {
	for i := range pod.Spec.InitContainers {
		container := &pod.Spec.InitContainers[i]
		if container.Name == contract.ContainerName && container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			return container
		}
	}
	return nil
}

// status is the part of the status annotation that the tests look at.
type status struct {
	Injected bool   `json:"injected"`
	Reason   string `json:"reason"`
}

func statusOf(t testing.TB, pod *corev1.Pod) (found status) {
	t.Helper()
	if text := pod.Annotations[contract.Status]; text != "" {
		if err := json.Unmarshal([]byte(text), &found); err != nil {
			t.Errorf("pod %s has the status %q: %v", pod.Name, text, err)
		}
	}
	return found
}

// newNamespace makes a namespace for one test, with a default ServiceAccount.
func newNamespace(t testing.TB, name string, labels map[string]string) string {
	t.Helper()
	ctx := testContext(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-", Labels: labels}}
	created, err := shared.Client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleteNamespace(t, created.Name) })
	eventually(t, "default ServiceAccount of "+created.Name, func(ctx context.Context) (bool, string) {
		_, err := shared.Client.CoreV1().ServiceAccounts(created.Name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, fmt.Sprint(err)
	})
	return created.Name
}

// create makes a pod and returns it as admitted, with the server's warnings.
func create(t testing.TB, namespace string, pod *corev1.Pod, options metav1.CreateOptions) (*corev1.Pod, []string) {
	t.Helper()
	warnings := &collector{}
	config := rest.CopyConfig(shared.Config)
	config.WarningHandler = warnings
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	admitted, err := client.CoreV1().Pods(namespace).Create(testContext(t), pod, options)
	if err != nil {
		t.Fatalf("create pod %s: %v", pod.Name, err)
	}
	return admitted, warnings.texts
}

// collector keeps the warnings of the server.
type collector struct {
	mu    sync.Mutex
	texts []string
}

func (c *collector) HandleWarningHeader(_ int, _ string, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.texts = append(c.texts, text)
}

// waitTimeout bounds the wait for something that others do on their own. It is
// long because tests share their machine with builds.
const waitTimeout = 2 * time.Minute

// eventually polls until a condition holds; the string says what is the case.
func eventually(t testing.TB, what string, condition func(context.Context) (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		holds, seen := condition(ctx)
		if holds {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s; last seen: %s", waitTimeout, what, seen)
		case <-ticker.C:
		}
	}
}

// podsOf waits until a selector finds so many pods.
func podsOf(t testing.TB, namespace, selector string, count int) []corev1.Pod {
	t.Helper()
	var found []corev1.Pod
	eventually(t, fmt.Sprintf("%d pods with %s", count, selector), func(ctx context.Context) (bool, string) {
		pods, err := shared.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return false, err.Error()
		}
		found = pods.Items
		return len(found) == count, fmt.Sprintf("%d pods; %s", len(found), strings.Join(shared.creationFailures(ctx, namespace), "; "))
	})
	return found
}

func isGone(err error) bool { return apierrors.IsNotFound(err) }
