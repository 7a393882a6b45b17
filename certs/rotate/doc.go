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
// What writes runs in the elected leader only, what loads the serving
// certificate in all replicas.
package rotate
