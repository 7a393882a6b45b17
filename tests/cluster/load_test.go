package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// TestManyPods creates 500 pods as fast as the server takes them: each is
// injected, none fails.
func TestManyPods(t *testing.T) {
	const pods, clients = 500, 16
	startWebhook(t, 2)
	namespace := newNamespace(t, "many", map[string]string{contract.Enabled: "true"})
	names := make(chan string)
	var group sync.WaitGroup
	var mu sync.Mutex
	var failures []string
	start := time.Now()
	for range clients {
		group.Go(func() {
			for name := range names {
				if err := createInjected(namespace, name, metav1.CreateOptions{}); err != nil {
					mu.Lock()
					failures = append(failures, err.Error())
					mu.Unlock()
				}
			}
		})
	}
	for i := range pods {
		names <- fmt.Sprintf("pod-%d", i)
	}
	close(names)
	group.Wait()
	took := time.Since(start)
	if len(failures) > 0 {
		t.Errorf("%d of %d pods failed, first: %s", len(failures), pods, failures[0])
	}
	t.Logf("%d pods in %s: %.0f pods/s", pods, took.Round(time.Millisecond), pods/took.Seconds())
}

func createInjected(namespace, name string, options metav1.CreateOptions) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pod, err := shared.Client.CoreV1().Pods(namespace).Create(ctx, plainPod(name), options)
	if err != nil {
		return err
	}
	if sidecar(pod) == nil {
		return fmt.Errorf("pod %s is not injected", name)
	}
	return nil
}

// BenchmarkAdmission creates pods one by one (latency as seen by who creates
// them) through the API server, as dry runs so that etcd has no part in it.
func BenchmarkAdmission(b *testing.B) {
	for _, row := range []struct{ name, enabled string }{{"without webhook", "false"}, {"with webhook", "true"}} {
		b.Run(row.name, func(b *testing.B) {
			startWebhook(b, 1)
			namespace := newNamespace(b, "bench", map[string]string{contract.Enabled: row.enabled})
			var latencies []time.Duration
			start := time.Now()
			for i := 0; b.Loop(); i++ {
				before := time.Now()
				pod, err := shared.Client.CoreV1().Pods(namespace).Create(context.Background(), plainPod(fmt.Sprintf("pod-%d", i)), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
				latencies = append(latencies, time.Since(before))
				if err != nil || (sidecar(pod) != nil) != (row.enabled == "true") {
					b.Fatalf("pod %d: injected %t, %v", i, sidecar(pod) != nil, err)
				}
			}
			b.ReportMetric(float64(len(latencies))/time.Since(start).Seconds(), "pods/s")
			reportQuantiles(b, latencies)
		})
	}
}

// BenchmarkPodsPerSecond stores real pods from 16 clients at once.
func BenchmarkPodsPerSecond(b *testing.B) {
	for _, row := range []struct{ name, enabled string }{{"without webhook", "false"}, {"with webhook", "true"}} {
		b.Run(row.name, func(b *testing.B) {
			startWebhook(b, 1)
			namespace := newNamespace(b, "bench", map[string]string{contract.Enabled: row.enabled})
			names := make(chan string)
			var group sync.WaitGroup
			for range 16 {
				group.Go(func() {
					for name := range names {
						pod, err := shared.Client.CoreV1().Pods(namespace).Create(context.Background(), plainPod(name), metav1.CreateOptions{})
						if err != nil || (sidecar(pod) != nil) != (row.enabled == "true") {
							b.Errorf("%s: %v", name, err)
						}
					}
				})
			}
			start, count := time.Now(), 0
			for b.Loop() {
				names <- fmt.Sprintf("pod-%d", count)
				count++
			}
			close(names)
			group.Wait()
			b.ReportMetric(float64(count)/time.Since(start).Seconds(), "pods/s")
		})
	}
}

func reportQuantiles(b *testing.B, latencies []time.Duration) {
	slices.Sort(latencies)
	at := func(q float64) float64 {
		return float64(latencies[min(len(latencies)-1, int(q*float64(len(latencies))))].Microseconds()) / 1000
	}
	b.ReportMetric(at(.50), "p50-ms")
	b.ReportMetric(at(.99), "p99-ms")
}
