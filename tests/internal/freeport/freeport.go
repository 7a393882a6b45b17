// Package freeport finds ports for servers that a test starts as processes and
// that cannot choose their own.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports from first up to last are below those that the kernel gives to outgoing
// connections (ip_local_port_range, from 32768) and Kubernetes to Services (from
// 30000), so that none of these takes one before its server does.
const (
	first, last = 16_000, 29_999
	attempts    = 1_000
)

// Choose returns different ports of 127.0.0.1 that nothing listens on now.
func Choose(count int) ([]int, error) {
	var ports []int
	for range attempts {
		if len(ports) == count {
			return ports, nil
		}
		port := first + rand.IntN(last-first+1)
		listener, err := net.Listen("tcp", onLoopback(port))
		if err != nil {
			continue
		}
		defer func() { _ = listener.Close() }() // held until all are chosen, so that they differ
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("find %d free ports from %d to %d: %d attempts found %d", count, first, last, attempts, len(ports))
}

// Address returns one on 127.0.0.1 that nothing listens on now.
func Address() (string, error) {
	ports, err := Choose(1)
	if err != nil {
		return "", err
	}
	return onLoopback(ports[0]), nil
}

func onLoopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
