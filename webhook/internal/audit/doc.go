// Package audit finds the pods that opted in but run without the sidecar: the
// webhook did not answer when they were created, or did not exist yet, or
// skipped them for a reason. It reports each with that reason and the remedy
// as JSON at /audit, as a gauge, and once as an Event on the pod.
//
// It changes no pod and restarts nothing.
package audit
