// Package rotate manages the certificates of an installation inside its
// cluster: a CA and the webhook's serving certificate in one Secret
// (cert-controller makes and renews them), the backend's serving certificate,
// signed by the same CA, in another, the caBundle of the
// MutatingWebhookConfiguration, and the trust bundle in a ConfigMap of every
// namespace with profiled pods.
//
// Invariant: whoever verifies one of our certificates trusts its CA before the
// certificate is used. A new CA is published beside the old one, which stays
// for Options.Overlap; a replica of the webhook serves a new certificate only
// when the published caBundle trusts it, and the backend gets one from a new
// CA only after Options.Settle.
//
// Decision: cert-controller stays. A rotator of our own would make client.go,
// transport.go and half of add.go needless, about 300 lines, and need 200 for the
// issue, renewal and check of two certificates; the overlap, the backend's
// certificate, the moment of serving and the trust bundle, the larger part, stay
// the same with either. That is too little for what every installation stands on.
//
// What writes runs in the elected leader only, what loads the serving
// certificate in all replicas.
package rotate
