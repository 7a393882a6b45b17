package acceptance

import (
	"cmp"
	"flag"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/tests/cluster/images"
)

// How long the high volume lasts, and from how many pods it comes.
var (
	volumeLength = flag.Duration("volume", 10*time.Minute, "with ACCEPTANCE=high-volume: how long")
	volumePods   = flag.Int("volume-pods", 8, "with ACCEPTANCE=high-volume: pods that allocate and queue for locks")
)

const (
	volumeNamespace = "acceptance-volume"
	// backendMemory bounds the backend and the ClickHouse within it.
	backendMemory = 2 << 30
	// slowAnswer is the backend's own limit. A person waits for the way, too, which has
	// no more CPU than all else on the node.
	slowAnswer = 10 * time.Second
	maxParts   = 1000 // of ClickHouse, which refuses inserts above 3,000 of a table
)

// highVolume runs what is worst for sidecar, backend and ClickHouse: stacks that
// never come twice, allocation and contention without a pause, windows of ten
// seconds; and asks meanwhile.
func highVolume(t *testing.T) {
	const group = "High volume"
	shared.skipElsewhere(t, group)
	if !require(t, stepLimit, group, "the backend with ClickHouse bounded to 2 GiB", boundBackend) ||
		!require(t, stepLimit, group, "pods that allocate and queue for locks are profiled", startStorm) {
		return
	}
	claimWithin(t, *volumeLength+3*time.Minute, group, fmt.Sprintf("%s of it: no end for want of memory, no restart, bounded parts, answers throughout", *volumeLength), endure)
	claimWithin(t, 5*time.Minute, group, "afterwards every window is stored or told, and the ledger adds up", func(s *step) {
		s.samplesOf(volumeNamespace, "storm", time.Now())
		to := time.Now().Add(-20 * time.Second)
		got := s.accounted(volumeNamespace, "storm", to.Add(-min(*volumeLength, 30*time.Minute)), to)
		windows := got.Coverage.Windows
		s.measure("windows expected %d, stored %d, lost %d; %d samples captured, %d stored; losses %+v",
			windows.Expected, windows.Stored, windows.Lost, got.Coverage.Captured.Count, got.Coverage.Stored.Count, got.Coverage.told())
		if windows.Lost > 0 && len(got.Coverage.told()) == 0 {
			s.Errorf("%d windows are lost without a reason", windows.Lost)
		}
		s.ledgerAddsUp("storm", got)
		s.must(shared.Client.CoreV1().Namespaces().Delete(s.ctx, volumeNamespace, metav1.DeleteOptions{}))
	})
}

func boundBackend(s *step) {
	shared.shell(s, "kubectl -n podflame-system set env deployment/podflame-backend PODFLAME_CLICKHOUSE_MEMORY=900MB GOMEMLIMIT=500MiB")
	shared.shell(s, "kubectl -n podflame-system set resources deployment/podflame-backend --limits=memory=2Gi")
	shared.shell(s, "kubectl -n podflame-system rollout status deployment/podflame-backend --timeout=3m")
}

// manySamples makes windows large, of an application that allocates and waits.
const manySamples = "profiling.io/alloc-interval: 64k\nprofiling.io/lock-threshold: 1ms\n"

func startStorm(s *step) {
	shared.applyText(s, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", volumeNamespace))
	w := workload{name: "storm", namespace: volumeNamespace, annotations: manySamples,
		spec: knownUser + containers(java("app", images.JavaName("17"), "", ready, "  command: [java, -Xmx64m, -cp, /app, Storm]\n"))}
	shared.applyText(s, strings.Replace(w.manifest(), "replicas: 1", fmt.Sprintf("replicas: %d", *volumePods), 1))
	for _, pod := range shared.readyPods(s, volumeNamespace, "app=storm", *volumePods) {
		if sidecarOf(&pod) == nil {
			s.Errorf("pod %s is not injected", pod.Name)
		}
	}
	s.samplesOf(volumeNamespace, "storm", time.Now())
}

// endured is what was seen meanwhile.
type endured struct {
	asked       []question
	way         []question // answered without ClickHouse: how slow the node itself is
	failures    int
	lastFailure string
	memory      int64 // of the backend's container, most
	parts       int   // most
}

// question is one that was asked.
type question struct {
	what string
	at   time.Time
	took time.Duration
}

func (q question) longer(other question) int { return cmp.Compare(q.took, other.took) }

func endure(s *step) {
	backend := shared.readyPods(s, systemNamespace, "app.kubernetes.io/name=podflame-backend", 1)[0]
	group, err := memoryGroupOf(slices.Max(shared.processes(&backend, "backend")))
	s.must(err)
	before := volumeRestarts(s)
	var e endured
	for end := time.Now().Add(*volumeLength); time.Now().Before(end) && s.ctx.Err() == nil; {
		e.look(s, group)
		sleep(s.ctx, 2*time.Second) // the questions are those of some people, not a load
	}
	s.measure("%d questions, %s; %d failures", len(e.asked), spread(e.asked), e.failures)
	s.measure("the way to the backend and back, without ClickHouse: %s", spread(e.way))
	s.measure("backend with ClickHouse: at most %d MiB without files, of %d; at most %d parts", e.memory>>20, int64(backendMemory)>>20, e.parts)
	if e.failures > 0 {
		s.Errorf("%d questions failed, the last: %s", e.failures, e.lastFailure)
	}
	if slowest, way := e.asked[len(e.asked)-1], e.way[len(e.way)-1].took; slowest.took > slowAnswer+way {
		s.Errorf("the answer to %s at %s took %s, more than %s and the way's %s", slowest.what, slowest.at.UTC().Format(time.TimeOnly), slowest.took, slowAnswer, way)
	}
	if e.parts > maxParts {
		s.Errorf("%d parts, more than %d", e.parts, maxParts)
	}
	if ends := group.number("memory.oom_control", "oom_kill"); ends > 0 {
		s.Errorf("the kernel ended %d processes of the backend for want of memory", ends)
	}
	for name, now := range volumeRestarts(s) {
		if now != before[name] {
			s.Errorf("container %s was restarted: %s; before %s", name, now, cmp.Or(before[name], "not there"))
		}
	}
}

// spread describes how long answers took. It sorts them.
func spread(asked []question) string {
	slices.SortFunc(asked, question.longer)
	at := func(i int) float64 { return asked[i].took.Seconds() }
	return fmt.Sprintf("p50 %.2f s, p99 %.2f s, slowest %.2f s", at(len(asked)/2), at(len(asked)*99/100), at(len(asked)-1))
}

func (e *endured) look(s *step, group memoryGroup) {
	var health struct {
		Store struct{ ActiveParts int }
	}
	e.way = append(e.way, e.ask(s, "the list of reasons", "/api/v1/reasons", nil, &struct{}{}))
	e.asked = append(e.asked,
		e.ask(s, "the top of allocation", "/api/v1/top", scope(volumeNamespace, "storm", "alloc"), &top{}),
		e.ask(s, "the flame graph of CPU", "/api/v1/flame", scope(volumeNamespace, "storm", "cpu"), &struct{}{}),
		e.ask(s, "health", "/api/v1/ingest/health", nil, &health))
	e.parts = max(e.parts, health.Store.ActiveParts)
	e.memory = max(e.memory, group.number("memory.stat", "total_rss"))
}

// ask asks one question.
func (e *endured) ask(s *step, what, path string, query url.Values, answer any) question {
	at := time.Now()
	if err := shared.backend.get(s.ctx, path, query, answer); err != nil {
		e.failures, e.lastFailure = e.failures+1, err.Error()
	}
	return question{what, at, time.Since(at)}
}

// volumeRestarts are the restarts of all containers of ours and of the storm, and
// why they ended last.
func volumeRestarts(s *step) map[string]string {
	s.Helper()
	all := map[string]string{}
	for _, namespace := range []string{systemNamespace, volumeNamespace} {
		pods, err := shared.Client.CoreV1().Pods(namespace).List(s.ctx, metav1.ListOptions{})
		s.must(err)
		for i := range pods.Items {
			pod := &pods.Items[i]
			for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
				last := "never ended"
				if t := status.LastTerminationState.Terminated; t != nil {
					last = fmt.Sprintf("%s, exit code %d, at %s: %.300s", t.Reason, t.ExitCode, t.FinishedAt.UTC().Format(time.TimeOnly), t.Message)
				}
				all[pod.Name+"/"+status.Name] = fmt.Sprintf("%d times, %s", status.RestartCount, last)
			}
			if pod.Status.Phase != corev1.PodRunning {
				s.Errorf("pod %s is %s", pod.Name, trouble(pod))
			}
		}
	}
	return all
}
