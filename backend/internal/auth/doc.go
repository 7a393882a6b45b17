// Package auth decides who may write and who may read.
//
// Sidecars show the ServiceAccount token that the kubelet projected into their
// pod; the API server says which pod that is (TokenReview), and the pod may
// write as itself only (Pods, Sender). People show a token for another audience,
// or come through a proxy that has logged them in; the API server says which
// namespaces they may see (SubjectAccessReview; People, Scopes), and the door
// puts those into the context of the request (package access).
//
// Nothing that was shown is stored: what the API server said is remembered for
// minutes under the hash of the token. While the API server is away, whoever is
// not remembered is told to come again, not that he may not.
package auth
