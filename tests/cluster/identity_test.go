package cluster

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
	"github.com/podflame/podflame/sidecar/contract"
)

// podToken is the token that the kubelet would project into a pod: the API
// server's own, bound to the pod.
func podToken(t testing.TB, pod *corev1.Pod) string {
	t.Helper()
	token, err := boundToken(testContext(t), pod, contract.TokenAudience)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func boundToken(ctx context.Context, pod *corev1.Pod, audience string) (string, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences:      []string{audience},
		BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
	}}
	answer, err := shared.Client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, "default", request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return answer.Status.Token, nil
}

// accountToken is what "kubectl create token" prints.
func accountToken(t testing.TB, namespace, account string, audiences ...string) string {
	t.Helper()
	token, err := shared.Token(testContext(t), namespace, account, audiences...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// clusterKey is the key by which the API server signs tokens.
func clusterKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(shared.Directory, "pki", "sa.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func otherKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// resigned is a token with claims changed and signed anew by a key.
func resigned(t testing.TB, token string, key *ecdsa.PrivateKey, change func(claims map[string]any)) string {
	t.Helper()
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	change(claims)
	if payload, err = json.Marshal(claims); err != nil {
		t.Fatal(err)
	}
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// windowOf is a window of a pod that ended some minutes ago.
func windowOf(pod *corev1.Pod, minutes int) *profile.Window {
	target := profiletest.Target("service-of-"+pod.Name, pod.Name)
	target.Cluster, target.Namespace, target.PodUID = "as-the-sidecar-says", pod.Namespace, string(pod.UID)
	start := time.Now().UTC().Truncate(time.Minute).Add(-time.Duration(minutes+2) * time.Minute)
	return profiletest.Window(profiletest.Options{Seed: uint64(minutes), Start: start, Target: target, Stacks: 20})
}

// upload sends a window as the holder of a token, if it is not empty.
func (b *backend) upload(t testing.TB, token string, w *profile.Window) (code int, answer []byte) {
	t.Helper()
	body, err := profile.Encode(w)
	if err != nil {
		t.Fatal(err)
	}
	response, answer, err := b.send(testContext(t), token, "/api/v1/windows", profile.ContentType, body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

func (b *backend) send(ctx context.Context, token, path, contentType string, body []byte) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.sidecars+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Content-Type", contentType)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return b.do(request)
}
