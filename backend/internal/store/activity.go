package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/profile"
)

// Activity is what a service did in a range, short enough for a list of
// services.
type Activity struct {
	Windows       WindowCount // Stored is those with a ledger of any type
	WindowSeconds int         // length of the longest windows
	Steps         map[profile.Type][]ActivityStep
	// Losses are those of all types and those that no type can claim. Value is
	// 0, as the types have no unit in common.
	Losses []profile.Loss
}

// ActivityStep is one step of a type.
type ActivityStep struct {
	Stored  profile.Amount
	Windows int64 // with a ledger of the type
}

// Activity returns what each service did in a range, by steps. It knows the
// services that Services returns; of targets, at most Limits.Targets are
// counted.
func (s *Store) Activity(ctx context.Context, f ServiceFilter, step time.Duration) (map[ServiceKey]*Activity, Cost, error) {
	const op = "read the activity of services"
	if err := s.checkSteps(op, f.Range, step); err != nil {
		return nil, Cost{}, err
	}
	var all *activities
	cost, err := s.reading(ctx, op, func(ctx context.Context, r *read) error {
		from, to := f.seconds()
		all = &activities{span: seconds{from, to}, step: int64(step / time.Second), of: map[ServiceKey]*Activity{}, boards: map[ServiceKey]*board{}}
		if err := r.activeSteps(ctx, f, all); err != nil {
			return fmt.Errorf("sum up steps: %w", err)
		}
		if err := r.activeLosses(ctx, f, all); err != nil {
			return fmt.Errorf("read losses: %w", err)
		}
		if err := r.activeTargets(ctx, f, all); err != nil {
			return fmt.Errorf("count windows: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, cost, err
	}
	return all.settled(), cost, nil
}

// activities are a list while it is being filled. A board of one cell per
// service works out which windows are missing.
type activities struct {
	span   seconds
	step   int64
	of     map[ServiceKey]*Activity
	boards map[ServiceKey]*board
}

func (a *activities) get(key ServiceKey) (*Activity, *board) {
	if a.of[key] == nil {
		a.of[key] = &Activity{Steps: map[profile.Type][]ActivityStep{}}
		a.boards[key] = &board{span: a.span, step: a.span.to - a.span.from, cells: make([]boardCell, 1)}
	}
	return a.of[key], a.boards[key]
}

func (a *activities) settled() map[ServiceKey]*Activity {
	for key, one := range a.of {
		b := a.boards[key]
		b.settle()
		one.Windows, one.WindowSeconds = b.cells[0].windows, int(b.length)
		one.Losses = profile.AddLosses(one.Losses, b.cells[0].losses...)
	}
	return a.of
}

func (r *read) activeSteps(ctx context.Context, f ServiceFilter, all *activities) error {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	cells := (all.span.to - all.span.from + all.step - 1) / all.step
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, type, intDiv(toUnixTimestamp(window_start) - %d, %d) AS cell,
  sum(stored_value), sum(stored_count), toInt64(count())
FROM @.profiles FINAL WHERE type != '' AND %s%s GROUP BY cluster, namespace, service, type, cell LIMIT %d`,
		all.span.from, all.step, startsIn("window_start", all.span), narrow, int64(r.store.limits.Services)*cells*int64(len(profile.Types())))
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		var key ServiceKey
		var of string
		var cell int64
		var one ActivityStep
		if err := row.Scan(&key.Cluster, &key.Namespace, &key.Service, &of, &cell, &one.Stored.Value, &one.Stored.Count, &one.Windows); err != nil {
			return err
		}
		a, _ := all.get(key)
		if a.Steps[profile.Type(of)] == nil {
			a.Steps[profile.Type(of)] = make([]ActivityStep, cells)
		}
		a.Steps[profile.Type(of)][cell] = one
		return nil
	})
}

func (r *read) activeLosses(ctx context.Context, f ServiceFilter, all *activities) error {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, o, e, sum(c), sum(d), sum(y) FROM @.profiles FINAL
ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y
WHERE %s%s GROUP BY cluster, namespace, service, o, e`, startsIn("window_start", all.span), narrow)
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		var key ServiceKey
		var outcome uint8
		var reason string
		var duration int64
		var l profile.Loss
		if err := row.Scan(&key.Cluster, &key.Namespace, &key.Service, &outcome, &reason, &l.Count, &duration, &l.Bytes); err != nil {
			return err
		}
		l.Outcome, l.Reason, l.Duration = profile.Outcome(outcome), profile.Reason(reason), time.Duration(duration)
		a, _ := all.get(key)
		a.Losses = profile.AddLosses(a.Losses, l)
		return nil
	})
}

// activeTargets counts the windows of each target as the timeline does.
func (r *read) activeTargets(ctx context.Context, f ServiceFilter, all *activities) error {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	wide := seconds{max(all.span.from-lookBack, 0), all.span.to}
	statement := fmt.Sprintf(`SELECT w.cluster, w.namespace, w.service, w.first, w.last, w.length, w.stored, w.lost,
  toInt64(toUnixTimestamp(t.until)), toInt64(toUnixTimestamp(now())) FROM (
  SELECT cluster, namespace, service, series_id, min(at) AS first, max(at + length_s) AS last, max(length_s) AS length,
    toInt64(countIf(at >= %d AND has)) AS stored, toInt64(countIf(at >= %d AND NOT has)) AS lost FROM (
    SELECT cluster, namespace, service, series_id, toInt64(toUnixTimestamp(window_start)) AS at,
      toInt64(max(duration_s)) AS length_s, max(notEmpty(types) AND `+recorded+`) AS has
    FROM @.profiles FINAL WHERE type = '' AND %s%s GROUP BY cluster, namespace, service, series_id, window_start
  ) GROUP BY cluster, namespace, service, series_id
) AS w LEFT JOIN (SELECT series_id, `+aliveUntil+` FROM @.targets GROUP BY series_id) AS t ON t.series_id = w.series_id LIMIT %d`,
		all.span.from, all.span.from, startsIn("window_start", wide), narrow, r.store.limits.Targets)
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		var key ServiceKey
		var first, last, length, stored, lost, until, now int64
		if err := row.Scan(&key.Cluster, &key.Namespace, &key.Service, &first, &last, &length, &stored, &lost, &until, &now); err != nil {
			return err
		}
		_, b := all.get(key)
		b.cells[0].windows.Stored += stored
		b.cells[0].windows.Lost += lost
		b.expect(seconds{first, max(last, until/length*length)}, length, now)
		return nil
	})
}
