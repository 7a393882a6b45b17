package rotate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podflame/podflame/certs"
)

// managedBy marks the objects that we made.
const (
	managedByLabel = "app.kubernetes.io/managed-by"
	managedByUs    = "podflame"
)

// authority does, in the leader, what cert-controller does not: it makes the
// Secrets when they are missing, takes replaced CAs out of the bundle after
// the overlap, and signs the backend's certificate.
type authority struct {
	client  client.Client
	live    client.Reader // of the backend's Secret, which is in no cache
	options *Options
	now     func() time.Time
}

// Reconcile implements reconcile.Reconciler.
func (a *authority) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	var secret corev1.Secret
	err := a.client.Get(ctx, a.options.secretKey(), &secret)
	if apierrors.IsNotFound(err) {
		a.options.Log.Warn("certificate secret is missing and made anew, with a new CA", "secret", a.options.secretKey().String())
		return reconcile.Result{}, createSecret(ctx, a.client, a.options.secretKey(), nil)
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("read secret %s: %w", a.options.secretKey(), err)
	}
	again := reconcile.Result{RequeueAfter: a.options.CheckEvery}
	if len(secret.Data[authorityKey]) == 0 {
		return again, nil // cert-controller fills it, and that wakes us
	}
	if err := a.prune(ctx, &secret); err != nil {
		return again, err
	}
	if a.options.BackendSecret == "" {
		return again, nil
	}
	again.RequeueAfter = min(again.RequeueAfter, backendCheck)
	wait, err := a.ensureBackend(ctx, &secret)
	if wait > 0 {
		again.RequeueAfter = min(again.RequeueAfter, wait)
	}
	return again, err
}

// prune takes CAs whose time is over out of the Secret; cert-controller then
// copies the shorter bundle into the webhook configuration.
func (a *authority) prune(ctx context.Context, secret *corev1.Secret) error {
	bundle := secret.Data[authorityKey]
	kept := mergeBundles(a.now(), a.options.Overlap, bundle)
	if kept == nil || bytes.Equal(kept, bundle) {
		return nil
	}
	secret.Data[authorityKey] = kept
	if err := a.client.Update(ctx, secret); err != nil {
		return fmt.Errorf("take replaced CAs out of secret %s: %w", a.options.secretKey(), err)
	}
	return nil
}

// ensureBackend makes the backend's Secret hold a certificate that the CA
// signed, and the bundle. It says when to look again if it left a certificate
// of a replaced CA in place for now.
func (a *authority) ensureBackend(ctx context.Context, secret *corev1.Secret) (wait time.Duration, err error) {
	signer, err := readAuthority(secret)
	if err != nil {
		return 0, fmt.Errorf("read CA in secret %s: %w", a.options.secretKey(), err)
	}
	var backend corev1.Secret
	err = a.live.Get(ctx, a.options.backendKey(), &backend)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return 0, fmt.Errorf("read secret %s: %w", a.options.backendKey(), err)
	}
	bundle := mergeBundles(a.now(), a.options.Overlap, secret.Data[authorityKey], backend.Data[authorityKey])
	data := map[string][]byte{authorityKey: bundle}
	renew, wait := a.mustRenew(backend.Data, bundle, signer.Cert)
	switch {
	case renew != nil:
		if data[certificateKey], data[privateKey], err = a.sign(signer); err != nil {
			return 0, err
		}
		a.options.Log.Info("backend certificate issued", "secret", a.options.backendKey().String(), "why", renew.Error())
	case bytes.Equal(bundle, backend.Data[authorityKey]):
		return wait, nil
	}
	if missing {
		return wait, createSecret(ctx, a.client, a.options.backendKey(), data)
	}
	if backend.Data == nil {
		backend.Data = map[string][]byte{}
	}
	maps.Copy(backend.Data, data)
	if err := a.client.Update(ctx, &backend); err != nil {
		return 0, fmt.Errorf("update secret %s: %w", a.options.backendKey(), err)
	}
	return wait, nil
}

// mustRenew says why a certificate has to be replaced now, or nil. A positive
// wait means that it is to be replaced, but serves until then: a new CA must
// first have reached those who verify, and until that only a certificate that
// is about to be useless is replaced.
//
//nolint:staticcheck // the reason is the answer, not a failure
func (a *authority) mustRenew(data map[string][]byte, bundle []byte, signer *x509.Certificate) (why error, wait time.Duration) {
	if len(data[certificateKey]) == 0 {
		return fmt.Errorf("there is none yet"), 0
	}
	pair, err := tls.X509KeyPair(data[certificateKey], data[privateKey])
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", err), 0
	}
	authorities, err := certs.ParseBundle(bundle)
	if err != nil {
		return fmt.Errorf("its bundle cannot be read: %w", err), 0
	}
	settled := issuedAt(signer).Add(a.options.Settle)
	wait = max(settled.Sub(a.now()), 0)
	if err := a.verifyBackend(pair.Leaf, authorities, a.now().Add(wait)); err != nil {
		return err, 0
	}
	why = a.verifyBackend(pair.Leaf, authorities, a.now().Add(a.options.RenewBefore))
	if why == nil && pair.Leaf.CheckSignatureFrom(signer) != nil {
		why = fmt.Errorf("its CA was replaced")
	}
	switch {
	case why == nil:
		return nil, 0
	case wait > 0:
		return nil, wait
	}
	return why, 0
}

// verifyBackend says why a certificate will not do for the backend at a time.
func (a *authority) verifyBackend(certificate *x509.Certificate, authorities []*x509.Certificate, at time.Time) error {
	for _, name := range a.options.backendNames() {
		if err := certs.Verify(certificate, authorities, name, at); err != nil {
			return err
		}
	}
	return nil
}

func (a *authority) sign(signer *rotator.KeyPairArtifacts) (certificate, key []byte, err error) {
	names := a.options.backendNames()
	issuer := rotator.CertRotator{
		DNSName:       names[0],
		ExtraDNSNames: names[1:],
		ExtKeyUsages:  &[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	begin, end := a.now().Add(-backdate), a.now().Add(a.options.CertLifetime)
	if end.After(signer.Cert.NotAfter) {
		end = signer.Cert.NotAfter
	}
	certificate, key, err = issuer.CreateCertPEM(signer, begin, end)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate for %s: %w", names[0], err)
	}
	return certificate, key, nil
}

// readAuthority reads the CA that signs: the first certificate of ca.crt with
// the key in ca.key, as cert-controller wrote them.
func readAuthority(secret *corev1.Secret) (*rotator.KeyPairArtifacts, error) {
	authorities, err := certs.ParseBundle(secret.Data[authorityKey])
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(secret.Data[authorityKeyKey])
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", authorityKeyKey)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", authorityKeyKey, err)
	}
	return &rotator.KeyPairArtifacts{
		Cert:    authorities[0],
		Key:     key,
		CertPEM: certs.EncodeBundle(authorities[:1]),
		KeyPEM:  secret.Data[authorityKeyKey],
	}, nil
}

// createSecret makes a Secret; that it exists already is not an error.
func createSecret(ctx context.Context, writer client.Writer, key types.NamespacedName, data map[string][]byte) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace,
			Name:      key.Name,
			Labels:    map[string]string{managedByLabel: managedByUs},
		},
		Type: corev1.SecretTypeOpaque,
		Data: data,
	}
	if err := writer.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create secret %s: %w; apply the manifests again, which hold it empty", key, err)
	}
	return nil
}
