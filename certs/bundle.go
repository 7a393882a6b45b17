package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"
)

// MaxBundle is the number of certificates that a bundle may hold.
const MaxBundle = 64

// ParseBundle reads the CERTIFICATE blocks of a PEM file in their order. Other
// blocks and text between them are passed over; no certificate at all, or more
// than MaxBundle, is an error.
func ParseBundle(data []byte) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if len(found) == MaxBundle {
			return nil, fmt.Errorf("bundle holds more than %d certificates", MaxBundle)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse certificate %d of bundle: %w", len(found)+1, err)
		}
		found = append(found, certificate)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("bundle of %d bytes holds no certificate", len(data))
	}
	return found, nil
}

// EncodeBundle writes certificates as PEM.
func EncodeBundle(certificates []*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, certificate := range certificates {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
	}
	return out.Bytes()
}

// Verify says why clients that trust the bundle would refuse a certificate
// presented as name at a time; nil if they would accept it.
func Verify(certificate *x509.Certificate, bundle []*x509.Certificate, name string, at time.Time) error {
	roots := x509.NewCertPool()
	for _, root := range bundle {
		roots.AddCert(root)
	}
	_, err := certificate.Verify(x509.VerifyOptions{
		DNSName:     name,
		Roots:       roots,
		CurrentTime: at,
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("verify certificate for %s: %w", name, err)
	}
	return nil
}
