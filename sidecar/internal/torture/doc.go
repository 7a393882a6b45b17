// Package torture does to JVM and sidecar what a cluster does to them, from a
// seed, and holds the laws against it: the JVM lives and prints nothing, and
// every sample that async-profiler counts is in a window or in its ledger. It has
// nothing but tests. Their short form is part of every run; -torture.duration
// makes it long.
package torture
