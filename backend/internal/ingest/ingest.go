package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/podflame/podflame/backend/internal/quota"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// Store keeps what arrives. Its errors are *store.Error.
type Store interface {
	Insert(ctx context.Context, w *profile.Window) (store.Result, error)
	// Announce says that Insert may be called soon; answered, that this is over.
	Announce() (answered func())
	PutTargets(ctx context.Context, targets []store.TargetStatus) error
	Record(e store.Event)
}

// Config is what New needs. Limits count as they are: 0 is no default.
type Config struct {
	Store    Store
	Senders  auth.Senders // says who uploads; nil is auth.Anyone
	Pauses   *Pauses      // what must not be profiled; nil pauses nothing
	Limits   Limits
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger
	Registry prometheus.Registerer
}

// Ingest is the write side of the API. It is safe for concurrent use.
type Ingest struct {
	Config
	bodies   *budget                // being received or decoded
	memory   *pool                  // of windows that are being decoded or stored
	uploads  *budget                // being answered, windows and reports
	pods     *quota.Quota[auth.Pod] // uploads in progress: a sidecar sends one window and one report at a time
	decoding *turns                 // windows
	metrics  *metrics
	tally    *tally
	refused  *refusals
	logged   *rate.Limiter
	words    vocabulary
}

// New returns an Ingest.
func New(cfg Config) *Ingest {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Senders == nil {
		cfg.Senders = auth.Anyone{}
	}
	in := &Ingest{
		Config:   cfg,
		bodies:   newBudget("bytes in flight", cfg.Limits.BytesInFlight),
		memory:   newPool("memory of windows", cfg.Limits.Memory),
		uploads:  newBudget("uploads in progress", int64(cfg.Limits.Uploads)),
		pods:     quota.New[auth.Pod](cfg.Limits.UploadsPerPod),
		decoding: newTurns(cfg.Limits.Decoding),
		tally:    newTally(cfg.Now()),
		refused:  newRefusals(),
		logged:   rate.NewLimiter(10, 50),
		words:    newVocabulary(),
	}
	in.metrics = newMetrics(cfg.Registry, cfg.Limits,
		func() float64 { return float64(in.bodies.inUse()) }, func() float64 { return float64(in.memory.inUse()) })
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
func (in *Ingest) handle(mediaType string, next func(*gin.Context, auth.Sender) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header(profile.FormatHeader, profile.Format)
		sender, err := in.Senders.Sender(c.Request)
		if err == nil && c.ContentType() != mediaType {
			err = api.Errorf(profile.Malformed, "Content-Type is %.80q, not %q", c.ContentType(), mediaType)
		}
		if err == nil {
			err = in.admitted(c, sender, next)
		}
		if err != nil {
			in.refuse(c, sender, mediaType == profile.ContentType, api.AsError(err))
		}
	}
}

// admitted calls next if there is room for another upload of the sender.
func (in *Ingest) admitted(c *gin.Context, sender auth.Sender, next func(*gin.Context, auth.Sender) error) error {
	source := sourceOf(sender, c.Request)
	if err := in.uploads.try(source, 1); err != nil {
		return in.overloaded(err)
	}
	defer in.uploads.give(source, 1)
	if pod := sender.Pod(); pod != nil {
		if limit := int64(in.pods.Limit()); !in.pods.Enter(*pod) {
			return api.Exceeded(profile.SourceLimit, "uploads in progress of the pod", limit+1, limit).Retry(in.Limits.RetryAfter)
		}
		defer in.pods.Leave(*pod)
	}
	return next(c, sender)
}

// refuse answers with an error and counts it.
func (in *Ingest) refuse(c *gin.Context, sender auth.Sender, isWindow bool, e *api.Error) {
	outcome := store.Rejected
	if e.RetryAfter > 0 {
		outcome = store.Retryable
	}
	if isWindow {
		in.metrics.windows.WithLabelValues(string(outcome), string(e.Code)).Inc()
		in.tally.refused(namespaceOf(sender), outcome, e.Code)
		in.Store.Record(store.Event{Outcome: outcome, Reason: e.Code, Windows: 1, Bytes: max(c.Request.ContentLength, 0)})
	} else {
		in.metrics.reports.WithLabelValues(string(outcome), string(e.Code)).Inc()
	}
	if outcome == store.Rejected {
		in.refused.add(in.Now(), sender, c.Request.RemoteAddr, e)
	}
	if in.logged.Allow() { // the counters have all of them
		in.Log.Warn("upload refused", "path", c.FullPath(), "outcome", outcome, "reason", e.Code,
			"error", e, "pod", sender.Pod(), "remote", c.Request.RemoteAddr)
	}
	api.WriteError(c.Writer, e)
}

// namespaceOf is the namespace of a sender; empty if it is not known.
func namespaceOf(sender auth.Sender) string {
	if pod := sender.Pod(); pod != nil {
		return pod.Namespace
	}
	return ""
}
