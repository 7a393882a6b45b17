package rotate

import (
	"bytes"
	"context"
	"encoding/base64"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"

	"github.com/podflame/podflame/certs/internal/testca"
)

func TestMergeBundles(t *testing.T) {
	c := newClock()
	now := c.now()
	oldest := issued(t, 2, now.Add(-2*year), 3*year)
	old := issued(t, 0, now.Add(-year), 2*year)
	fresh := issued(t, 1, now, 10*year)
	expired := issued(t, 2, now.Add(-2*year), year)
	many := []*testca.CA{fresh, old, oldest, issued(t, 0, now.Add(-time.Hour), year), issued(t, 1, now.Add(-2*time.Hour), year)}
	for _, row := range []struct {
		what    string
		at      time.Time
		current []byte
		older   [][]byte
		want    []byte
	}{
		{"nothing before", now, fresh.PEM, nil, fresh.PEM},
		{"the old one stays behind the new one", now, fresh.PEM, [][]byte{old.PEM}, bundleOf(fresh, old)},
		{"each once", now, bundleOf(fresh, old), [][]byte{bundleOf(old, fresh), old.PEM}, bundleOf(fresh, old)},
		{"several before", now, fresh.PEM, [][]byte{bundleOf(old, oldest)}, bundleOf(fresh, old, oldest)},
		{"without the expired", now, fresh.PEM, [][]byte{bundleOf(expired, old)}, bundleOf(fresh, old)},
		{"up to the end of the overlap", now.Add(day), fresh.PEM, [][]byte{old.PEM}, bundleOf(fresh, old)},
		{"after the overlap", now.Add(day + time.Second), bundleOf(fresh, old), [][]byte{oldest.PEM}, fresh.PEM},
		{"at most four", now, bundleOf(many...), nil, bundleOf(many[:4]...)},
		{"rubbish before", now, fresh.PEM, [][]byte{[]byte("\n")}, fresh.PEM},
		{"no current one", now, nil, [][]byte{old.PEM}, nil},
		{"current rubbish", now, []byte("x"), [][]byte{old.PEM}, nil},
	} {
		if got := mergeBundles(row.at, day, row.current, row.older...); !bytes.Equal(got, row.want) {
			t.Errorf("%s: got %d certificates, want %d", row.what, bytes.Count(got, []byte("BEGIN")), bytes.Count(row.want, []byte("BEGIN")))
		}
	}
}

// webhookConfiguration reads it the way cert-controller does.
func webhookConfiguration(t testing.TB, reader client.Reader, o *Options) *unstructured.Unstructured {
	t.Helper()
	configuration := &unstructured.Unstructured{}
	configuration.SetAPIVersion("admissionregistration.k8s.io/v1")
	configuration.SetKind("MutatingWebhookConfiguration")
	return get(t, reader, types.NamespacedName{Name: o.Configuration}, configuration)
}

// injectAsRotator does to a configuration what cert-controller does.
func injectAsRotator(t testing.TB, configuration *unstructured.Unstructured, bundle []byte) {
	t.Helper()
	entries, _, err := unstructured.NestedSlice(configuration.Object, "webhooks")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if err := unstructured.SetNestedField(entry.(map[string]any), base64.StdEncoding.EncodeToString(bundle), "clientConfig", "caBundle"); err != nil {
			t.Fatal(err)
		}
	}
	if err := unstructured.SetNestedSlice(configuration.Object, entries, "webhooks"); err != nil {
		t.Fatal(err)
	}
}

func TestOldCAStaysInTheSecret(t *testing.T) {
	c, o, ctx := newClock(), testOptions(), context.Background()
	old, fresh := issued(t, 0, c.now().Add(-9*year), 10*year), issued(t, 1, c.now(), 10*year)
	cluster := fakeCluster(secretOf(o, old, []byte("certificate"), []byte("key")))
	writer := &overlapClient{Client: cluster, live: cluster, options: o, now: c.now}

	secret := get(t, cluster, o.secretKey(), &corev1.Secret{})
	secret.Data[authorityKey], secret.Data[authorityKeyKey] = fresh.PEM, fresh.KeyPEM
	if err := writer.Update(ctx, secret); err != nil {
		t.Fatal(err)
	}
	stored := get(t, cluster, o.secretKey(), &corev1.Secret{})
	if !bytes.Equal(stored.Data[authorityKey], bundleOf(fresh, old)) {
		t.Errorf("stored bundle:\n%s", stored.Data[authorityKey])
	}
	// cert-controller takes the first certificate of such a bundle as its CA.
	if valid, err := rotator.ValidCert(stored.Data[authorityKey], stored.Data[authorityKey], stored.Data[authorityKeyKey], caName, nil, c.now()); !valid {
		t.Errorf("cert-controller does not accept the bundle: %v", err)
	}

	other := &corev1.Secret{}
	other.Namespace, other.Name = "elsewhere", o.Secret
	other.Data = map[string][]byte{authorityKey: fresh.PEM}
	if err := cluster.Create(ctx, other); err != nil {
		t.Fatal(err)
	}
	if err := writer.Update(ctx, other); err != nil || !bytes.Equal(other.Data[authorityKey], fresh.PEM) {
		t.Errorf("another Secret was changed: %v", err)
	}
}

func TestOldCAStaysInTheWebhookConfiguration(t *testing.T) {
	c, o, ctx := newClock(), testOptions(), context.Background()
	old, fresh := issued(t, 0, c.now().Add(-year), 10*year), issued(t, 1, c.now(), 10*year)
	cluster := fakeCluster(configurationOf(o, old.PEM, nil))
	writer := &overlapClient{Client: cluster, live: cluster, options: o, now: c.now}
	update := func() *unstructured.Unstructured {
		configuration := webhookConfiguration(t, cluster, o)
		injectAsRotator(t, configuration, fresh.PEM) // the Secret was lost: it knows the new CA only
		if err := writer.Update(ctx, configuration); err != nil {
			t.Fatal(err)
		}
		return webhookConfiguration(t, cluster, o)
	}
	first := update()
	bundles := webhookBundles(first)
	if !bytes.Equal(bundles[0], bundleOf(fresh, old)) || !bytes.Equal(bundles[1], fresh.PEM) {
		t.Errorf("bundles of %d and %d certificates", bytes.Count(bundles[0], []byte("BEGIN")), bytes.Count(bundles[1], []byte("BEGIN")))
	}
	if second := update(); second.GetResourceVersion() != first.GetResourceVersion() {
		t.Error("an update without a change was written")
	}
	c.advance(day + time.Second)
	if bundles := webhookBundles(update()); !bytes.Equal(bundles[0], fresh.PEM) {
		t.Error("after the overlap the old CA is still trusted")
	}
}
