package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/podflame/podflame/backend/profile"
)

// found is a window that the store has.
type found struct {
	key     windowKey
	content uint64
	stored  map[profile.Type]profile.Amount
}

// lookUp says which windows of a group the store has already, and settles them.
// It need not find all: a window that is written again nevertheless counts once,
// see commitIDs. Windows are looked for by id on the days of the group.
func (s *Store) lookUp(ctx context.Context, group []*pending) ([]verdict, error) {
	have, err := s.headersByID(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("look for windows: %w", err)
	}
	verdicts := make([]verdict, len(group))
	for i, p := range group {
		for _, f := range have[p.name()] {
			if f.key == p.key() {
				verdicts[i] = verdict{settled: true, Result: Result{
					Duplicate: true, Stored: f.stored, Conflict: f.content != 0 && f.content != p.content,
				}}
				break
			}
			verdicts[i] = verdict{settled: true, err: errTaken(p.batch)}
		}
	}
	return verdicts, nil
}

// errTaken refuses a window whose id belongs to another one of its pod.
func errTaken(b *batch) error {
	return &Error{Class: IDTaken, Op: "store window " + b.window.ID.String(),
		Err: errors.New("the id is that of a window of the same pod with another target, service or start")}
}

// headersByID finds the headers with the ids of a group. As there are hardly ever any,
// a small query asks for that first.
func (s *Store) headersByID(ctx context.Context, group []*pending) (map[windowName][]*found, error) {
	those := " FROM @.profiles WHERE " + withIDs(group)
	if some, err := s.has(ctx, "SELECT 1"+those+" LIMIT 1"); err != nil || !some {
		return nil, err
	}
	rows, err := s.conn.Query(ctx, s.sql(`SELECT window_id, if(pod_uid = '', pod, pod_uid) AS pod_name, cluster, namespace, service, series_id, toInt64(toUnixTimestamp(window_start)) AS start, type,
  argMax(content, received_at) AS hash, argMax(stored_value, received_at) AS sv, argMax(stored_count, received_at) AS sc`+those+`
GROUP BY window_id, pod_name, cluster, namespace, service, series_id, window_start, type`))
	if err != nil {
		return nil, err
	}
	have := map[windowName][]*found{}
	err = eachOf(rows, func(one *foundHeader) error {
		enter(have, one.name(), one.found(), profile.Type(one.Type), profile.Amount{Value: one.StoredValue, Count: one.StoredCount})
		return nil
	})
	return have, err
}

// foundHeader is a header with the id of a window.
type foundHeader struct {
	ID          string `ch:"window_id"`
	Pod         string `ch:"pod_name"`
	Cluster     string `ch:"cluster"`
	Namespace   string `ch:"namespace"`
	Service     string `ch:"service"`
	Series      uint64 `ch:"series_id"`
	Start       int64  `ch:"start"`
	Type        string `ch:"type"`
	Content     uint64 `ch:"hash"`
	StoredValue int64  `ch:"sv"`
	StoredCount int64  `ch:"sc"`
}

func (h *foundHeader) name() windowName {
	return windowName{h.Cluster, h.Namespace, h.Pod, profile.WindowID([]byte(h.ID))}
}

func (h *foundHeader) found() *found {
	return &found{key: windowKey{ServiceKey{h.Cluster, h.Namespace, h.Service}, slot{h.Series, h.Start}}, content: h.Content}
}

// has reports whether a query has a row.
func (s *Store) has(ctx context.Context, query string) (bool, error) {
	rows, err := s.conn.Query(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1})), s.sql(query))
	if err != nil {
		return false, err
	}
	some := rows.Next()
	return some, errors.Join(rows.Err(), rows.Close())
}

// withIDs is the condition on headers with the ids of a group, on its days.
func withIDs(group []*pending) string {
	ids := make([]string, len(group))
	first, last := group[0].day, group[0].day
	for i, p := range group {
		ids[i] = "unhex('" + p.window.ID.String() + "')"
		if p.day.Before(first) {
			first = p.day
		}
		if p.day.After(last) {
			last = p.day
		}
	}
	return "window_id IN (" + strings.Join(ids, ", ") + ") AND " + startsIn("window_start", seconds{first.Unix(), last.Add(24 * time.Hour).Unix()})
}

// enter adds a header to what was found.
func enter(have map[windowName][]*found, name windowName, f *found, of profile.Type, a profile.Amount) {
	for _, other := range have[name] {
		if other.key == f.key {
			f = other
		}
	}
	if f.stored == nil {
		f.stored = map[profile.Type]profile.Amount{}
		have[name] = append(have[name], f)
	}
	if of != "" {
		f.stored[of] = a
	}
}
