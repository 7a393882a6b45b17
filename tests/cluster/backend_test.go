package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/tests/cluster/kube"
	"github.com/podflame/podflame/tests/internal/keep"
)

// backendName is the name by which sidecars verify the backend.
const backendName = "podflame-backend." + systemNamespace + ".svc"

// TestBackendAsDeployed runs the backend with the arguments and environment of
// its Deployment and the certificate that the webhook has issued, and calls it
// as a sidecar would: by its name in the cluster, trusting the bundle in the
// namespace of an injected pod and nothing else.
func TestBackendAsDeployed(t *testing.T) {
	startWebhook(t, 1)
	namespace := newNamespace(t, "upload", map[string]string{contract.Enabled: "true"})
	pod, _ := create(t, namespace, plainPod("pod"), metav1.CreateOptions{})
	added := sidecar(pod)
	if added == nil {
		t.Fatal("the pod is not injected")
	}
	if got := environmentOf(added, contract.EnvBackend); got != "https://"+backendName+":8443" {
		t.Errorf("sidecars upload to %s, want the Service of the manifests", got)
	}
	backendCertificate(t) // wait for it
	b := startBackend(t)
	roots := x509.NewCertPool()
	for _, authority := range trustBundle(t, namespace) {
		roots.AddCert(authority)
	}
	b.trust(func() (*x509.CertPool, error) { return roots, nil })
	w := windowOf(pod, 0)
	if code, answer := b.upload(t, podToken(t, pod), w); code != http.StatusOK {
		t.Errorf("upload with the pod's token: %d %s", code, answer)
	}
	for url, want := range map[string]int{b.sidecars + "/": 404, b.sidecars + "/api/v1/services": 404, b.sidecars + "/metrics": 404} {
		if code, body := b.get(t, url, ""); code != want {
			t.Errorf("GET %s at the door of sidecars: %d %s", url, code, body)
		}
	}
}

// backend is a running backend with a ClickHouse of its own. It runs as its
// Deployment says; its ports, and the places of its certificate, of its data and
// of its token for the API server, are the test's.
type backend struct {
	people, sidecars, operations string // URLs
	certificates                 string // directory
	process                      *kube.Process

	client *http.Client
	mu     sync.Mutex
	roots  func() (*x509.CertPool, error) // of sidecars; nil checks nothing
}

// program is the backend, built once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(shared.Directory, "backend")
	build := exec.Command("go", "build", "-o", path, "./backend")
	build.Dir = shared.root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the backend: %w: %s", err, output)
	}
	return path, nil
})

func startBackend(t testing.TB, extra ...string) *backend {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)
	directory := t.TempDir()
	b := &backend{certificates: filepath.Join(directory, "certs")}
	if err := os.Mkdir(b.certificates, 0o700); err != nil {
		t.Fatal(err)
	}
	b.copyCertificate(t)
	arguments, environment, err := shared.environment(ctx, "podflame-backend")
	if err != nil {
		t.Fatal(err)
	}
	token, err := shared.Token(ctx, systemNamespace, "podflame-backend")
	if err != nil {
		t.Fatal(err)
	}
	tokenFile, caFile := filepath.Join(directory, "token"), filepath.Join(directory, "ca.crt")
	for name, content := range map[string][]byte{tokenFile: []byte(token), caFile: shared.Config.CAData} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ports := freePorts(t, 3)
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	b.people, b.sidecars, b.operations = "http://"+at(0), "https://"+at(1), "http://"+at(2)
	arguments = append(arguments, "--listen="+at(0), "--listen-sidecars="+at(1), "--listen-operations="+at(2),
		"--cert-dir="+b.certificates, "--cert-poll=200ms", "--data-dir="+filepath.Join(directory, "data"),
		"--kubernetes-api="+shared.Config.Host, "--kubernetes-token-file="+tokenFile, "--kubernetes-ca-file="+caFile)
	environment = append(environment, "HOME="+os.Getenv("HOME"), "PODFLAME_CACHE="+os.Getenv("PODFLAME_CACHE"))
	if b.process, err = shared.Launcher.Start("backend", directory, environment, path, append(arguments, extra...)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.stop(t) })
	b.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialTLSContext: b.dialTLS, MaxIdleConnsPerHost: 300, ForceAttemptHTTP2: true}}
	eventually(t, "backend ready", func(ctx context.Context) (bool, string) {
		code, body, err := fetch(ctx, b.operations+"/readyz")
		return code == http.StatusOK, fmt.Sprintf("%d %s %v", code, body, err)
	})
	return b
}

func (b *backend) stop(t testing.TB) {
	b.client.CloseIdleConnections()
	if err := b.process.Stop(); err != nil {
		t.Error(err)
	}
	keep.Logs(t, b.process.LogPath)
}

// copyCertificate does what the kubelet does with the Secret.
func (b *backend) copyCertificate(t testing.TB) {
	t.Helper()
	backendCertificate(t) // wait for it
	secret, err := shared.Client.CoreV1().Secrets(systemNamespace).Get(testContext(t), "podflame-backend-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if err := os.WriteFile(filepath.Join(b.certificates, key), secret.Data[key], 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// trust makes new connections to the door of sidecars verify the backend.
func (b *backend) trust(roots func() (*x509.CertPool, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roots = roots
}

// dialTLS connects as a sidecar does: trusting the bundle as it is now.
func (b *backend) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	b.mu.Lock()
	roots := b.roots
	b.mu.Unlock()
	config := &tls.Config{ServerName: backendName, NextProtos: []string{"h2", "http/1.1"}}
	if roots == nil {
		config.InsecureSkipVerify = true
	} else {
		var err error
		if config.RootCAs, err = roots(); err != nil {
			return nil, err
		}
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
}

// get reads a URL, with a bearer token unless it is empty.
func (b *backend) get(t testing.TB, url, token string) (code int, body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(testContext(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, body, err := b.do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

func (b *backend) do(request *http.Request) (*http.Response, []byte, error) {
	response, err := b.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	return response, body, err
}

// reasonOf is the reason code of an answer; empty if it is none.
func reasonOf(body []byte) string {
	var said struct{ Code string }
	if json.Unmarshal(bytes.TrimSpace(body), &said) != nil {
		return ""
	}
	return said.Code
}
