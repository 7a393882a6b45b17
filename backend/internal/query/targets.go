package query

import (
	"context"
	"fmt"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

func (q *Query) targets(ctx context.Context, r request) (any, error) {
	filter := store.TargetFilter{Service: r.sel.Service, Since: q.Now().Add(-q.Limits.Retention)}
	if r.has["cluster"] {
		filter.Clusters = []string{r.sel.Cluster}
	}
	if r.has["namespace"] {
		filter.Namespaces = []string{r.sel.Namespace}
	}
	list, truncated, _, err := q.Catalog.Targets(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := api.Targets{Targets: make([]api.Target, 0, len(list)), Truncated: truncated}
	for _, t := range list {
		out.Targets = append(out.Targets, q.target(t))
	}
	return out, nil
}

// target is what the API says of a target. Ingest keeps the whole report in
// Extra; a row without one, of an older backend, has its columns only.
func (q *Query) target(t store.TargetStatus) api.Target {
	out := api.Target{
		Series: fmt.Sprintf("%016x", t.SeriesID), Identity: t.Target, SidecarVersion: t.Sidecar, ReportedAt: t.ReportedAt.UTC(),
		State: profile.TargetState{State: profile.State(t.State), Reason: t.Reason, Detail: t.Detail, Session: t.Session, ProfilerVersion: t.Profiler},
		Spool: profile.Spool{Windows: int(t.SpoolWindows), Bytes: t.SpoolBytes},
	}
	if report, err := profile.DecodeReport([]byte(t.Extra)); err == nil && len(report.Targets) == 1 {
		out.Sidecar, out.Spool, out.State = report.Instance, report.Spool, report.Targets[0].State
	}
	if out.State.Events == nil {
		out.State.Events = []string{}
	}
	if out.State.Reason != "" {
		text := profile.Explain(out.State.Reason)
		out.Reason = &text
	}
	out.Silent = out.State.State != profile.StateGone && q.Now().Sub(t.ReportedAt) > patience(min(out.State.WindowSeconds, defaultWindowSeconds))
	return out
}

// patience is how long after the end of a window nothing need have arrived: several
// windows. Reports come several times in a minute, however long windows are.
func patience(windowSeconds int) time.Duration {
	return 3*time.Duration(max(windowSeconds, 10))*time.Second + 15*time.Second
}
