package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

// webhookCheck runs "webhook check" as an administrator does, without a way to
// registries.
func webhookCheck(t *testing.T, arguments ...string) (output string, code int) {
	t.Helper()
	command := exec.CommandContext(testContext(t), shared.program, append([]string{"check"}, arguments...)...)
	command.Env = []string{"KUBECONFIG=" + shared.Kubeconfig, "HTTPS_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1,localhost,::1"}
	text, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), command.ProcessState.ExitCode()
}

func holds(t *testing.T, output string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(output, line) {
			t.Errorf("no %q in\n%s", line, output)
		}
	}
}

// TestCheckOfTheInstallation: this cluster has no node, so that no replica is
// ready by what the API server knows; all else is well, while the webhook runs.
func TestCheckOfTheInstallation(t *testing.T) {
	replicas := startWebhook(t, 1)
	output, code := webhookCheck(t)
	holds(t, output,
		"√ the API server is Kubernetes 1.30 or later",
		"× the webhook runs in two replicas or more",
		"√ the webhook's settings are valid",
		"√ the webhook configuration calls the webhook's Service",
		"√ caBundle holds certificates that are valid",
		"√ the API server reaches the webhook, which injects a pod (dry run)",
		"√ the webhook has its rights",
		"? the sidecar's image is in its registry",
		"√ network policies let sidecars reach the backend",
		"no default StorageClass",
	)
	if code != 3 {
		t.Errorf("exit code %d with a failed check:\n%s", code, output)
	}
	if err := replicas[0].Kill(); err != nil {
		t.Fatal(err)
	}
	output, _ = webhookCheck(t)
	holds(t, output, "× the API server reaches the webhook", "the pod came back unchanged", "√ the webhook has its rights")
}

// TestCheckOfPods explains pods by the function that decided about them.
func TestCheckOfPods(t *testing.T) {
	webhook := startWebhook(t, 1)[0]
	namespace := newNamespace(t, "check", nil)
	create(t, namespace, plainPod("injected", annotated(contract.Enabled, "true")), metav1.CreateOptions{})
	create(t, namespace, plainPod("skipped", annotated(contract.Enabled, "true"), func(p *corev1.Pod) { p.Spec.HostPID = true }), metav1.CreateOptions{})
	create(t, namespace, plainPod("unasked"), metav1.CreateOptions{})
	if err := webhook.Kill(); err != nil {
		t.Fatal(err)
	}
	create(t, namespace, plainPod("missed", annotated(contract.Enabled, "true")), metav1.CreateOptions{})
	for name, want := range map[string][]string{
		"injected": {"sidecar: not started yet", "when it was created: injected", "already_injected"},
		"skipped":  {"when it was created: host_pid", "Remove hostPID"},
		"unasked":  {"the webhook did not see it", "not_requested"},
		"missed":   {"the webhook did not see it", "such a pod now: Pod " + namespace + "/missed: injected"},
	} {
		output, code := webhookCheck(t, "pod/"+name, "-n", namespace)
		holds(t, output, want...)
		if code != 3 { // nothing runs without a node
			t.Errorf("%s: exit code %d:\n%s", name, code, output)
		}
	}
	if output, code := webhookCheck(t, "pod/nobody", "-n", namespace); code != 1 || !strings.Contains(output, "not found") {
		t.Errorf("a pod that is not there: exit code %d:\n%s", code, output)
	}
}

// TestAuditSeesDeniedEgress: the webhook watches network policies with its own
// rights.
func TestAuditSeesDeniedEgress(t *testing.T) {
	webhook := startWebhook(t, 1, "--audit-every=1s")[0]
	namespace := newNamespace(t, "egress", map[string]string{contract.Enabled: "true"})
	create(t, namespace, plainPod("cut", func(p *corev1.Pod) { p.Labels = map[string]string{"app": "cut"} }), metav1.CreateOptions{})
	create(t, namespace, plainPod("free"), metav1.CreateOptions{})
	policies := shared.Client.NetworkingV1().NetworkPolicies(namespace)
	deny := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "deny"}, Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "cut"}}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
	}}
	if _, err := policies.Create(testContext(t), deny, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	webhook.awaitFinding(t, namespace, "cut", "egress_denied")
	output, _ := webhookCheck(t)
	holds(t, output, "‼ network policies let sidecars reach the backend", "namespace "+namespace+", pods cut")
	if err := policies.Delete(testContext(t), "deny", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is told of the namespace any more", func(ctx context.Context) (bool, string) {
		code, body, err := fetch(ctx, webhook.metrics+"/audit?limit=1000")
		return err == nil && code == 200 && !strings.Contains(string(body), `"`+namespace+`"`), fmt.Sprintf("%d %s", code, body)
	})
}

// TestPeopleSeeTheAudit: the backend reads what the webhook found, and shows it.
func TestPeopleSeeTheAudit(t *testing.T) {
	webhook := startWebhook(t, 1, "--audit-every=1s")[0]
	namespace := newNamespace(t, "seen", nil)
	create(t, namespace, plainPod("skipped", annotated(contract.Enabled, "true"), func(p *corev1.Pod) { p.Spec.HostPID = true }), metav1.CreateOptions{})
	webhook.awaitFinding(t, namespace, "skipped", "host_pid")
	backendCertificate(t) // wait for it
	b := startBackend(t, "--webhook-audit="+webhook.metrics+"/audit")
	code, body := b.get(t, b.people+"/api/v1/injection?namespace="+namespace, "")
	for _, want := range []string{`"state":"known"`, `"pod":"skipped"`, `"reason":"host_pid"`, "Remove hostPID from the pod template"} {
		if code != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("no %s in %d %s", want, code, body)
		}
	}
}
