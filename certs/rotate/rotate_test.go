package rotate

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podflame/podflame/certs"
	"github.com/podflame/podflame/certs/internal/testca"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time           { return c.at }
func (c *clock) advance(by time.Duration) { c.at = c.at.Add(by) }

// newClock begins at the real time, because cert-controller knows no other.
func newClock() *clock { return &clock{at: time.Now().Truncate(time.Second)} }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func testOptions() *Options {
	return &Options{
		Namespace: "podflame-system", Secret: "podflame-webhook-certs", Service: "podflame-webhook", Configuration: "podflame",
		BackendSecret: "podflame-backend-tls", BackendService: "podflame-backend", BackendDNSNames: []string{"profiles.example.org"},
		CALifetime: 10 * year, CertLifetime: year, RenewBefore: 90 * day, CheckEvery: time.Hour,
		Overlap: day, Settle: 10 * time.Minute, ServingSettle: 10 * time.Second,
		Metrics: certs.NewMetrics(prometheus.NewRegistry()), Log: quiet(),
	}
}

func fakeCluster(objects ...client.Object) client.Client {
	return fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(objects...).Build()
}

// issued makes a CA as cert-controller does, at a time.
func issued(t testing.TB, number int, at time.Time, lifetime time.Duration) *testca.CA {
	t.Helper()
	return testca.New(t, number, caName, at.Add(-backdate), at.Add(lifetime))
}

func secretOf(o *Options, ca *testca.CA, certificate, key []byte, older ...*testca.CA) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Secret},
		Data: map[string][]byte{
			authorityKey: bundleOf(append([]*testca.CA{ca}, older...)...), authorityKeyKey: ca.KeyPEM,
			certificateKey: certificate, privateKey: key,
		},
	}
}

func bundleOf(authorities ...*testca.CA) (bundle []byte) {
	for _, ca := range authorities {
		bundle = append(bundle, ca.PEM...)
	}
	return bundle
}

func configurationOf(o *Options, bundles ...[]byte) *admissionregistrationv1.MutatingWebhookConfiguration {
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: o.Configuration}}
	for _, bundle := range bundles {
		configuration.Webhooks = append(configuration.Webhooks, admissionregistrationv1.MutatingWebhook{
			Name:         "pods.profiling.io",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: bundle},
		})
	}
	return configuration
}

func get[T client.Object](t testing.TB, reader client.Reader, key types.NamespacedName, object T) T {
	t.Helper()
	if err := reader.Get(context.Background(), key, object); err != nil {
		t.Fatal(err)
	}
	return object
}

func requestFor(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}

func mustReconcile(t testing.TB, r reconcile.Reconciler, name string) reconcile.Result {
	t.Helper()
	result, err := r.Reconcile(context.Background(), requestFor(name))
	if err != nil {
		t.Fatal(err)
	}
	return result
}
