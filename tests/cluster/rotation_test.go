package cluster

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/certs"
	"github.com/podflame/podflame/sidecar/contract"
)

// kubelet does with Secret and ConfigMap what the kubelet does with volumes of
// them: it copies what has changed, some time later.
type kubelet struct {
	backend   *backend
	namespace string
	trust     atomic.Pointer[x509.CertPool]

	mu    sync.Mutex
	leafs []string // serial numbers of the backend's certificates, in order
	roots map[string]bool
	err   error
}

func (k *kubelet) run(ctx context.Context) {
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	for {
		if err := k.copy(ctx); err != nil && ctx.Err() == nil && !isGone(err) {
			k.mu.Lock()
			k.err = err
			k.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (k *kubelet) copy(ctx context.Context) error {
	bundle, err := shared.Client.CoreV1().ConfigMaps(k.namespace).Get(ctx, contract.TrustConfigMap, metav1.GetOptions{})
	if err != nil {
		return err
	}
	authorities, err := certs.ParseBundle([]byte(bundle.Data[contract.TrustKey]))
	if err != nil {
		return err
	}
	secret, err := shared.Client.CoreV1().Secrets(systemNamespace).Get(ctx, "podflame-backend-tls", metav1.GetOptions{})
	if err != nil {
		return err
	}
	served, err := certs.ParseBundle(secret.Data[corev1.TLSCertKey])
	if err != nil {
		return err
	}
	k.note(served[0], authorities)
	for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		path := filepath.Join(k.backend.certificates, key)
		if err := os.WriteFile(path+".new", secret.Data[key], 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return nil
}

func (k *kubelet) note(served *x509.Certificate, authorities []*x509.Certificate) {
	pool := x509.NewCertPool()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, authority := range authorities {
		pool.AddCert(authority)
		k.roots[fmt.Sprintf("%x", authority.SubjectKeyId)] = true
	}
	k.trust.Store(pool)
	if id := fmt.Sprintf("%x", served.Signature[:6]); !slices.Contains(k.leafs, id) {
		k.leafs = append(k.leafs, id)
	}
}

func (k *kubelet) seen() (leafs, roots int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.leafs), len(k.roots)
}

// TestRotationUnderLoad renews the token of each upload, the backend's
// certificate every few seconds, and the CA in between, while sidecars write with
// a new connection each time. No connection is refused and no window is lost.
func TestRotationUnderLoad(t *testing.T) {
	// A CA settles for longer than its bundle takes to be published on a busy machine.
	startWebhook(t, 1, "--cert-lifetime=8760h0m5s", "--cert-renew-before=8760h", "--cert-check-every=1s", "--cert-settle=1s", "--ca-settle=10s")
	namespace := newNamespace(t, "rotation", map[string]string{contract.Enabled: "true"})
	trustBundle(t, namespace) // wait for it
	b := startBackend(t)
	k := &kubelet{backend: b, namespace: namespace, roots: map[string]bool{}}
	if err := k.copy(testContext(t)); err != nil {
		t.Fatal(err)
	}
	b.trust(func() (*x509.CertPool, error) { return k.trust.Load(), nil })
	ctx, stop := context.WithCancel(testContext(t))
	defer stop()
	var done sync.WaitGroup
	done.Go(func() { k.run(ctx) })

	all := pods(t, namespace, 5)
	u := &uploads{backend: b, token: func(ctx context.Context, pod *corev1.Pod) (string, error) {
		return boundToken(ctx, pod, contract.TokenAudience)
	}}
	begin := time.Now()
	enough := make(chan struct{})
	var sent atomic.Int64
	var writing sync.WaitGroup
	for _, pod := range all {
		writing.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-enough:
					return
				default:
				}
				sent.Add(1)
				u.put(testContext(t), pod, smallWindow(pod, begin, round))
				b.client.CloseIdleConnections()
			}
		})
	}
	eventually(t, "a renewed certificate", func(context.Context) (bool, string) {
		leafs, roots := k.seen()
		return leafs >= 2, fmt.Sprintf("%d certificates, %d CAs", leafs, roots)
	})
	if err := shared.Client.CoreV1().Secrets(systemNamespace).Delete(testContext(t), "podflame-webhook-certs", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	before, _ := k.seen()
	eventually(t, "a new CA, and certificates signed by it", func(context.Context) (bool, string) {
		leafs, roots := k.seen()
		return leafs >= before+3 && roots >= 2, fmt.Sprintf("%d certificates, %d CAs", leafs, roots)
	})
	close(enough)
	writing.Wait()
	stop()
	done.Wait()
	if k.err != nil {
		t.Error(k.err)
	}
	u.finish(t, sent.Load())
	leafs, roots := k.seen()
	t.Logf("%d certificates of %d CAs", leafs, roots)
}
