package freeport

import (
	"net"
	"slices"
	"testing"
)

func TestPortsDifferAndAreFree(t *testing.T) {
	ports, err := Choose(50)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ports)
	if len(slices.Compact(ports)) != 50 || ports[0] < first || ports[49] > last {
		t.Errorf("ports are %v", ports)
	}
	for _, port := range ports {
		listener, err := net.Listen("tcp", onLoopback(port))
		if err != nil {
			t.Fatal(err)
		}
		_ = listener.Close()
	}
}

func TestTooManyPortsAreAnError(t *testing.T) {
	if ports, err := Choose(attempts + 1); err == nil {
		t.Errorf("found %d", len(ports))
	}
}
