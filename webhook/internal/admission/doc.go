// Package admission answers the API server's question what to do with a new
// pod, by the decision of package inject.
//
// Invariant: it never denies. Whatever goes wrong here (an error, a panic, too
// little time, too many requests, a request that is not the creation of a pod)
// admits the object as it is, says so in a warning, and is counted. What
// cannot be read as an AdmissionReview at all gets an HTTP error or an answer
// without the request's UID; both make the API server apply failurePolicy
// Ignore.
package admission
