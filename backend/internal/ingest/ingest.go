package ingest

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// Store keeps what arrives. Its errors are *store.Error.
type Store interface {
	Insert(ctx context.Context, w *profile.Window) (store.Result, error)
	PutTargets(ctx context.Context, targets []store.TargetStatus) error
	Record(e store.Event)
}

// Config is what New needs. Zero Limits are not replaced.
type Config struct {
	Store    Store
	Auth     *TokenFile // nil lets everybody write
	Limits   Limits
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger
	Registry prometheus.Registerer
}

// Ingest is the write side of the API. It is safe for concurrent use.
type Ingest struct {
	Config
	inFlight *semaphore.Weighted // bytes
	decoding *semaphore.Weighted // windows
	metrics  *metrics
	tally    *tally
	logged   *rate.Limiter
}

// New returns an Ingest.
func New(cfg Config) *Ingest {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	in := &Ingest{
		Config:   cfg,
		inFlight: semaphore.NewWeighted(cfg.Limits.BytesInFlight),
		decoding: semaphore.NewWeighted(int64(cfg.Limits.Decoding)),
		tally:    newTally(cfg.Now()),
		logged:   rate.NewLimiter(10, 50),
	}
	in.metrics = newMetrics(cfg.Registry, cfg.Limits, func() float64 { return float64(in.tally.inFlight.Load()) })
	return in
}

// Routes adds the routes of ingest.
func (in *Ingest) Routes(r gin.IRouter) {
	r.POST("/api/v1/windows", in.handle(profile.ContentType, in.putWindow))
	r.POST("/api/v1/targets", in.handle("application/json", in.putTargets))
}

// handle authenticates and checks the media type, then answers what next
// returns as an error. Asking for a media type that no HTML form can send keeps
// web pages from writing through a user's browser.
func (in *Ingest) handle(mediaType string, next func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := in.authenticate(c.Request)
		if err == nil && c.ContentType() != mediaType {
			err = api.Errorf(profile.Malformed, "Content-Type is %.80q, not %q", c.ContentType(), mediaType)
		}
		if err == nil {
			err = next(c)
		}
		if err != nil {
			in.refuse(c, mediaType == profile.ContentType, api.AsError(err))
		}
	}
}

func (in *Ingest) authenticate(r *http.Request) error {
	if in.Auth == nil {
		return nil
	}
	return in.Auth.Check(r.Header.Get("Authorization"))
}

// refuse answers with an error and counts it.
func (in *Ingest) refuse(c *gin.Context, isWindow bool, e *api.Error) {
	outcome := store.Rejected
	if e.RetryAfter > 0 {
		outcome = store.Retryable
	}
	if isWindow {
		in.metrics.windows.WithLabelValues(string(outcome), string(e.Code)).Inc()
		in.tally.refused(outcome, e.Code)
		in.Store.Record(store.Event{Outcome: outcome, Reason: e.Code, Windows: 1, Bytes: max(c.Request.ContentLength, 0)})
	} else {
		in.metrics.reports.WithLabelValues(string(outcome), string(e.Code)).Inc()
	}
	if in.logged.Allow() { // the counters have all of them
		in.Log.Warn("upload refused", "path", c.FullPath(), "outcome", outcome, "reason", e.Code,
			"error", e, "remote", c.Request.RemoteAddr)
	}
	api.WriteError(c.Writer, e)
}
