// Package server is the HTTP server of the backend: routes, listeners, limits
// of connections, TLS, and an end in good order.
//
// All listeners serve the same: the API, the user interface, /metrics, /livez
// (this process runs) and /readyz (it can take windows and answer queries).
package server
