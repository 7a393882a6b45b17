package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/auth/authtest"
	"github.com/podflame/podflame/backend/profile"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { http.DefaultTransport.(*http.Transport).CloseIdleConnections() }),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

const (
	writers = "podflame-backend"
	readers = "podflame"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is an API server with what asks it.
type world struct {
	*authtest.Server
	*clock
	kube    *Kube
	metrics *Metrics
	limits  Limits
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		Server: authtest.NewServer(t), clock: &clock{now: time.Now().Truncate(time.Second)},
		metrics: NewMetrics(prometheus.NewRegistry()), limits: DefaultLimits(),
	}
	var err error
	if w.kube, err = NewKube(w.Config()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) tokens(audience string) *Tokens {
	return NewTokens(w.kube, audience, w.limits, w.Now, w.metrics)
}

// in is a time from the clock's now.
func (w *world) in(d time.Duration) time.Time { return w.Now().Add(d) }

func user(name string) authenticationv1.UserInfo {
	return authenticationv1.UserInfo{Username: name, Groups: []string{"system:authenticated"}}
}

// code is the reason of an error; empty if it is nil.
func code(err error) profile.Reason {
	if err == nil {
		return ""
	}
	return api.AsError(err).Code
}

func request(method, path string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "localhost:8080"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func show(token string) *http.Request {
	return request(http.MethodPost, "/api/v1/windows", "Authorization", "Bearer "+token)
}

func identify(t *Tokens, token string) (Identity, profile.Reason) {
	who, err := t.Identify(context.Background(), netip.Addr{}, token)
	return who, code(err)
}
