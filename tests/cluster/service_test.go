package cluster

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// service does what a Service and its kube-proxy do: it spreads connections
// over endpoints. A connection that is open stays with its endpoint; with no
// endpoint a connection is refused. Which endpoints there are the test says,
// in place of kubelet and its probes.
type service struct {
	listener net.Listener

	mu        sync.Mutex
	endpoints []string
	next      int
}

func newService() (*service, error) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the webhook's Service: %w", err)
	}
	s := &service{listener: listener}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go s.forward(client)
		}
	}()
	return s, nil
}

func (s *service) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *service) close() { s.listener.Close() }

// set replaces the endpoints ("127.0.0.1:port").
func (s *service) set(endpoints ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = endpoints
}

func (s *service) forward(client net.Conn) {
	defer client.Close()
	s.mu.Lock()
	if len(s.endpoints) == 0 {
		s.mu.Unlock()
		return
	}
	endpoint := s.endpoints[s.next%len(s.endpoints)]
	s.next++
	s.mu.Unlock()
	server, err := net.Dial("tcp", endpoint)
	if err != nil {
		return // nobody listens: the client sees its connection closed
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // its end is all there is to know
			done <- struct{}{}
		}()
	}
	<-done
}
