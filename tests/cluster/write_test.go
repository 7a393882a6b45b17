package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
)

// TestWhoMayWrite shows every refusal on a real API server, and that none of
// them stores anything: the token is the API server's own, signed by its key.
func TestWhoMayWrite(t *testing.T) {
	startWebhook(t, 1)
	b := startBackend(t, "--remember-token=1s", "--cluster=prod-1")
	shop, bank := newNamespace(t, "shop", nil), newNamespace(t, "bank", nil)
	pod, _ := create(t, shop, plainPod("checkout"), metav1.CreateOptions{})
	victim, _ := create(t, bank, plainPod("vault"), metav1.CreateOptions{})
	token := podToken(t, pod)
	hour := float64(time.Now().Add(time.Hour).Unix())

	foreign, err := boundToken(testContext(t), pod, "https://kubernetes.default.svc.cluster.local")
	if err != nil {
		t.Fatal(err)
	}
	expired := func(claims map[string]any) {
		claims["exp"], claims["iat"], claims["nbf"] = hour-7200, hour-10800, hour-10800
	}
	asVictim := func(claims map[string]any) {
		bound := claims["kubernetes.io"].(map[string]any)
		bound["namespace"], bound["pod"] = bank, map[string]any{"name": victim.Name, "uid": string(victim.UID)}
		claims["sub"] = "system:serviceaccount:" + bank + ":default"
	}
	for name, c := range map[string]struct {
		token string
		pod   *corev1.Pod
		code  int
		want  profile.Reason
	}{
		"no token":                        {"", pod, 401, profile.Unauthenticated},
		"no token of ours":                {"s3cret", pod, 401, profile.TokenMalformed},
		"audience of the API server":      {foreign, pod, 401, profile.TokenAudience},
		"audience of people":              {accountToken(t, shop, "default", "podflame"), pod, 401, profile.TokenAudience},
		"expired":                         {resigned(t, token, clusterKey(t), expired), pod, 401, profile.TokenExpired},
		"signed by another cluster":       {resigned(t, token, otherKey(t), func(map[string]any) {}), pod, 401, profile.TokenRefused},
		"claims forged, signature kept":   {resigned(t, token, otherKey(t), asVictim), victim, 401, profile.TokenRefused},
		"kubectl create token":            {accountToken(t, shop, "default", contract.TokenAudience), pod, 403, profile.TokenUnbound},
		"another pod's window":            {token, victim, 403, profile.NotOwnPod},
		"another pod of the same account": {token, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: shop, UID: pod.UID}}, 403, profile.NotOwnPod},
		"an earlier pod of the same name": {token, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: shop, UID: "earlier"}}, 403, profile.NotOwnPod},
	} {
		code, answer := b.upload(t, c.token, windowOf(c.pod, 1))
		if code != c.code || reasonOf(answer) != string(c.want) {
			t.Errorf("%s: %d %s, want %d %s", name, code, answer, c.code, c.want)
		}
		if got := b.metric(t, fmt.Sprintf(`podflame_ingest_windows_total{outcome="rejected",reason=%q}`, c.want)); got < 1 {
			t.Errorf("%s: refusals counted: %v", name, got)
		}
	}
	if n := b.metric(t, `podflame_ingest_windows_total{outcome="accepted",reason=""}`); n != 0 {
		t.Errorf("%v windows are stored", n)
	}
	b.showsForger(t, pod, victim)

	// The pod's own window is stored, under the backend's name of the cluster.
	if code, answer := b.upload(t, token, windowOf(pod, 2)); code != http.StatusOK {
		t.Fatalf("the pod's own window: %d %s", code, answer)
	}
	code, services := b.get(t, b.people+rangeOf("/api/v1/services"), "")
	if code != http.StatusOK || !strings.Contains(string(services), `"cluster":"prod-1"`) || strings.Contains(string(services), "as-the-sidecar-says") {
		t.Errorf("services: %d %s", code, services)
	}

	// When the pod is gone, so is its right.
	now := int64(0)
	if err := shared.Client.CoreV1().Pods(shop).Delete(testContext(t), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
	var answer []byte
	eventually(t, "the deleted pod's token is refused", func(context.Context) (bool, string) {
		code, answer = b.upload(t, token, windowOf(pod, 3))
		return code == http.StatusUnauthorized && reasonOf(answer) == string(profile.TokenRefused), fmt.Sprintf("%d %s", code, answer)
	})
}

// showsForger looks at the page Health as a reader.
func (b *backend) showsForger(t *testing.T, forger, victim *corev1.Pod) {
	t.Helper()
	code, body := b.get(t, b.people+"/api/v1/ingest/health", "")
	var health struct {
		Refusals []struct {
			Reason, Namespace, Pod, Message string
			Count                           int
		}
	}
	if err := json.Unmarshal(body, &health); err != nil || code != http.StatusOK {
		t.Fatalf("health: %d %s", code, body)
	}
	for _, r := range health.Refusals {
		if r.Reason == string(profile.NotOwnPod) && r.Namespace == forger.Namespace && r.Pod == forger.Name && r.Count == 3 {
			return
		}
	}
	t.Errorf("health does not show that %s/%s forged windows of %s: %s", forger.Namespace, forger.Name, victim.Name, body)
}

// metric reads one sample of the backend; 0 if it is not there.
func (b *backend) metric(t testing.TB, sample string) float64 {
	t.Helper()
	_, body := b.get(t, b.operations+"/metrics", "")
	for line := range strings.SplitSeq(string(body), "\n") {
		if rest, found := strings.CutPrefix(line, sample+" "); found {
			var value float64
			if _, err := fmt.Sscan(rest, &value); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			return value
		}
	}
	return 0
}

// rangeOf is a path with the last hour as its range, and more parameters.
func rangeOf(path string, parameters ...string) string {
	now := time.Now().Unix()
	query := fmt.Sprintf("?from=%d&to=%d", now-3600, now+60)
	for i := 0; i < len(parameters); i += 2 {
		query += "&" + parameters[i] + "=" + parameters[i+1]
	}
	return path + query
}
