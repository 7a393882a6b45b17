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

// Site is what the server serves.
type Site struct {
	API      []Routes
	UI       http.Handler
	Ready    func(ctx context.Context) error // an *api.Error, or nil
	Log      *slog.Logger
	Registry *prometheus.Registry
}

// Handler returns the handler of a site.
func (s Site) Handler() (http.Handler, error) {
	panics := promauto.With(s.Registry).NewCounter(prometheus.CounterOpts{
		Name: "podflame_http_panics_total", Help: "Requests that failed by a panic.",
	})
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.Use(s.recovery(panics))
	engine.GET("/livez", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	engine.GET("/readyz", s.readyz)
	engine.GET("/metrics", gin.WrapH(promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})))
	for _, part := range s.API {
		part.Routes(engine)
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
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			compressed.ServeHTTP(w, r)
			return
		}
		engine.ServeHTTP(w, r) // uploads need the deadlines of the bare writer
	}), nil
}

func (s Site) readyz(c *gin.Context) {
	if err := s.Ready(c.Request.Context()); err != nil {
		api.WriteError(c.Writer, err)
		return
	}
	c.String(http.StatusOK, "ok\n")
}

func (s Site) noRoute(c *gin.Context) {
	path := c.Request.URL.Path
	reading := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead
	if path == "/api" || strings.HasPrefix(path, "/api/") || !reading {
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
