package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/sidecar/contract"
)

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
	const name = "podflame-backend." + systemNamespace + ".svc"
	if got := environmentOf(added, contract.EnvBackend); got != "https://"+name+":8443" {
		t.Errorf("sidecars upload to %s, want the Service of the manifests", got)
	}
	backendCertificate(t) // wait for it
	address, https := startBackend(t)
	eventually(t, "backend ready", func(ctx context.Context) (bool, string) {
		code, body, err := fetch(ctx, address+"/readyz")
		return code == http.StatusOK, fmt.Sprintf("%d %s %v", code, body, err)
	})
	roots := x509.NewCertPool()
	for _, authority := range trustBundle(t, namespace) {
		roots.AddCert(authority)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(testContext(t), http.MethodGet, https+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("GET /livez by TLS: %s", response.Status)
	}
}

// startBackend builds and starts the backend; its ports, and the places of its
// certificate and of its data, are this test's.
func startBackend(t *testing.T) (http, https string) {
	t.Helper()
	ctx := testContext(t)
	directory := t.TempDir()
	program := filepath.Join(directory, "backend")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./backend")
	build.Dir = shared.root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the backend: %v: %s", err, output)
	}
	secret, err := shared.Client.CoreV1().Secrets(systemNamespace).Get(ctx, "podflame-backend-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		if err := os.WriteFile(filepath.Join(directory, key), secret.Data[key], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	arguments, environment, err := shared.environment(ctx, "podflame-backend")
	if err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 2)
	http, https = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	arguments = append(arguments, "--listen="+http, "--listen-tls="+https, "--cert-dir="+directory, "--data-dir="+filepath.Join(directory, "data"))
	environment = append(environment, "HOME="+os.Getenv("HOME"), "PODFLAME_CACHE="+os.Getenv("PODFLAME_CACHE"))
	process, err := shared.Launcher.Start("backend", directory, environment, program, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("end of the backend's log:\n%s", process.LogTail())
		}
	})
	return "http://" + http, "https://" + https
}
