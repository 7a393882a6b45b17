package acceptance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/images"
)

const latencyNamespace = "acceptance-latency"

// Rounds are asked in turns, so that what else the machine does is shared by
// both. Within a round the requests come at a rate that leaves the service idle
// most of the time: callers feel what profiling adds, not a queue.
const (
	latencyRounds = 5
	latencyRate   = 40
	latencyRound  = 15 * time.Second
)

// mostSlower bounds what profiling may add to the median, of the medians: it is
// far above what it does, as a busy machine adds as much by itself.
const mostSlower = 1.25

// felt is what a service's callers felt in one round, in milliseconds.
type felt struct {
	Answers, Failures int
	P50, P99, Max     float64
}

// latency compares a shop with itself: the same pod with and without a sidecar.
func latency(t *testing.T) {
	const group = "Latency"
	shared.skipWithoutImages(t, group)
	claimWithin(t, 8*time.Minute, group, "a shop answers its callers with profiling as without", func(s *step) {
		shared.applyText(s, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", latencyNamespace))
		sides := []string{"profiled", "plain"}
		for _, name := range sides {
			startShop(s, name)
		}
		shared.applyText(s, fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: caller, namespace: %s, labels: {app: caller}}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers: [{name: caller, image: %s, command: [sleep, \"86400\"]}]\n",
			latencyNamespace, images.BusyboxName))
		shared.readyPods(s, latencyNamespace, "app=caller", 1)
		for _, name := range sides { // until its JVM has compiled what it runs
			ask(s, name, 2*latencyRound)
		}
		s.samplesOf(latencyNamespace, "profiled", s.started)
		rounds := map[string][]felt{}
		for range latencyRounds {
			for _, name := range sides {
				rounds[name] = append(rounds[name], ask(s, name, latencyRound))
			}
		}
		with, without := summary(s, "profiled", rounds), summary(s, "plain", rounds)
		s.measure("the median is %.3f of that without", with.P50/without.P50)
		if with.P50 > without.P50*mostSlower {
			s.Errorf("half of the answers take %.2f ms with profiling, %.2f without: more than %.2f times that", with.P50, without.P50, mostSlower)
		}
		if with.Failures > 0 {
			s.Errorf("%d requests to the profiled shop failed", with.Failures)
		}
		s.must(shared.Client.CoreV1().Namespaces().Delete(s.ctx, latencyNamespace, metav1.DeleteOptions{}))
	})
}

func startShop(s *step, name string) {
	w := workload{name: name, namespace: latencyNamespace,
		spec: knownUser + containers(java("app", images.JavaName("17"), "", ready, "  command: [java, -Xmx64m, -cp, /app, Shop]\n"))}
	manifest := w.manifest()
	if name == "plain" {
		manifest = strings.Replace(manifest, contract.Enabled+`: "true"`, contract.Enabled+`: "false"`, 1)
	}
	shared.applyText(s, manifest)
	shared.applyText(s, fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {selector: {app: %s}, ports: [{port: 80, targetPort: 8080}]}\n", name, latencyNamespace, name))
	pod := shared.readyPods(s, latencyNamespace, "app="+name, 1)[0]
	if injected := sidecarOf(&pod) != nil; injected != (name == "profiled") {
		s.Fatalf("pod %s is injected: %t", pod.Name, injected)
	}
}

func ask(s *step, service string, length time.Duration) (f felt) {
	s.Helper()
	out, _, err := shared.Kubectl(s.ctx, nil, "exec", "--namespace", latencyNamespace, "caller", "--",
		"load", "-rate", fmt.Sprint(latencyRate), "-for", length.String(), "http://"+service+"."+latencyNamespace+".svc.cluster.local/")
	s.must(err)
	s.must(json.Unmarshal([]byte(out), &f))
	if f.Answers == 0 {
		s.Fatalf("service %s does not answer: %+v", service, f)
	}
	return f
}

// summary is the median of the rounds' figures.
func summary(s *step, side string, rounds map[string][]felt) (f felt) {
	s.Helper()
	median := func(of func(felt) float64) float64 {
		values := make([]float64, 0, latencyRounds)
		for _, round := range rounds[side] {
			values = append(values, of(round))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	f.P50, f.P99, f.Max = median(func(f felt) float64 { return f.P50 }), median(func(f felt) float64 { return f.P99 }), median(func(f felt) float64 { return f.Max })
	for _, round := range rounds[side] {
		f.Answers, f.Failures = f.Answers+round.Answers, f.Failures+round.Failures
	}
	s.measure("%s: p50 %.2f ms, p99 %.2f ms, slowest %.0f ms (medians of %d rounds), %d answers, %d failures", side, f.P50, f.P99, f.Max, len(rounds[side]), f.Answers, f.Failures)
	return f
}
