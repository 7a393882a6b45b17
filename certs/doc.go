// Package certs serves TLS certificates that change while the program runs.
//
// [Pair] is the certificate being served, [Files] keeps a Pair equal to
// mounted files (a Secret volume, cert-manager), and the bundle functions
// reason about sets of CA certificates. The package depends on the standard
// library and the metrics client only; what needs a cluster is in
// certs/rotate.
//
// Invariant: a Pair never goes from a usable certificate to none. Whatever
// cannot be read or parsed leaves the last good one in place.
package certs
