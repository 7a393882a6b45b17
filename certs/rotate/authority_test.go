package rotate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podflame/podflame/certs"
	"github.com/podflame/podflame/certs/internal/testca"
)

func backendLeaf(t testing.TB, reader client.Reader, o *Options) (*x509.Certificate, *corev1.Secret) {
	t.Helper()
	secret := get(t, reader, o.backendKey(), &corev1.Secret{})
	pair, err := tls.X509KeyPair(secret.Data[certificateKey], secret.Data[privateKey])
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf, secret
}

func TestBackendCertificate(t *testing.T) {
	c, o := newClock(), testOptions()
	ca := issued(t, 0, c.now(), 10*year)
	cluster := fakeCluster(secretOf(o, ca, nil, nil))
	a := &authority{client: cluster, live: cluster, options: o, now: c.now}

	if result := mustReconcile(t, a, ""); result.RequeueAfter != backendCheck {
		t.Errorf("look again after %s", result.RequeueAfter)
	}
	leaf, secret := backendLeaf(t, cluster, o)
	bundle, err := certs.ParseBundle(secret.Data[authorityKey])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"podflame-backend.podflame-system.svc", "podflame-backend", "profiles.example.org"} {
		if err := certs.Verify(leaf, bundle, name, c.now()); err != nil {
			t.Errorf("sidecars would refuse: %v", err)
		}
	}
	if secret.Labels[managedByLabel] != managedByUs {
		t.Errorf("labels %v", secret.Labels)
	}

	mustReconcile(t, a, "nothing to do")
	if again, _ := backendLeaf(t, cluster, o); !again.Equal(leaf) {
		t.Error("a good certificate was replaced")
	}
	c.advance(year - o.RenewBefore + time.Hour)
	mustReconcile(t, a, "about to expire")
	renewed, _ := backendLeaf(t, cluster, o)
	if renewed.Equal(leaf) || renewed.CheckSignatureFrom(ca.Certificate) != nil || !renewed.NotAfter.After(leaf.NotAfter) {
		t.Error("not renewed in time")
	}
	o.BackendDNSNames = append(o.BackendDNSNames, "more.example.org")
	mustReconcile(t, a, "one more name")
	if named, _ := backendLeaf(t, cluster, o); named.VerifyHostname("more.example.org") != nil {
		t.Error("a new name is not in the certificate")
	}
}

func TestBackendCertificateIsRepaired(t *testing.T) {
	for what, spoil := range map[string]func(map[string][]byte){
		"emptied":     func(data map[string][]byte) { clear(data) },
		"half gone":   func(data map[string][]byte) { delete(data, privateKey) },
		"rubbish":     func(data map[string][]byte) { data[certificateKey] = []byte("x") },
		"without CAs": func(data map[string][]byte) { delete(data, authorityKey) },
	} {
		t.Run(what, func(t *testing.T) {
			c, o := newClock(), testOptions()
			ca := issued(t, 0, c.now(), 10*year)
			cluster := fakeCluster(secretOf(o, ca, nil, nil))
			a := &authority{client: cluster, live: cluster, options: o, now: c.now}
			mustReconcile(t, a, "")
			_, secret := backendLeaf(t, cluster, o)
			spoil(secret.Data)
			if err := cluster.Update(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			mustReconcile(t, a, "")
			leaf, secret := backendLeaf(t, cluster, o)
			if leaf.CheckSignatureFrom(ca.Certificate) != nil || !bytes.Equal(secret.Data[authorityKey], ca.PEM) {
				t.Error("not repaired")
			}
		})
	}
}

// TestNewCAReachesSidecarsFirst replaces the CA in the two ways it happens:
// because it is about to expire, and because the Secret was lost.
func TestNewCAReachesSidecarsFirst(t *testing.T) {
	for _, row := range []struct {
		what     string
		lifetime time.Duration // of the old CA, from its issue a year ago
		secret   func(o *Options, fresh, old *testca.CA) *corev1.Secret
	}{
		{"about to expire", year + 89*day, func(o *Options, fresh, old *testca.CA) *corev1.Secret { return secretOf(o, fresh, nil, nil, old) }},
		{"lost", 10 * year, func(o *Options, fresh, old *testca.CA) *corev1.Secret { return secretOf(o, fresh, nil, nil) }},
	} {
		t.Run(row.what, func(t *testing.T) {
			c, o := newClock(), testOptions()
			old, fresh := issued(t, 0, c.now().Add(-year), row.lifetime), issued(t, 1, c.now(), 10*year)
			certificate, key := old.Issue(t, c.now().Add(-day), old.Certificate.NotAfter, o.backendNames()...)
			backend := secretOf(o, old, certificate, key)
			backend.Name = o.BackendSecret
			cluster := fakeCluster(row.secret(o, fresh, old), backend)
			a := &authority{client: cluster, live: cluster, options: o, now: c.now}

			mustReconcile(t, a, "")
			leaf, secret := backendLeaf(t, cluster, o)
			if leaf.CheckSignatureFrom(old.Certificate) != nil {
				t.Error("signed by a CA that the sidecars do not have yet")
			}
			if !bytes.Equal(secret.Data[authorityKey], bundleOf(fresh, old)) {
				t.Error("the Secret does not hold both CAs")
			}
			c.advance(o.Settle - 30*time.Second)
			if result := mustReconcile(t, a, ""); result.RequeueAfter != 30*time.Second {
				t.Errorf("look again after %s, the new CA is right in 30s", result.RequeueAfter)
			}
			c.advance(30 * time.Second)
			mustReconcile(t, a, "")
			if leaf, _ := backendLeaf(t, cluster, o); leaf.CheckSignatureFrom(fresh.Certificate) != nil {
				t.Error("still signed by the old CA")
			}
			c.advance(o.Overlap)
			mustReconcile(t, a, "")
			_, secret = backendLeaf(t, cluster, o)
			webhook := get(t, cluster, o.secretKey(), &corev1.Secret{})
			if !bytes.Equal(secret.Data[authorityKey], fresh.PEM) || !bytes.Equal(webhook.Data[authorityKey], fresh.PEM) {
				t.Error("after the overlap the old CA is still trusted")
			}
		})
	}
}

// TestUselessCertificateDoesNotWait: what expires before the new CA is
// everywhere is replaced at once.
func TestUselessCertificateDoesNotWait(t *testing.T) {
	c, o := newClock(), testOptions()
	old, fresh := issued(t, 0, c.now().Add(-year), year+time.Minute), issued(t, 1, c.now(), 10*year)
	certificate, key := old.Issue(t, c.now().Add(-day), old.Certificate.NotAfter, o.backendNames()...)
	backend := secretOf(o, old, certificate, key)
	backend.Name = o.BackendSecret
	cluster := fakeCluster(secretOf(o, fresh, nil, nil, old), backend)
	a := &authority{client: cluster, live: cluster, options: o, now: c.now}
	mustReconcile(t, a, "")
	if leaf, _ := backendLeaf(t, cluster, o); leaf.CheckSignatureFrom(fresh.Certificate) != nil {
		t.Error("waits for a certificate that expires meanwhile")
	}
}

func TestLostSecretIsMadeAnew(t *testing.T) {
	c, o := newClock(), testOptions()
	cluster := fakeCluster()
	a := &authority{client: cluster, live: cluster, options: o, now: c.now}
	mustReconcile(t, a, "")
	if secret := get(t, cluster, o.secretKey(), &corev1.Secret{}); len(secret.Data) != 0 {
		t.Errorf("made with %d keys; the CA is cert-controller's to make", len(secret.Data))
	}
	mustReconcile(t, a, "empty")
	if err := cluster.Get(t.Context(), o.backendKey(), &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("a backend certificate without a CA: %v", err)
	}
}

func TestWithoutBackend(t *testing.T) {
	c, o := newClock(), testOptions()
	o.BackendSecret = ""
	cluster := fakeCluster(secretOf(o, issued(t, 0, c.now(), year), nil, nil))
	a := &authority{client: cluster, live: cluster, options: o, now: c.now}
	if result := mustReconcile(t, a, ""); result.RequeueAfter != o.CheckEvery {
		t.Errorf("look again after %s", result.RequeueAfter)
	}
	var secrets corev1.SecretList
	if err := cluster.List(t.Context(), &secrets); err != nil || len(secrets.Items) != 1 {
		t.Errorf("%d Secrets, %v", len(secrets.Items), err)
	}
}
