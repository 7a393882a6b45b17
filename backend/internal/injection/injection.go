// Package injection shows readers what the webhook's audit found: pods that
// opted in and have no sidecar, and sidecars that wait for their image, may not
// upload or are of an earlier version. The backend asks when somebody looks. Of
// an answer it takes codes and names only: the words are of our own table, and
// each reader sees the namespaces of his scope.
package injection

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/singleflight"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/profile"
)

// Limits bound what is asked and what is believed. They count as they are: 0 is no
// default, and not "no limit".
type Limits struct {
	Keep     time.Duration // an answer, or the lack of one
	Timeout  time.Duration // for all pages of an audit
	Findings int           // read of an audit; more are left out and the answer says so
	Page     int           // findings asked for at a time
	Bytes    int64         // of a page
	Detail   int           // bytes of a detail
}

// DefaultLimits returns the usual limits.
func DefaultLimits() Limits {
	return Limits{Keep: 10 * time.Second, Timeout: 3 * time.Second, Findings: 2000, Page: 500, Bytes: 2 << 20, Detail: 400}
}

// Config is what New needs.
type Config struct {
	URL      string // of the audit; empty if there is no webhook
	Limits   Limits
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger
	Registry prometheus.Registerer
}

// Audit reads the audit. It is safe for concurrent use.
type Audit struct {
	Config
	client *http.Client
	reads  *prometheus.CounterVec
	asking singleflight.Group

	mu    sync.Mutex
	asked time.Time
	last  api.Injection // of all namespaces
}

// New returns an Audit that has asked nothing yet.
func New(c Config) *Audit {
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &Audit{
		Config: c,
		client: &http.Client{
			Transport:     &http.Transport{MaxConnsPerHost: 1, MaxIdleConns: 1, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		reads: promauto.With(c.Registry).NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_injection_audit_reads_total", Help: "Times the webhook's audit was read, by outcome.",
		}, []string{"outcome"}),
	}
	for _, outcome := range []string{readDone, readFailed} {
		a.reads.WithLabelValues(outcome)
	}
	return a
}

// Outcomes of a read.
const (
	readDone   = "ok"
	readFailed = "failed"
)

// List returns what is told of pods in a scope; an empty namespace or service is
// any.
func (a *Audit) List(ctx context.Context, scope access.Scope, namespace, service string) api.Injection {
	out := a.everything(ctx)
	out.Pods = slices.DeleteFunc(slices.Clone(out.Pods), func(p api.InjectionPod) bool {
		return !scope.Allows(p.Namespace) || namespace != "" && p.Namespace != namespace || service != "" && p.Service != service
	})
	return out
}

// everything is the latest answer, at most Limits.Keep old. Its list is shared.
func (a *Audit) everything(ctx context.Context) api.Injection {
	if a.URL == "" {
		return api.Injection{State: api.InjectionNotWatched, Pods: []api.InjectionPod{}}
	}
	if last, ok := a.remembered(); ok {
		return last
	}
	answer := a.asking.DoChan("", func() (any, error) {
		// Who hangs up must not end the question of the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Limits.Timeout)
		defer cancel()
		return a.ask(ctx), nil
	})
	select {
	case got := <-answer:
		return got.Val.(api.Injection)
	case <-ctx.Done():
		return unknown("the request ended before the webhook answered")
	}
}

func (a *Audit) remembered() (api.Injection, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last, !a.asked.IsZero() && a.Now().Sub(a.asked) < a.Limits.Keep
}

func (a *Audit) ask(ctx context.Context) api.Injection {
	if last, ok := a.remembered(); ok { // another has just asked
		return last
	}
	found, err := a.read(ctx)
	outcome := readDone
	if err != nil {
		outcome, found = readFailed, unknown(err.Error())
		a.Log.Warn("the webhook's audit is not known", "error", err)
	}
	a.reads.WithLabelValues(outcome).Inc()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last, a.asked = found, a.Now()
	return found
}

func unknown(why string) api.Injection {
	return api.Injection{State: api.InjectionUnknown, Message: why, Pods: []api.InjectionPod{}}
}

// maxName bounds the parameters, in bytes, as openapi.yaml does.
const maxName = 256

// Routes adds the route.
func (a *Audit) Routes(r gin.IRouter) {
	r.GET("/api/v1/injection", func(c *gin.Context) {
		scope, ok := access.From(c.Request.Context())
		if !ok {
			api.WriteError(c.Writer, api.Errorf(profile.Internal, "the request has no scope (package access)"))
			return
		}
		for name, values := range c.Request.URL.Query() {
			if name != "namespace" && name != "service" {
				api.WriteError(c.Writer, api.Errorf(profile.BadParameter, "parameter %.40q is not known here; known are namespace and service", name))
				return
			}
			if len(values[0]) > maxName {
				api.WriteError(c.Writer, api.Exceeded(profile.BadParameter, "parameter "+name, int64(len(values[0])), maxName))
				return
			}
		}
		api.Answer(c.Writer, c.Request, a.List(c.Request.Context(), scope, c.Query("namespace"), c.Query("service")))
	})
}
