package server

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"

	"github.com/podflame/podflame/backend/internal/quota"
)

// NewRefused registers the counter of connections that doors turn away.
func NewRefused(registry prometheus.Registerer) *prometheus.CounterVec {
	return promauto.With(registry).NewCounterVec(prometheus.CounterOpts{
		Name: "podflame_http_connections_refused_total", Help: "Connections that were closed at once, as their address had as many as one may have, by door.",
	}, []string{"door"})
}

// perAddress is a listener that closes at once what an address opens beyond a limit,
// so that one cannot keep all the others out.
type perAddress struct {
	net.Listener
	open    *quota.Quota[string] // connections, by address
	refused prometheus.Counter   // may be nil
	log     *slog.Logger
	seldom  rate.Sometimes
}

func limitAddresses(d Door, log *slog.Logger) net.Listener {
	return &perAddress{
		Listener: d.Listener, open: quota.New[string](d.Limits.PerAddress), refused: d.Refused,
		log: log.With("door", d.Name), seldom: rate.Sometimes{Interval: time.Minute},
	}
}

// Accept implements net.Listener.
func (l *perAddress) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := hostOf(conn.RemoteAddr())
		if l.open.Enter(address) {
			return &countedConn{Conn: conn, leave: func() { l.open.Leave(address) }}, nil
		}
		_ = conn.Close()
		if l.refused != nil {
			l.refused.Inc()
		}
		l.seldom.Do(func() {
			l.log.Warn("connections refused: their address has as many as one may have", "address", address, "limit", l.open.Limit())
		})
	}
}

func hostOf(address net.Addr) string {
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}
	return host
}

// countedConn is a connection that counts until it is closed.
type countedConn struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.leave)
	return err
}
