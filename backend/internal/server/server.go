package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
)

// Limits bound the connections of a door and what one may cost. None may be 0, which
// net/http takes for no limit.
type Limits struct {
	Connections  int           // at a time; more wait in the backlog
	PerAddress   int           // connections of one address; more are closed at once
	Streams      int           // requests at a time on one connection of HTTP/2; more wait
	HeaderBytes  int           // of a request
	ReadTimeout  time.Duration // for the handshake, and to receive a whole request
	WriteTimeout time.Duration // from there to the end of the answer
	IdleTimeout  time.Duration // between requests of a connection
}

// DefaultLimits returns limits that suit sidecars and browsers. Headers have as long as
// a whole request: on a node without CPU to spare a port-forward brings them seconds
// after it has connected. PerAddress is what holds slow senders down.
func DefaultLimits() Limits {
	return Limits{
		Connections:  4096,
		PerAddress:   1024,
		Streams:      32,
		HeaderBytes:  32 << 10,
		ReadTimeout:  30 * time.Second,
		WriteTimeout: 60 * time.Second,
		IdleTimeout:  2 * time.Minute,
	}
}

// Door is a listener with what it serves and, unless TLS is nil, how it speaks
// TLS.
type Door struct {
	Name string // for the log
	net.Listener
	TLS     *tls.Config
	Handler http.Handler
	Limits  Limits
	Metrics *Metrics
}

// Listen opens an address. Its error says what to do next.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: the port is in use; choose another one with --listen, or look with \"ss -ltnp\" who has it: %w", address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, nil
}

// Serve serves until ctx ends, then waits for requests in progress for at most
// the given time. The doors are closed when it returns.
func Serve(ctx context.Context, patience time.Duration, log *slog.Logger, doors ...Door) error {
	g, serving := errgroup.WithContext(ctx)
	for _, d := range doors {
		s := &http.Server{
			Handler:        noteRequests(d.Handler),
			TLSConfig:      d.TLS,
			MaxHeaderBytes: d.Limits.HeaderBytes,
			ReadTimeout:    d.Limits.ReadTimeout,
			WriteTimeout:   d.Limits.WriteTimeout,
			IdleTimeout:    d.Limits.IdleTimeout,
			HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: d.Limits.Streams},
			ConnContext:    withConnection,
			ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		}
		listener := watch(netutil.LimitListener(d.Listener, d.Limits.Connections), d, log)
		g.Go(func() error { return serve(s, listener) })
		g.Go(func() error {
			<-serving.Done()
			return drain(ctx, s, patience)
		})
	}
	return g.Wait()
}

func serve(s *http.Server, listener net.Listener) error {
	var err error
	if s.TLSConfig != nil {
		err = s.ServeTLS(listener, "", "")
	} else {
		err = s.Serve(listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	}
	return nil
}

func drain(ctx context.Context, s *http.Server, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("drain requests within %s: %w", timeout, err), s.Close())
	}
	return nil
}
