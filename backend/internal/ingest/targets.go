package ingest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

func (in *Ingest) putTargets(c *gin.Context) error {
	body, release, err := in.body(c.Writer, c.Request, in.Limits.Report)
	if err != nil {
		return err
	}
	defer release()
	report, err := profile.DecodeReport(body)
	if err != nil {
		return fmt.Errorf("report of %d bytes: %w", len(body), err)
	}
	targets, err := statuses(report)
	if err != nil {
		return err
	}
	if err := in.Store.PutTargets(context.WithoutCancel(c.Request.Context()), targets); err != nil {
		return in.storeError(err)
	}
	in.metrics.reports.WithLabelValues(string(store.Accepted), "").Inc()
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	return nil
}

// statuses turns a report into the rows of the store. What has no column is
// kept in Extra, as a report with this one target.
func statuses(r *profile.Report) ([]store.TargetStatus, error) {
	list := make([]store.TargetStatus, 0, len(r.Targets))
	for _, t := range r.Targets {
		alone := *r
		alone.Targets = []profile.TargetReport{t}
		extra, err := profile.EncodeReport(&alone)
		if err != nil {
			return nil, err
		}
		s := store.TargetStatus{
			Target: t.Identity, State: string(t.State.State), Reason: t.State.Reason, Detail: t.State.Detail,
			Session: t.State.Session, Profiler: t.State.ProfilerVersion, Sidecar: r.Version, Extra: string(extra),
			SpoolWindows: int64(r.Spool.Windows), SpoolBytes: r.Spool.Bytes,
		}
		if r.Spool.OldestSeconds > 0 {
			s.SpoolOldest = r.ReportedAt.Add(-time.Duration(r.Spool.OldestSeconds * float64(time.Second)))
		}
		if t.State.LastWindowEnd != nil {
			s.LastWindow = *t.State.LastWindowEnd
		}
		list = append(list, s)
	}
	return list, nil
}
