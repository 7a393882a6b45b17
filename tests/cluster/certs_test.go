package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podflame/podflame/certs"
	"github.com/podflame/podflame/sidecar/contract"
)

// webhookName is the name by which the API server verifies the webhook.
const webhookName = "podflame-webhook." + systemNamespace + ".svc"

// TestCertificateRotation lets the serving certificate be renewed every few
// seconds while pods are created: none is missed, and whoever trusts the
// published bundle can connect to every replica at any time.
func TestCertificateRotation(t *testing.T) {
	// What is left of a new certificate falls below --cert-renew-before after
	// five seconds; of the one in the Secret it has already.
	replicas := startWebhook(t, 2, "--cert-lifetime=8760h0m5s", "--cert-renew-before=8760h", "--cert-check-every=1s", "--cert-settle=1s")
	namespace := newNamespace(t, "rotation", map[string]string{contract.Enabled: "true"})
	loop := newCreator(t, namespace)
	watch := watchHandshakes(replicas)
	eventually(t, "three certificates at each replica", func(context.Context) (bool, string) {
		seen := watch.certificates()
		return len(seen[replicas[0].endpoint]) >= 3 && len(seen[replicas[1].endpoint]) >= 3, fmt.Sprint(seen)
	})
	watch.finish(t)
	loop.finish(t)
}

// TestAuthorityReplaced deletes the Secret with the CA while pods are created:
// a new CA takes over without a pod missed, beside the old one.
func TestAuthorityReplaced(t *testing.T) {
	replicas := startWebhook(t, 2, "--cert-check-every=1s", "--cert-settle=2s")
	namespace := newNamespace(t, "authority", map[string]string{contract.Enabled: "true"})
	awaitLeader(t, replicas)
	before := publishedAuthorities(t)
	backendBefore := renewBackend(t, before[0])
	loop := newCreator(t, namespace)
	watch := watchHandshakes(replicas)
	ctx := testContext(t)
	if err := shared.Client.CoreV1().Secrets(systemNamespace).Delete(ctx, "podflame-webhook-certs", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a certificate of a new CA at each replica", func(context.Context) (bool, string) {
		seen := watch.certificates()
		return len(seen[replicas[0].endpoint]) >= 2 && len(seen[replicas[1].endpoint]) >= 2, fmt.Sprint(seen)
	})
	loop.awaitMade(t, 20)
	watch.finish(t)
	loop.finish(t)
	after := publishedAuthorities(t)
	if len(after) < 2 || !after[1].Equal(before[0]) || after[0].Equal(before[0]) {
		t.Errorf("caBundle holds %d CAs, want a new one and then the old", len(after))
	}
	// The backend keeps its certificate until sidecars have had the new CA for
	// a while; until then it must be trusted.
	backendAfter := backendCertificate(t)
	if !backendAfter.Equal(backendBefore) {
		t.Error("the backend's certificate was replaced at once, before sidecars could learn of the new CA")
	}
	if err := certs.Verify(backendAfter, trustBundle(t, namespace), "podflame-backend."+systemNamespace+".svc", time.Now()); err != nil {
		t.Errorf("sidecars no longer trust the backend: %v", err)
	}
}

func publishedAuthorities(t testing.TB) []*x509.Certificate {
	t.Helper()
	bundle, err := readBundle(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// readBundle reads the caBundle, which must be the same in both entries.
func readBundle(ctx context.Context) ([]*x509.Certificate, error) {
	configuration, err := shared.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "podflame", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	first, second := configuration.Webhooks[0].ClientConfig.CABundle, configuration.Webhooks[1].ClientConfig.CABundle
	if !bytes.Equal(first, second) {
		return nil, fmt.Errorf("the entries have different bundles")
	}
	return certs.ParseBundle(first)
}

// renewBackend has the backend's certificate issued again, by the current CA:
// it may be an older one's, if the CA was replaced a moment ago.
func renewBackend(t testing.TB, authority *x509.Certificate) *x509.Certificate {
	t.Helper()
	ctx := testContext(t)
	if err := shared.Client.CoreV1().Secrets(systemNamespace).Delete(ctx, "podflame-backend-tls", metav1.DeleteOptions{}); err != nil && !isGone(err) {
		t.Fatal(err)
	}
	// The webhook looks at its own Secret only: touching that wakes it.
	touch := []byte(`{"metadata":{"annotations":{"touched":"` + time.Now().Format(time.RFC3339Nano) + `"}}}`)
	if _, err := shared.Client.CoreV1().Secrets(systemNamespace).Patch(ctx, "podflame-webhook-certs", types.MergePatchType, touch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	issued := backendCertificate(t)
	if err := issued.CheckSignatureFrom(authority); err != nil {
		t.Fatalf("the backend's certificate is not of the current CA: %v", err)
	}
	return issued
}

func backendCertificate(t testing.TB) (found *x509.Certificate) {
	t.Helper()
	eventually(t, "certificate of the backend", func(ctx context.Context) (bool, string) {
		secret, err := shared.Client.CoreV1().Secrets(systemNamespace).Get(ctx, "podflame-backend-tls", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		parsed, err := certs.ParseBundle(secret.Data["tls.crt"])
		if err != nil {
			return false, err.Error()
		}
		found = parsed[0]
		return true, ""
	})
	return found
}

func trustBundle(t testing.TB, namespace string) (found []*x509.Certificate) {
	t.Helper()
	eventually(t, "trust bundle", func(ctx context.Context) (bool, string) {
		published, err := shared.Client.CoreV1().ConfigMaps(namespace).Get(ctx, contract.TrustConfigMap, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		found, err = certs.ParseBundle([]byte(published.Data[contract.TrustKey]))
		return err == nil, fmt.Sprint(err)
	})
	return found
}

// handshakes connects to replicas again and again, as an API server that has
// just read the webhook configuration, and remembers what it saw.
type handshakes struct {
	stop chan struct{}
	done sync.WaitGroup

	mu       sync.Mutex
	seen     map[string][]string // endpoint to fingerprints, in order
	count    int
	failures []string
}

func watchHandshakes(replicas []*replica) *handshakes {
	h := &handshakes{stop: make(chan struct{}), seen: map[string][]string{}}
	h.done.Go(func() {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			for _, r := range replicas {
				h.connect(r.endpoint)
			}
			select {
			case <-h.stop:
				return
			case <-ticker.C:
			}
		}
	})
	return h
}

func (h *handshakes) connect(endpoint string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fingerprint, err := handshake(ctx, endpoint)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	switch {
	case err != nil && len(h.failures) < 5:
		h.failures = append(h.failures, fmt.Sprintf("%s at %s: %v", endpoint, time.Now().Format(time.TimeOnly), err))
	case err == nil && !slices.Contains(h.seen[endpoint], fingerprint):
		h.seen[endpoint] = append(h.seen[endpoint], fingerprint)
	}
}

// handshake reads the bundle, then connects trusting nothing else.
func handshake(ctx context.Context, endpoint string) (fingerprint string, err error) {
	bundle, err := readBundle(ctx)
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	for _, authority := range bundle {
		roots.AddCert(authority)
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{RootCAs: roots, ServerName: webhookName}}
	connection, err := dialer.DialContext(ctx, "tcp", endpoint)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	// Not the serial number: cert-controller numbers every certificate 1.
	sum := sha256.Sum256(connection.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw)
	return hex.EncodeToString(sum[:6]), nil
}

func (h *handshakes) certificates() map[string][]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[string][]string{}
	for endpoint, fingerprints := range h.seen {
		seen[endpoint] = slices.Clone(fingerprints)
	}
	return seen
}

// finish stops and demands that every connection was trusted.
func (h *handshakes) finish(t *testing.T) {
	t.Helper()
	close(h.stop)
	h.done.Wait()
	if len(h.failures) > 0 {
		t.Errorf("connections that a reader of the published bundle would refuse: %v", h.failures)
	}
	t.Logf("%d handshakes, certificates %v", h.count, h.seen)
}
