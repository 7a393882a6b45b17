// Package testca makes certificates for tests.
package testca

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"
	"time"
)

// CA signs certificates. Its keys are RSA in PKCS #1, as cert-controller's.
type CA struct {
	Certificate *x509.Certificate
	PEM, KeyPEM []byte
	key         *rsa.PrivateKey
}

// keys are made once for all certificates of a test program: making them is
// what takes the time.
var keys = sync.OnceValue(func() []*rsa.PrivateKey {
	made := make([]*rsa.PrivateKey, 4)
	for i := range made {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err) // the system's randomness does not fail
		}
		made[i] = key
	}
	return made
})

// New makes a CA of a name, valid in a span of time. CAs of different numbers
// (0 to 2) have different keys.
func New(t testing.TB, number int, name string, notBefore, notAfter time.Time) *CA {
	t.Helper()
	key := keys()[number]
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(notBefore.UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	certificate, encoded := sign(t, template, template, key, key)
	return &CA{Certificate: certificate, PEM: encoded, KeyPEM: encodeKey(key), key: key}
}

// Issue makes a serving certificate for names.
func (c *CA) Issue(t testing.TB, notBefore, notAfter time.Time, names ...string) (certificate, key []byte) {
	t.Helper()
	own := keys()[3]
	_, certificate = sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		NotBefore:    notBefore,
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, c.Certificate, own, c.key)
	return certificate, encodeKey(own)
}

func sign(t testing.TB, template, parent *x509.Certificate, key, signer *rsa.PrivateKey) (*x509.Certificate, []byte) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}
