package load

import (
	"net"
	"testing"
	"time"
)

const (
	idleConnections = 4_200
	idleLimit       = "4096" // fewer than these
)

// TestIdleConnections: connections that say nothing, more than the door of sidecars has
// room for, do not stop the probes.
func TestIdleConnections(t *testing.T) {
	b := startBackend(t, "--sidecar-connections="+idleLimit)
	for i := range idleConnections {
		conn, err := net.DialTimeout("tcp", b.doors[sidecars], 10*time.Second)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer conn.Close()
	}
	slowest := time.Duration(0)
	for range 50 {
		for _, path := range []string{"/livez", "/readyz"} {
			began := time.Now()
			if err := b.get(operations, path); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			slowest = max(slowest, time.Since(began))
		}
	}
	if slowest > probeTimeout {
		t.Errorf("a probe took %s, longer than %s", slowest, probeTimeout)
	}
	if err := b.get(people, "/api/v1/ingest/health"); err != nil {
		t.Errorf("people: %v", err)
	}
	open := b.metrics(t)["process_open_fds"]
	if open < 4_000 {
		t.Errorf("the backend has %.0f descriptors: it has not accepted the connections", open)
	}
	t.Logf("%.0f descriptors; slowest probe beside %d idle connections: %s", open, idleConnections, slowest.Round(time.Millisecond))
}
