package audit

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podflame/podflame/sidecar/contract"
)

// holdOpen is how long a breaker stays open after the last pod that waited is
// gone: without it, each pod deleted because it waited would make room for
// another that waits.
const holdOpen = 10 * time.Minute

// Breaker keeps a sidecar that does not start from holding up more than the
// first pods of a namespace. It opens while a pod of the namespace waits for
// our container, and closes when a sidecar of that image starts there, or a
// while after the last pod that waited is gone.
type Breaker struct {
	cache client.Reader // of slim pods
	image string        // of new sidecars
	now   func() time.Time
	log   *slog.Logger

	mu   sync.Mutex
	open map[string]outage // by namespace
}

// outage is why a breaker is open.
type outage struct {
	detail string
	seen   time.Time // when a pod waited last
}

// NewBreaker makes a Breaker that is closed everywhere.
func NewBreaker(cache client.Reader, image string, log *slog.Logger) *Breaker {
	return &Breaker{cache: cache, image: image, now: time.Now, log: log, open: map[string]outage{}}
}

// Unpullable says which image pods of the namespace wait for, and why; empty if
// the breaker is closed. Where the pods are not known it stays as it is.
func (b *Breaker) Unpullable(ctx context.Context, namespace string) string {
	var pods corev1.PodList
	if err := b.cache.List(ctx, &pods, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		b.log.Warn("pods that wait for the sidecar's image are not known", "namespace", namespace, "error", err)
		return b.state(namespace).detail
	}
	b.look(namespace, pods.Items)
	return b.state(namespace).detail
}

func (b *Breaker) state(namespace string) outage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[namespace]
}

// look opens or closes the breaker of a namespace by its pods.
func (b *Breaker) look(namespace string, pods []corev1.Pod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, was := b.open[namespace]
	if i := slices.IndexFunc(pods, func(p corev1.Pod) bool { return b.waitsForOurs(&p) }); i >= 0 {
		b.open[namespace] = outage{detail: Waits(&pods[i]), seen: b.now()}
		if !was {
			b.log.Warn("no further pod of the namespace is injected", "namespace", namespace, "pod", pods[i].Name, "detail", Waits(&pods[i]))
		}
		return
	}
	started := func(p corev1.Pod) bool { return b.startedAfter(&p, before.seen) }
	if was && (slices.ContainsFunc(pods, started) || b.now().Sub(before.seen) > holdOpen) {
		delete(b.open, namespace)
		b.log.Info("pods of the namespace are injected again", "namespace", namespace)
	}
}

// namespaces are those whose breakers are open, in order.
func (b *Breaker) namespaces() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.open))
}

// waitsForOurs leaves out pods with an image that is no longer given to new
// ones, and pods that are being deleted.
func (b *Breaker) waitsForOurs(pod *corev1.Pod) bool {
	return runs(pod) && ImageOf(pod) == b.image && Waits(pod) != ""
}

func (b *Breaker) startedAfter(pod *corev1.Pod, since time.Time) bool {
	status := StatusOf(pod)
	return ImageOf(pod) == b.image && status != nil && status.State.Running != nil && status.State.Running.StartedAt.After(since)
}

// waitReasons are kubelet's and the runtime's words for a container that does
// not come into being because of its image: it is not there, not for this
// architecture, or does not run.
var waitReasons = []string{
	"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ErrImageInspect", "RegistryUnavailable",
	"SignatureValidationFailed", "CreateContainerError", "RunContainerError",
}

// Waits says for which image a pod waits, and why; empty if its sidecar is not
// what it waits for.
func Waits(pod *corev1.Pod) string {
	status := StatusOf(pod)
	if status == nil || status.State.Waiting == nil || !slices.Contains(waitReasons, status.State.Waiting.Reason) {
		return ""
	}
	return fmt.Sprintf("%s: %s", ImageOf(pod), status.State.Waiting.Reason)
}

// StatusOf is the status of our container; nil if there is none.
func StatusOf(pod *corev1.Pod) *corev1.ContainerStatus {
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		if i := slices.IndexFunc(statuses, func(s corev1.ContainerStatus) bool { return s.Name == contract.ContainerName }); i >= 0 {
			return &statuses[i]
		}
	}
	return nil
}

// ImageOf is the image of our container; empty if there is none.
func ImageOf(pod *corev1.Pod) string {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		if i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == contract.ContainerName }); i >= 0 {
			return containers[i].Image
		}
	}
	return ""
}
