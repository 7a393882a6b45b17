package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrNoCertificate is what a TLS handshake fails with before the first
// certificate has been loaded.
var ErrNoCertificate = errors.New("no serving certificate has been loaded yet")

// Pair is a serving certificate with its key. The zero value holds none. It is
// safe for concurrent use.
type Pair struct {
	current atomic.Pointer[tls.Certificate]
}

// Set makes a PEM certificate (leaf first) and its key the ones to serve. It
// says whether they differ from before; on an error nothing changes.
func (p *Pair) Set(certificate, key []byte) (changed bool, err error) {
	next, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return false, fmt.Errorf("pair certificate with key: %w", err)
	}
	if next.Leaf == nil {
		if next.Leaf, err = x509.ParseCertificate(next.Certificate[0]); err != nil {
			return false, fmt.Errorf("parse serving certificate: %w", err)
		}
	}
	before := p.current.Swap(&next)
	return before == nil || !bytes.Equal(before.Certificate[0], next.Certificate[0]), nil
}

// GetCertificate is for [tls.Config].
func (p *Pair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if current := p.current.Load(); current != nil {
		return current, nil
	}
	return nil, ErrNoCertificate
}

// Leaf is the certificate being served, or nil.
func (p *Pair) Leaf() *x509.Certificate {
	if current := p.current.Load(); current != nil {
		return current.Leaf
	}
	return nil
}

// Configure makes a TLS configuration serve the pair, by TLS 1.2 at least.
func (p *Pair) Configure(config *tls.Config) {
	config.GetCertificate = p.GetCertificate
	config.MinVersion = tls.VersionTLS12
}
