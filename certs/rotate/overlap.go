package rotate

import (
	"bytes"
	"crypto/x509"
	"time"

	"github.com/podflame/podflame/certs"
)

// maxAuthorities bounds a bundle, whatever happens to the Secret: the newest
// CA and at most three before it.
const maxAuthorities = 4

// backdate is how far cert-controller sets NotBefore before the time of issue.
const backdate = time.Hour

// mergeBundles adds to the current bundle, whose first certificate is the CA
// that signs now, the CAs of older bundles: each once, without those that have
// expired, and only while the current CA is younger than the overlap, so that
// a CA that was replaced for a reason does not stay trusted. Bundles that
// cannot be parsed count as empty; with an empty current bundle nothing is
// trusted.
func mergeBundles(now time.Time, overlap time.Duration, current []byte, older ...[]byte) []byte {
	authorities, err := certs.ParseBundle(current)
	if err != nil {
		return nil
	}
	newest := authorities[0]
	merged := []*x509.Certificate{newest}
	if now.After(issuedAt(newest).Add(overlap)) {
		return certs.EncodeBundle(merged)
	}
	for _, bundle := range older {
		if more, err := certs.ParseBundle(bundle); err == nil {
			authorities = append(authorities, more...)
		}
	}
	for _, authority := range authorities {
		if len(merged) < maxAuthorities && now.Before(authority.NotAfter) && !contains(merged, authority) {
			merged = append(merged, authority)
		}
	}
	return certs.EncodeBundle(merged)
}

func issuedAt(certificate *x509.Certificate) time.Time {
	return certificate.NotBefore.Add(backdate)
}

func contains(certificates []*x509.Certificate, wanted *x509.Certificate) bool {
	for _, certificate := range certificates {
		if bytes.Equal(certificate.Raw, wanted.Raw) {
			return true
		}
	}
	return false
}
