package push

import (
	"context"
	"log/slog"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/spool"
)

// ReportSender delivers a report; Client is one.
type ReportSender interface {
	Report(ctx context.Context, r *profile.Report) (profile.ReportAnswer, error)
}

// Reporter delivers the state of the targets at a fixed interval. A report is
// a picture of now: one that fails is not repeated, the next one replaces it. The
// first that succeeds after that wakes the Pusher.
type Reporter struct {
	To       ReportSender
	Source   func() profile.Report // the targets, without the state of the spool
	Obey     func(profile.ReportAnswer)
	Spool    *spool.Spool
	Pusher   *Pusher
	Interval time.Duration
	Log      *slog.Logger

	failed bool // the last report
}

// Run reports now and then at each interval, until ctx ends.
func (r *Reporter) Run(ctx context.Context) {
	tick := time.NewTicker(r.Interval)
	defer tick.Stop()
	for {
		r.Once(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Once delivers one report.
func (r *Reporter) Once(ctx context.Context) {
	report := r.Source()
	stats := r.Spool.Stats()
	report.ReportedAt = time.Now().UTC()
	report.Spool = profile.Spool{
		Windows: stats.Windows, Bytes: stats.Bytes, LimitBytes: stats.LimitBytes,
		OldestSeconds: stats.Oldest.Seconds(), DroppedWindows: stats.Dropped, LastPushError: r.Pusher.LastError(),
	}
	answer, err := r.To.Report(ctx, &report)
	if err == nil {
		r.Obey(answer)
	}
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("report on targets not delivered", "error", err)
	}
	if err == nil && r.failed {
		r.Pusher.Wake()
	}
	r.failed = err != nil
}
