package ingest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

func (in *Ingest) putTargets(c *gin.Context, sender auth.Sender) error {
	body, release, err := in.body(c.Writer, c.Request, sourceOf(sender, c.Request), in.Limits.Report)
	if err != nil {
		return err
	}
	defer release()
	report, err := profile.DecodeReport(body)
	if err != nil {
		return fmt.Errorf("report of %d bytes: %w", len(body), err)
	}
	for i := range report.Targets {
		if err := sender.Own(&report.Targets[i].Identity); err != nil {
			return err
		}
	}
	targets, err := in.statuses(report)
	if err != nil {
		return err
	}
	if err := in.Store.PutTargets(context.WithoutCancel(c.Request.Context()), targets); err != nil {
		return in.storeError(err)
	}
	in.metrics.reports.WithLabelValues(string(store.Accepted), "").Inc()
	why, err := in.Pauses.Why(report)
	if err != nil && in.logged.Allow() {
		in.Log.Error("pauses cannot be read; those that were read before hold", "error", err)
	}
	if why != "" {
		c.JSON(http.StatusOK, profile.ReportAnswer{Paused: why})
		return nil
	}
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	return nil
}

// statuses turns a report into the rows of the store. What has no column is
// kept in Extra, as a report with this one target.
func (in *Ingest) statuses(r *profile.Report) ([]store.TargetStatus, error) {
	list := make([]store.TargetStatus, 0, len(r.Targets))
	for _, t := range r.Targets {
		alone := *r
		alone.Targets = []profile.TargetReport{t}
		extra, err := profile.EncodeReport(&alone)
		if err != nil {
			return nil, err
		}
		s := store.TargetStatus{
			Target: t.Identity, State: string(t.State.State), Reason: in.words.known(t.State.Reason), Detail: t.State.Detail,
			Session: t.State.Session, Profiler: t.State.ProfilerVersion, Sidecar: r.Version, Extra: string(extra),
			Since: t.State.Since, WindowLength: time.Duration(t.State.WindowSeconds) * time.Second,
			SpoolWindows: int64(r.Spool.Windows), SpoolBytes: r.Spool.Bytes,
		}
		if r.Spool.OldestSeconds > 0 {
			s.SpoolOldest = r.ReportedAt.Add(-time.Duration(r.Spool.OldestSeconds * float64(time.Second)))
		}
		if t.State.LastWindowEnd != nil {
			s.LastEnd = *t.State.LastWindowEnd
		}
		for _, event := range t.State.Events {
			if known, err := profile.ParseType(event); err == nil {
				s.Events = append(s.Events, known)
			}
		}
		list = append(list, s)
	}
	return list, nil
}
