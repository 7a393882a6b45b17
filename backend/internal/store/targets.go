package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/profile"
)

const targetColumns = `cluster, namespace, service, series_id, version, pod, pod_uid, node, container, pid, jvm_start, jvm_version, main_class,
  state, reason, detail, since, session, window_s, events, profiler, sidecar, extra, spool_windows, spool_bytes, spool_oldest, last_window`

// PutTargets stores what a sidecar reported, replacing what was known.
func (s *Store) PutTargets(ctx context.Context, targets []TargetStatus) error {
	if len(targets) == 0 {
		return nil
	}
	err := s.bounded(ctx, s.limits.InsertTimeout, func(ctx context.Context) (err error) {
		rows, err := s.begin(ctx, "INSERT INTO @.targets ("+targetColumns+")", nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for i := range targets {
			if err := rows.Append(targetRow(&targets[i])...); err != nil {
				return fmt.Errorf("%w: %w", clickhouse.ErrBatchInvalid, err)
			}
		}
		return rows.Send()
	})
	if err = classify("store the status of targets", writing, err); err != nil {
		s.metrics.failed(err)
	}
	return err
}

func targetRow(t *TargetStatus) []any {
	return []any{
		t.Cluster, t.Namespace, t.Service, t.Target.SeriesID(), t.Version, t.Pod, t.PodUID, t.Node, t.Container, uint32(t.PID),
		storable(t.JVMStart), t.JVMVersion, t.MainClass,
		t.State, string(t.Reason), t.Detail, storable(t.Since), t.Session, uint32(t.WindowLength / time.Second), typeNames(t.Events), t.Profiler, t.Sidecar, t.Extra,
		t.SpoolWindows, t.SpoolBytes, storable(t.SpoolOldest), storable(t.LastEnd),
	}
}

func typeNames(types []profile.Type) []string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return names
}

// Targets lists what is known of targets, latest report first, and whether
// there are more than Limits.Targets, or of one namespace more than three quarters of
// that.
func (s *Store) Targets(ctx context.Context, f TargetFilter) (list []TargetStatus, truncated bool, cost Cost, err error) {
	limit := s.limits.Targets
	var all []TargetStatus // not results: a read that was given up may still write them
	cut := false
	cost, err = s.reading(ctx, "list targets", func(ctx context.Context, r *read) error {
		narrow, args := oneOf(f.Clusters, f.Namespaces)
		args = args.with("since", storable(f.Since).UnixMilli())
		if f.Service != "" {
			narrow, args = narrow+" AND service = {service:String}", args.with("service", f.Service)
		}
		part := ofNamespace(limit, f.Namespaces)
		of := map[[2]string]int{}
		statement := "SELECT " + targetColumns + ", reported_at FROM @.targets FINAL WHERE reported_at >= fromUnixTimestamp64Milli({since:Int64})" + narrow +
			fmt.Sprintf(" ORDER BY reported_at DESC, series_id LIMIT %d BY cluster, namespace LIMIT %d", part+1, limit+1)
		return rowsOf(ctx, r, statement, args, func(one *storedTarget) error {
			where := [2]string{one.Cluster, one.Namespace}
			if of[where]++; of[where] > part {
				cut = true
				return nil
			}
			all = append(all, one.status())
			return nil
		})
	})
	if err != nil {
		return nil, false, cost, err
	}
	return all[:min(len(all), limit)], cut || len(all) > limit, cost, nil
}

// WindowLength is the longest window of the targets of a service that have reported since
// a time; 0 if none is known. Those of before may have had others.
func (s *Store) WindowLength(ctx context.Context, key ServiceKey, since time.Time) (time.Duration, error) {
	answer := make(chan uint32, 1) // not shared with a read that was given up
	_, err := s.reading(ctx, "read the length of windows", func(ctx context.Context, r *read) error {
		args := key.params().with("since", storable(since).UnixMilli())
		return r.query(ctx, "SELECT max(window_s) FROM @.targets FINAL WHERE "+scoped+" AND reported_at >= fromUnixTimestamp64Milli({since:Int64})", args, func(row driver.Rows) error {
			var length uint32
			err := row.Scan(&length)
			answer <- length
			return err
		})
	})
	if err != nil {
		return 0, err
	}
	return time.Duration(<-answer) * time.Second, nil
}

// storedTarget is what a row of targetColumns holds, with the time of the report.
type storedTarget struct {
	Cluster      string    `ch:"cluster"`
	Namespace    string    `ch:"namespace"`
	Service      string    `ch:"service"`
	SeriesID     uint64    `ch:"series_id"`
	Version      string    `ch:"version"`
	Pod          string    `ch:"pod"`
	PodUID       string    `ch:"pod_uid"`
	Node         string    `ch:"node"`
	Container    string    `ch:"container"`
	PID          uint32    `ch:"pid"`
	JVMStart     time.Time `ch:"jvm_start"`
	JVMVersion   string    `ch:"jvm_version"`
	MainClass    string    `ch:"main_class"`
	State        string    `ch:"state"`
	Reason       string    `ch:"reason"`
	Detail       string    `ch:"detail"`
	Since        time.Time `ch:"since"`
	Session      string    `ch:"session"`
	WindowS      uint32    `ch:"window_s"`
	Events       []string  `ch:"events"`
	Profiler     string    `ch:"profiler"`
	Sidecar      string    `ch:"sidecar"`
	Extra        string    `ch:"extra"`
	SpoolWindows int64     `ch:"spool_windows"`
	SpoolBytes   int64     `ch:"spool_bytes"`
	SpoolOldest  time.Time `ch:"spool_oldest"`
	LastWindow   time.Time `ch:"last_window"`
	ReportedAt   time.Time `ch:"reported_at"`
}

func (r *storedTarget) status() TargetStatus {
	t := TargetStatus{
		Target: profile.Target{
			Cluster: r.Cluster, Namespace: r.Namespace, Service: r.Service, Version: r.Version, Pod: r.Pod, PodUID: r.PodUID,
			Node: r.Node, Container: r.Container, PID: int(r.PID), JVMStart: orZero(r.JVMStart), JVMVersion: r.JVMVersion, MainClass: r.MainClass,
		},
		SeriesID: r.SeriesID, State: r.State, Reason: profile.Reason(r.Reason), Detail: r.Detail, Since: orZero(r.Since),
		Session: r.Session, WindowLength: time.Duration(r.WindowS) * time.Second, Profiler: r.Profiler, Sidecar: r.Sidecar, Extra: r.Extra,
		SpoolWindows: r.SpoolWindows, SpoolBytes: r.SpoolBytes, SpoolOldest: orZero(r.SpoolOldest), LastEnd: orZero(r.LastWindow), ReportedAt: r.ReportedAt,
	}
	for _, name := range r.Events {
		t.Events = append(t.Events, profile.Type(name))
	}
	return t
}
