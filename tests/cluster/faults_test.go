package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// webhookTimeout is timeoutSeconds of the manifests; slack is for a busy
// machine.
const (
	webhookTimeout = 3 * time.Second
	slack          = 5 * time.Second
)

// TestWebhookKilled kills the webhook while the Service still leads to it: pods
// are admitted at once, and the audit of the next replica finds them.
func TestWebhookKilled(t *testing.T) {
	killed := startWebhook(t, 1)[0]
	namespace := newNamespace(t, "killed", nil)
	before, _ := create(t, namespace, plainPod("before", annotated(contract.Enabled, "true")), metav1.CreateOptions{})
	if sidecar(before) == nil {
		t.Fatal("a pod is not injected although the webhook runs")
	}
	if err := killed.Kill(); err != nil {
		t.Fatal(err)
	}
	missed, took := timedCreate(t, namespace, "missed")
	if sidecar(missed) != nil {
		t.Error("a pod is injected although the webhook is dead")
	}
	if took > webhookTimeout+slack {
		t.Errorf("with the webhook dead a pod took %s, more than the timeout of %s", took, webhookTimeout)
	}
	next := startWebhook(t, 1, "--audit-every=1s")[0]
	next.awaitFinding(t, namespace, "missed", "missed_by_webhook")
	eventually(t, "metric of missed pods", func(context.Context) (bool, string) {
		count := next.metric(t, `podflame_audit_pods_without_sidecar{reason="missed_by_webhook"}`)
		return count == 1, fmt.Sprint(count)
	})
	awaitEvent(t, namespace, "Pod", "missed_by_webhook")
	after, _ := create(t, namespace, plainPod("after", annotated(contract.Enabled, "true")), metav1.CreateOptions{})
	if sidecar(after) == nil {
		t.Error("a pod is not injected although the webhook is back")
	}
}

// TestWebhookSlow freezes the webhook: it accepts connections (the kernel does)
// and never answers. Pods are admitted after the timeout, once.
func TestWebhookSlow(t *testing.T) {
	frozen := startWebhook(t, 1)[0]
	namespace := newNamespace(t, "slow", map[string]string{contract.Enabled: "true"})
	if err := frozen.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pod, took := timedCreate(t, namespace, "slow")
	if sidecar(pod) != nil {
		t.Error("a pod is injected although the webhook is frozen")
	}
	if took > webhookTimeout+slack {
		t.Errorf("with the webhook frozen a pod took %s, more than the timeout of %s", took, webhookTimeout)
	}
	if err := frozen.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "injection after the webhook thawed", func(ctx context.Context) (bool, string) {
		pod, err := shared.Client.CoreV1().Pods(namespace).Create(ctx, plainPod("thawed"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err == nil && sidecar(pod) != nil, fmt.Sprint(err)
	})
}

// TestNoEndpoint is a webhook that is not there at all.
func TestNoEndpoint(t *testing.T) {
	namespace := newNamespace(t, "absent", nil)
	pod, took := timedCreate(t, namespace, "absent")
	if sidecar(pod) != nil || took > webhookTimeout+slack {
		t.Errorf("without a webhook: injected %t after %s", sidecar(pod) != nil, took)
	}
}

func timedCreate(t *testing.T, namespace, name string) (*corev1.Pod, time.Duration) {
	t.Helper()
	start := time.Now()
	pod, _ := create(t, namespace, plainPod(name, annotated(contract.Enabled, "true")), metav1.CreateOptions{})
	return pod, time.Since(start)
}

// awaitFinding waits until the audit lists a pod with a reason and a remedy.
func (r *replica) awaitFinding(t testing.TB, namespace, pod, reason string) {
	t.Helper()
	eventually(t, fmt.Sprintf("audit finds %s/%s", namespace, pod), func(ctx context.Context) (bool, string) {
		findings := r.findings(ctx, t)
		for _, found := range findings {
			if found.Namespace == namespace && found.Pod == pod {
				return found.Reason == reason && found.Remedy != "", fmt.Sprintf("%+v", found)
			}
		}
		return false, fmt.Sprint(findings)
	})
}

// finding is the part of an audit's finding that the tests look at.
type finding struct{ Namespace, Pod, Reason, Text, Remedy string }

// findings is what the audit lists now; nothing if it does not answer.
func (r *replica) findings(ctx context.Context, t testing.TB) []finding {
	t.Helper()
	code, body, err := fetch(ctx, r.metrics+"/audit?limit=1000")
	if err != nil || code != http.StatusOK {
		t.Logf("the audit answers %d %v", code, err)
		return nil
	}
	var report struct{ Findings []finding }
	if err := json.Unmarshal(body, &report); err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
	return report.Findings
}

// creator makes pods without a pause until it is stopped, and looks at each.
type creator struct {
	stop chan struct{}
	done sync.WaitGroup

	made, missed atomic.Int64
	mu           sync.Mutex
	failures     []string // first few
}

// newCreator creates one pod after another as dry runs, which go the whole way
// through admission and leave nothing to clean up.
func newCreator(t *testing.T, namespace string) *creator {
	c := &creator{stop: make(chan struct{})}
	c.done.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-c.stop:
				return
			default:
			}
			name := fmt.Sprintf("loop-%d", i)
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			pod, err := shared.Client.CoreV1().Pods(namespace).Create(ctx, plainPod(name), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			cancel()
			c.made.Add(1)
			if err != nil || sidecar(pod) == nil {
				c.missed.Add(1)
				c.mu.Lock()
				if len(c.failures) < 5 {
					c.failures = append(c.failures, fmt.Sprintf("%s at %s: %v", name, time.Now().Format(time.TimeOnly), err))
				}
				c.mu.Unlock()
			}
		}
	})
	return c
}

// finish stops creating and demands that every pod was injected.
func (c *creator) finish(t *testing.T) {
	t.Helper()
	close(c.stop)
	c.done.Wait()
	if c.made.Load() == 0 || c.missed.Load() > 0 {
		t.Errorf("%d of %d pods were not injected: %v", c.missed.Load(), c.made.Load(), c.failures)
	}
	t.Logf("%d pods created, all injected: %t", c.made.Load(), c.missed.Load() == 0)
}

// awaitMade waits until so many more pods were created.
func (c *creator) awaitMade(t *testing.T, more int64) {
	t.Helper()
	target := c.made.Load() + more
	eventually(t, fmt.Sprintf("%d more pods", more), func(context.Context) (bool, string) {
		return c.made.Load() >= target, fmt.Sprint(c.made.Load())
	})
}

// retire takes a replica out of the Service and stops it: what Kubernetes does
// to a pod that is deleted, except that there the two race.
func (r *replica) retire(t *testing.T, remaining ...*replica) {
	t.Helper()
	serve(t, remaining...)
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
}

// TestRollingRestart replaces both replicas, one after the other, while pods
// are created: none is missed.
func TestRollingRestart(t *testing.T) {
	old := startWebhook(t, 2)
	namespace := newNamespace(t, "rolling", map[string]string{contract.Enabled: "true"})
	loop := newCreator(t, namespace)
	loop.awaitMade(t, 20)
	fresh := startReplica(t)
	fresh.awaitReady(t)
	serve(t, fresh, old[1])
	old[0].retire(t, fresh, old[1])
	second := startReplica(t)
	second.awaitReady(t)
	serve(t, fresh, second, old[1])
	old[1].retire(t, fresh, second)
	loop.awaitMade(t, 20)
	loop.finish(t)
	if fresh.decisions(t)+second.decisions(t) == 0 {
		t.Error("the new replicas have decided nothing")
	}
}

// TestTwoReplicas shows that both serve, and that one alone is enough.
func TestTwoReplicas(t *testing.T) {
	replicas := startWebhook(t, 2)
	namespace := newNamespace(t, "two", map[string]string{contract.Enabled: "true"})
	loops := []*creator{newCreator(t, namespace), newCreator(t, namespace), newCreator(t, namespace), newCreator(t, namespace)}
	for _, loop := range loops {
		loop.awaitMade(t, 20)
		loop.finish(t)
	}
	for i, r := range replicas {
		if r.decisions(t) == 0 {
			t.Errorf("replica %d has decided nothing", i)
		}
	}
	replicas[0].retire(t, replicas[1])
	loop := newCreator(t, namespace)
	loop.awaitMade(t, 20)
	loop.finish(t)
}

// TestReplicaKilled kills one of two replicas. The API server may still hold a
// connection to it, so that with failurePolicy Ignore pods go without the
// sidecar for a moment; one does here for certain. What must hold is that the
// audit of the other replica lists exactly the pods that were missed.
func TestReplicaKilled(t *testing.T) {
	replicas := startWebhook(t, 2, "--audit-every=1s")
	namespace := newNamespace(t, "replica-killed", map[string]string{contract.Enabled: "true"})
	if err := replicas[0].Kill(); err != nil {
		t.Fatal(err)
	}
	serve(t, replicas[0]) // the Service has not noticed yet
	missed := map[string]bool{"first": true}
	if pod, _ := create(t, namespace, plainPod("first"), metav1.CreateOptions{}); sidecar(pod) != nil {
		t.Fatal("a pod is injected although the Service leads to a killed replica only")
	}
	serve(t, replicas[1])
	const inRow = 20
	for i, injected := 0, 0; injected < inRow; i++ {
		name := fmt.Sprintf("next-%d", i)
		if pod, _ := create(t, namespace, plainPod(name), metav1.CreateOptions{}); sidecar(pod) != nil {
			injected++
			continue
		}
		missed[name], injected = true, 0
		if len(missed) > inRow {
			t.Fatalf("%d pods were missed after the Service led to the replica that runs", len(missed))
		}
	}
	t.Logf("%d pods missed", len(missed))
	eventually(t, fmt.Sprintf("the audit lists exactly %v", missed), func(ctx context.Context) (bool, string) {
		found := map[string]bool{}
		for _, finding := range replicas[1].findings(ctx, t) {
			if finding.Namespace == namespace {
				found[finding.Pod] = finding.Reason == "missed_by_webhook"
			}
		}
		return maps.Equal(found, missed), fmt.Sprint(found)
	})
}
