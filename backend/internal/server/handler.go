package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Routes is a part of the API.
type Routes interface {
	Routes(r gin.IRouter)
}

// Parts are several parts of the API as one.
type Parts []Routes

// Routes implements Routes.
func (p Parts) Routes(r gin.IRouter) {
	for _, part := range p {
		part.Routes(r)
	}
}

// Site is what one door serves. Parts that are nil are not there.
type Site struct {
	Uploads  Routes          // for sidecars
	Sessions Routes          // for people who log in
	Guarded  Routes          // for people whom Guard lets pass
	Guard    gin.HandlerFunc // puts the scope of a reader into his request
	// Assistants serves those whom Guard lets pass; what it asks api for is asked
	// as the caller. Nil serves none.
	Assistants func(api http.Handler) http.Handler
	// Foreign serves them what other tools ask for, likewise. Nil serves none.
	Foreign    func(api http.Handler) Routes
	Protect    func(http.Handler) http.Handler
	UI         http.Handler
	Operations *Operations
	Log        *slog.Logger
	Panics     prometheus.Counter
}

// Operations is what probes and Prometheus ask for.
type Operations struct {
	Ready    func(ctx context.Context) error // an *api.Error, or nil
	Registry *prometheus.Registry
}

// NewPanics registers the counter that all sites share.
func NewPanics(registry prometheus.Registerer) prometheus.Counter {
	return promauto.With(registry).NewCounter(prometheus.CounterOpts{
		Name: "podflame_http_panics_total", Help: "Requests that failed by a panic.",
	})
}

// Handler returns the handler of a site.
func (s Site) Handler() (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.Use(s.recovery(s.Panics))
	if s.Operations != nil {
		s.Operations.routes(engine)
	}
	for _, part := range []Routes{s.Uploads, s.Sessions} {
		if part != nil {
			part.Routes(engine)
		}
	}
	if s.Guarded != nil {
		guarded := engine.Group("", s.Guard)
		s.Guarded.Routes(guarded)
		if s.Assistants != nil {
			guarded.POST("/api/v1/mcp", gin.WrapH(s.Assistants(engine)))
		}
		if s.Foreign != nil {
			s.Foreign(engine).Routes(guarded)
		}
	}
	engine.NoRoute(s.noRoute)
	engine.NoMethod(func(c *gin.Context) {
		e := api.Errorf(profile.NotFound, "%s is not possible on %s", c.Request.Method, c.Request.URL.Path)
		api.Write(c.Writer, http.StatusMethodNotAllowed, e)
	})
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1400), gzhttp.EnableZstd(false))
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	compressed := compress(engine)
	var all http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			compressed.ServeHTTP(w, r)
			return
		}
		engine.ServeHTTP(w, r) // uploads need the deadlines of the bare writer
	})
	if s.Protect != nil {
		all = s.Protect(all)
	}
	return all, nil
}

func (o *Operations) routes(r gin.IRouter) {
	r.GET("/livez", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	r.GET("/readyz", o.readyz)
	r.GET("/metrics", gin.WrapH(promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})))
}

func (o *Operations) readyz(c *gin.Context) {
	if err := o.Ready(c.Request.Context()); err != nil {
		api.WriteError(c.Writer, err)
		return
	}
	c.String(http.StatusOK, "ok\n")
}

func (s Site) noRoute(c *gin.Context) {
	path := c.Request.URL.Path
	reading := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead
	if s.UI == nil || path == "/api" || strings.HasPrefix(path, "/api/") || !reading {
		api.WriteError(c.Writer, api.Errorf(profile.NotFound, "there is no %.200s", path))
		return
	}
	c.Status(http.StatusOK)
	s.UI.ServeHTTP(c.Writer, c.Request)
}

// recovery answers a request that panicked; the others go on.
func (s Site) recovery(panics prometheus.Counter) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			panics.Inc()
			s.Log.Error("request panicked", "path", c.Request.URL.Path, "panic", p, "stack", string(debug.Stack()))
			c.Abort()
			if !c.Writer.Written() {
				api.WriteError(c.Writer, api.Errorf(profile.Internal, "the request could not be answered"))
			}
		}()
		c.Next()
	}
}
