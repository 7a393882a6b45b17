package rotate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podflame/podflame/certs"
)

// serving keeps the certificate that this replica serves equal to the one in
// the Secret, but never ahead of what API servers trust.
type serving struct {
	pair      *certs.Pair
	reader    client.Reader
	options   *Options
	now       func() time.Time
	mountedIn string // directory in which cert-controller looks for a certificate in use

	waitingFor   []byte    // DER of a certificate that is trusted but not served yet
	trustedSince time.Time // since when
}

// Reconcile implements reconcile.Reconciler.
func (s *serving) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	var secret corev1.Secret
	err := s.reader.Get(ctx, s.options.secretKey(), &secret)
	if apierrors.IsNotFound(err) || err == nil && len(secret.Data[certificateKey]) == 0 {
		return reconcile.Result{}, nil // its creation will wake us
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("read secret %s: %w", s.options.secretKey(), err)
	}
	if authorities, err := certs.ParseBundle(secret.Data[authorityKey]); err == nil {
		s.options.Metrics.InUse(certs.KindCA, authorities[0])
	}
	next, err := tls.X509KeyPair(secret.Data[certificateKey], secret.Data[privateKey])
	if err != nil {
		s.options.Metrics.Reloaded(err)
		return reconcile.Result{}, fmt.Errorf("read certificate in secret %s: %w", s.options.secretKey(), err)
	}
	published, err := publishedBundles(ctx, s.reader, s.options.Configuration)
	if err != nil {
		return reconcile.Result{}, err
	}
	if use, wait := s.decide(next.Leaf, published); !use {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	return reconcile.Result{}, s.use(secret.Data[certificateKey], secret.Data[privateKey])
}

// decide says whether to serve the next certificate now; if not, after which
// time to ask again, 0 meaning at the next event.
func (s *serving) decide(next *x509.Certificate, published [][]*x509.Certificate) (use bool, wait time.Duration) {
	now, name := s.now(), s.options.WebhookName()
	current := s.pair.Leaf()
	if current == nil || current.Equal(next) || trusted(current, published, name, now) != nil {
		return true, 0 // nothing to lose
	}
	if trusted(next, published, name, now) != nil {
		s.waitingFor = nil
		return false, 0
	}
	if !bytes.Equal(s.waitingFor, next.Raw) {
		s.waitingFor, s.trustedSince = next.Raw, now
	}
	wait = s.options.ServingSettle - now.Sub(s.trustedSince)
	return wait <= 0, max(wait, 0)
}

func (s *serving) use(certificate, key []byte) error {
	changed, err := s.pair.Set(certificate, key)
	if err != nil {
		s.options.Metrics.Reloaded(err)
		return fmt.Errorf("use certificate in secret %s: %w", s.options.secretKey(), err)
	}
	leaf := s.pair.Leaf()
	s.options.Metrics.InUse(certs.KindServing, leaf)
	if !changed {
		return nil
	}
	s.options.Metrics.Reloaded(nil)
	s.options.Log.Info("serving certificate loaded", "secret", s.options.secretKey().String(), "notAfter", leaf.NotAfter)
	// cert-controller takes a certificate for in use when it sees the file.
	// The key never touches a disk.
	path := filepath.Join(s.mountedIn, certificateKey)
	if err := os.WriteFile(path, certificate, 0o600); err != nil {
		return fmt.Errorf("tell cert-controller of the certificate: %w", err)
	}
	return nil
}

// publishedBundles are the parsed caBundles of a webhook configuration, one
// per entry; empty when the configuration is missing, nil for an entry without
// a bundle that can be parsed.
func publishedBundles(ctx context.Context, reader client.Reader, name string) ([][]*x509.Certificate, error) {
	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	err := reader.Get(ctx, types.NamespacedName{Name: name}, &configuration)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read webhook configuration %s: %w", name, err)
	}
	bundles := make([][]*x509.Certificate, len(configuration.Webhooks))
	for i := range configuration.Webhooks {
		// An entry whose bundle cannot be parsed trusts nobody.
		bundles[i], _ = certs.ParseBundle(configuration.Webhooks[i].ClientConfig.CABundle)
	}
	return bundles, nil
}

// trusted says why some entry would refuse a certificate; nil if none would.
func trusted(certificate *x509.Certificate, published [][]*x509.Certificate, name string, now time.Time) error {
	if len(published) == 0 {
		return fmt.Errorf("no webhook entry is published")
	}
	for i, bundle := range published {
		if err := certs.Verify(certificate, bundle, name, now); err != nil {
			return fmt.Errorf("webhook entry %d: %w", i, err)
		}
	}
	return nil
}

// Readiness checks that API servers can call this replica: it has a
// certificate, and every entry of the published webhook configuration trusts
// it, under the name, now. It is a healthz.Checker. The reader is the
// manager's cache.
func Readiness(pair *certs.Pair, reader client.Reader, configuration, name string) func(*http.Request) error {
	return func(request *http.Request) error {
		leaf := pair.Leaf()
		if leaf == nil {
			return certs.ErrNoCertificate
		}
		published, err := publishedBundles(request.Context(), reader, configuration)
		if err != nil {
			return err
		}
		return trusted(leaf, published, name, time.Now())
	}
}
