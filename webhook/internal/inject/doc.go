// Package inject decides whether a pod gets the profiling sidecar, and adds it.
package inject
