package acceptance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/podflame/podflame/sidecar/contract"
)

// readiness watches a pod and the endpoints of its Service: every change that
// the API server tells of, not samples.
type readiness struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	changes int      // of any kind
	unready []string // moments without
}

func (s *step) watchReady(pod, service string) *readiness {
	s.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	r := &readiness{cancel: cancel}
	pods, slices := shared.Client.CoreV1().Pods(faultNamespace), shared.Client.DiscoveryV1().EndpointSlices(faultNamespace)
	ofPod := metav1.ListOptions{FieldSelector: "metadata.name=" + pod}
	ofService := metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service}
	begun, err := pods.List(ctx, ofPod)
	s.must(err)
	for i := range begun.Items {
		r.note(podReady(watch.Event{Object: &begun.Items[i]}))
	}
	s.must(r.follow(ctx, begun.ResourceVersion, podReady, func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		o.FieldSelector = ofPod.FieldSelector
		return pods.Watch(ctx, o)
	}))
	known, err := slices.List(ctx, ofService)
	s.must(err)
	for i := range known.Items {
		r.note(hasEndpoint(watch.Event{Object: &known.Items[i]}))
	}
	s.must(r.follow(ctx, known.ResourceVersion, hasEndpoint, func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		o.LabelSelector = ofService.LabelSelector
		return slices.Watch(ctx, o)
	}))
	return r
}

// follow judges what is told after a version, also by a new watch where one has
// broken off.
func (r *readiness) follow(ctx context.Context, version string, ready func(watch.Event) (bool, string), begin cache.WatchFuncWithContext) error {
	events, err := watchtools.NewRetryWatcherWithContext(ctx, version, &cache.ListWatch{WatchFuncWithContext: begin})
	if err != nil {
		return fmt.Errorf("watch from version %s: %w", version, err)
	}
	r.done.Go(func() {
		for event := range events.ResultChan() {
			if ctx.Err() != nil {
				return // it ends because we have ended it
			}
			r.note(ready(event))
		}
	})
	return nil
}

func (r *readiness) note(holds bool, seen string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes++
	if !holds {
		r.unready = append(r.unready, time.Now().Format(time.TimeOnly)+" "+seen)
	}
}

// finish demands that there was no moment without.
func (r *readiness) finish(s *step) {
	s.Helper()
	r.cancel()
	r.done.Wait()
	if r.changes == 0 {
		s.Errorf("the watch saw nothing: not even the pod as it was")
	}
	if len(r.unready) > 0 {
		s.Errorf("not ready or without an endpoint %d times: %v", len(r.unready), r.unready[:min(5, len(r.unready))])
		return
	}
	s.measure("ready and in its endpoints in all %d states that the API server told of", r.changes)
}

func podReady(event watch.Event) (bool, string) {
	pod, ok := event.Object.(*corev1.Pod)
	if !ok {
		return false, fmt.Sprintf("%T %+v", event.Object, event.Object)
	}
	return isReady(pod), trouble(pod)
}

func hasEndpoint(event watch.Event) (bool, string) {
	slice, ok := event.Object.(*discoveryv1.EndpointSlice)
	if !ok {
		return false, fmt.Sprintf("%T %+v", event.Object, event.Object)
	}
	for _, endpoint := range slice.Endpoints {
		if endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready {
			return true, ""
		}
	}
	return false, "no ready endpoint"
}

func (l *lab) victim(s *step) *corev1.Pod {
	s.Helper()
	return &l.readyPods(s, faultNamespace, victimSelector, 1)[0]
}

// agents are the pod's agent: the child of the container's first process.
func (l *lab) agents(pod *corev1.Pod) (agents []int) {
	sidecars := l.processes(pod, "sidecar")
	for _, pid := range sidecars {
		if parent := parentOf(pid); slices.Contains(sidecars, parent) && !slices.Contains(sidecars, parentOf(parent)) {
			agents = append(agents, pid)
		}
	}
	return agents
}

// parentOf is 0 for a process that has ended.
func parentOf(pid int) int {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, fields, _ := strings.Cut(string(content), ") ") // the name before may hold anything
	parent, _ := strconv.Atoi(strings.Fields(fields)[1])
	return parent
}

// agent waits for one: after a kill it may be about to start.
func (l *lab) agent(s *step, pod *corev1.Pod) (pid int) {
	s.Helper()
	s.within(time.Minute, "an agent in pod "+pod.Name, func() (bool, string) {
		found := l.agents(pod)
		if len(found) == 0 {
			return false, "none"
		}
		pid = found[0]
		return true, ""
	})
	return pid
}

// processes lists the ids on this host of a pod's processes with a command name.
func (l *lab) processes(pod *corev1.Pod, command string) (pids []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, path := range found {
		content, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(content), "/pod"+string(pod.UID)+"/") {
			continue
		}
		folder := filepath.Dir(path)
		if name, err := os.ReadFile(filepath.Join(folder, "comm")); err == nil && strings.TrimSpace(string(name)) == command {
			if pid, err := strconv.Atoi(filepath.Base(folder)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// restarts demands restart counts by container.
func (s *step) restarts(pod string, want map[string]int32) {
	s.Helper()
	found, err := shared.Client.CoreV1().Pods(faultNamespace).Get(s.ctx, pod, metav1.GetOptions{})
	s.must(err)
	got := restartsOf(found)
	for container, count := range want {
		if got[container] != count {
			s.Errorf("container %s was restarted %d times, want %d", container, got[container], count)
		}
	}
}

func restartsOf(pod *corev1.Pod) map[string]int32 {
	counts := map[string]int32{contract.ContainerName: 0}
	for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		counts[status.Name] = status.RestartCount
	}
	return counts
}
