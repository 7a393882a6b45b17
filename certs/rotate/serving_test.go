package rotate

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podflame/podflame/certs"
	"github.com/podflame/podflame/certs/internal/testca"
)

func newServing(t testing.TB, c *clock, o *Options, reader client.Reader) *serving {
	return &serving{pair: &certs.Pair{}, reader: reader, options: o, now: c.now, mountedIn: t.TempDir()}
}

func (s *serving) signedBy(ca *testca.CA) bool {
	leaf := s.pair.Leaf()
	return leaf != nil && leaf.CheckSignatureFrom(ca.Certificate) == nil
}

// TestServingFollowsTrust walks through the replacement of a CA: the new
// certificate is served only once the published bundle has trusted it for a
// while, and the old one until then.
func TestServingFollowsTrust(t *testing.T) {
	c, o := newClock(), testOptions()
	old := issued(t, 0, c.now().Add(-year), 10*year)
	certificate, key := old.Issue(t, c.now().Add(-year), c.now().Add(year), o.WebhookName())
	cluster := fakeCluster(
		secretOf(o, old, nil, nil),
		configurationOf(o, nil, nil),
	)
	s := newServing(t, c, o, cluster)
	publish := func(bundles ...[]byte) {
		t.Helper()
		configuration := get(t, cluster, types.NamespacedName{Name: o.Configuration}, &admissionregistrationv1.MutatingWebhookConfiguration{})
		for i := range bundles {
			configuration.Webhooks[i].ClientConfig.CABundle = bundles[i]
		}
		if err := cluster.Update(t.Context(), configuration); err != nil {
			t.Fatal(err)
		}
	}
	store := func(ca *testca.CA, certificate, key []byte) {
		t.Helper()
		secret := get(t, cluster, o.secretKey(), &corev1.Secret{})
		secret.Data = secretOf(o, ca, certificate, key).Data
		if err := cluster.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}

	mustReconcile(t, s, "the Secret is empty")
	if s.pair.Leaf() != nil {
		t.Fatal("a certificate out of nothing")
	}
	store(old, certificate, key)
	mustReconcile(t, s, "the first one is served at once, trusted or not")
	if !s.signedBy(old) {
		t.Fatal("the first certificate is not served")
	}
	publish(old.PEM, old.PEM)

	fresh := issued(t, 1, c.now(), 10*year)
	newCertificate, newKey := fresh.Issue(t, c.now().Add(-time.Hour), c.now().Add(year), o.WebhookName())
	store(fresh, newCertificate, newKey)
	if result := mustReconcile(t, s, "not published"); !s.signedBy(old) || result.RequeueAfter != 0 {
		t.Errorf("before it is trusted: requeue %s", result.RequeueAfter)
	}
	publish(bundleOf(fresh, old), old.PEM)
	if mustReconcile(t, s, "published in one entry"); !s.signedBy(old) {
		t.Error("served although one entry does not trust it")
	}
	publish(bundleOf(fresh, old), bundleOf(fresh, old))
	if result := mustReconcile(t, s, "published"); !s.signedBy(old) || result.RequeueAfter != o.ServingSettle {
		t.Errorf("just published: requeue %s", result.RequeueAfter)
	}
	c.advance(o.ServingSettle / 2)
	if result := mustReconcile(t, s, "settling"); !s.signedBy(old) || result.RequeueAfter != o.ServingSettle/2 {
		t.Errorf("settling: requeue %s", result.RequeueAfter)
	}
	c.advance(o.ServingSettle / 2)
	if mustReconcile(t, s, "settled"); !s.signedBy(fresh) {
		t.Error("settled, and not served")
	}
	publish(fresh.PEM, fresh.PEM)
	if mustReconcile(t, s, "the old CA is gone"); !s.signedBy(fresh) {
		t.Error("the certificate went away")
	}
}

// TestUntrustedCertificateIsReplacedAtOnce: when the bundle does not trust what
// is served any more, waiting helps nobody.
func TestUntrustedCertificateIsReplacedAtOnce(t *testing.T) {
	c, o := newClock(), testOptions()
	lost, fresh := issued(t, 0, c.now().Add(-year), 10*year), issued(t, 1, c.now(), 10*year)
	certificate, key := fresh.Issue(t, c.now().Add(-time.Hour), c.now().Add(year), o.WebhookName())
	s := newServing(t, c, o, fakeCluster(secretOf(o, fresh, certificate, key), configurationOf(o, fresh.PEM)))
	oldCertificate, oldKey := lost.Issue(t, c.now().Add(-year), c.now().Add(year), o.WebhookName())
	if _, err := s.pair.Set(oldCertificate, oldKey); err != nil {
		t.Fatal(err)
	}
	if mustReconcile(t, s, ""); !s.signedBy(fresh) {
		t.Error("an untrusted certificate is still served")
	}
}

func TestServingKeepsTheKeyOffTheDisk(t *testing.T) {
	c, o := newClock(), testOptions()
	ca := issued(t, 0, c.now(), year)
	certificate, key := ca.Issue(t, c.now().Add(-time.Hour), c.now().Add(year), o.WebhookName())
	s := newServing(t, c, o, fakeCluster(secretOf(o, ca, certificate, key)))
	mustReconcile(t, s, "")
	files, err := os.ReadDir(s.mountedIn)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	content, err := os.ReadFile(filepath.Join(s.mountedIn, files[0].Name()))
	if err != nil || files[0].Name() != "tls.crt" || strings.Contains(string(content), "PRIVATE KEY") {
		t.Errorf("%s: %v\n%s", files[0].Name(), err, content)
	}
}

func TestBadSecretLeavesTheCertificate(t *testing.T) {
	c, o := newClock(), testOptions()
	ca := issued(t, 0, c.now(), year)
	certificate, key := ca.Issue(t, c.now().Add(-time.Hour), c.now().Add(year), o.WebhookName())
	s := newServing(t, c, o, fakeCluster(secretOf(o, ca, certificate, ca.KeyPEM)))
	if _, err := s.pair.Set(certificate, key); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reconcile(t.Context(), requestFor("")); err == nil || !strings.Contains(err.Error(), o.Secret) {
		t.Errorf("error %v does not name the Secret", err)
	}
	if !s.signedBy(ca) {
		t.Error("the good certificate is gone")
	}
}

func TestReadiness(t *testing.T) {
	c, o := newClock(), testOptions()
	ca, other := issued(t, 0, c.now(), year), issued(t, 1, c.now(), year)
	good, goodKey := ca.Issue(t, c.now().Add(-time.Hour), c.now().Add(year), o.WebhookName())
	old, oldKey := ca.Issue(t, c.now().Add(-time.Hour), c.now().Add(-time.Minute), o.WebhookName())
	elsewhere, elsewhereKey := ca.Issue(t, c.now().Add(-time.Hour), c.now().Add(year), "elsewhere.svc")
	for _, row := range []struct {
		what             string
		certificate, key []byte
		bundles          [][]byte
		want             string // part of the error
	}{
		{"ready", good, goodKey, [][]byte{ca.PEM, bundleOf(other, ca)}, ""},
		{"no certificate", nil, nil, [][]byte{ca.PEM}, "no serving certificate"},
		{"no bundle in one entry", good, goodKey, [][]byte{ca.PEM, nil}, "webhook entry 1"},
		{"bundle is a placeholder", good, goodKey, [][]byte{[]byte("\n")}, "webhook entry 0"},
		{"other CA", good, goodKey, [][]byte{other.PEM}, "unknown authority"},
		{"expired", old, oldKey, [][]byte{ca.PEM}, "expired"},
		{"other name", elsewhere, elsewhereKey, [][]byte{ca.PEM}, "not " + o.WebhookName()},
		{"no entries", good, goodKey, nil, "no webhook entry"},
	} {
		var pair certs.Pair
		if row.certificate != nil {
			if _, err := pair.Set(row.certificate, row.key); err != nil {
				t.Fatal(err)
			}
		}
		check := Readiness(&pair, fakeCluster(configurationOf(o, row.bundles...)), o.Configuration, o.WebhookName())
		err := check(httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.what, err, row.want)
		}
	}
	var pair certs.Pair
	if _, err := pair.Set(good, goodKey); err != nil {
		t.Fatal(err)
	}
	if err := Readiness(&pair, fakeCluster(), o.Configuration, o.WebhookName())(httptest.NewRequest(http.MethodGet, "/readyz", nil)); err == nil {
		t.Error("ready without a webhook configuration")
	}
}

// The names of the certificate are those that clients in the cluster use.
func TestServiceNames(t *testing.T) {
	got := strings.Join(serviceNames("s", "n"), " ")
	if want := "s.n.svc s.n.svc.cluster.local s.n s"; got != want {
		t.Errorf("names %q, want %q", got, want)
	}
}
