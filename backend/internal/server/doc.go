// Package server is the HTTP server of the backend: doors, their limits, TLS, and
// an end in good order.
//
// A door is a listener for one kind of caller: sidecars, which write; people, who
// read; and operations, with /metrics, /livez (this process runs) and /readyz (it
// can take windows and answer queries). On loopback one door may serve them all.
package server
