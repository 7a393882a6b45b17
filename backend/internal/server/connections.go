package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"

	"github.com/podflame/podflame/backend/internal/quota"
)

// Metrics counts, by door, connections on which nothing was answered.
type Metrics struct {
	refused, unused *prometheus.CounterVec
}

// NewMetrics registers the counters that all doors share.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	factory := promauto.With(registry)
	return &Metrics{
		refused: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_http_connections_refused_total", Help: "Connections that were closed at once, as their address had as many as one may have, by door.",
		}, []string{"door"}),
		unused: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_http_connections_unused_total", Help: "Connections that were closed as no whole request came in time, by door. Browsers open some that they do not use.",
		}, []string{"door"}),
	}
}

// connections is a listener that closes at once what an address opens beyond a limit,
// so that one cannot keep all the others out, and counts what serves no request.
type connections struct {
	net.Listener
	door     string
	open     *quota.Quota[string] // by address
	patience time.Duration        // until the server closes one without a request
	metrics  *Metrics
	log      *slog.Logger
	seldom   rate.Sometimes
}

func watch(listener net.Listener, d Door, log *slog.Logger) *connections {
	return &connections{
		Listener: listener, door: d.Name, open: quota.New[string](d.Limits.PerAddress), patience: d.Limits.ReadTimeout,
		metrics: d.Metrics, log: log.With("door", d.Name), seldom: rate.Sometimes{Interval: time.Minute},
	}
}

// Accept implements net.Listener.
func (l *connections) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := hostOf(conn.RemoteAddr())
		if l.open.Enter(address) {
			return &connection{Conn: conn, from: l, address: address, since: time.Now()}, nil
		}
		_ = conn.Close()
		l.metrics.refused.WithLabelValues(l.door).Inc()
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

// connection counts for its address until it is closed.
type connection struct {
	net.Conn
	from    *connections
	address string
	since   time.Time
	used    atomic.Bool // a request came
	once    sync.Once
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}

func (c *connection) leave() {
	c.from.open.Leave(c.address)
	if !c.used.Load() && time.Since(c.since) >= c.from.patience {
		c.from.metrics.unused.WithLabelValues(c.from.door).Inc()
	}
}

type connectionKey struct{}

// withConnection lets noteRequests find the connection of a request.
func withConnection(ctx context.Context, conn net.Conn) context.Context {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, conn)
}

func noteRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
			c.used.Store(true)
		}
		next.ServeHTTP(w, r)
	})
}
