package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

const (
	// hourCloses is how long after its end an hour is rolled up first.
	hourCloses = 5 * time.Minute
	// rollupBatch bounds the hours that are looked up at a time.
	rollupBatch = 500
	// rollupTimeout bounds one hour of one service.
	rollupTimeout = 5 * time.Minute
	// fullSearchEvery is how often hours are looked for over the whole
	// retention; in between only over the last two days.
	fullSearchEvery = time.Hour
)

// dirtyHour is an hour of a service that waits for its roll-up.
type dirtyHour struct {
	ServiceKey
	from int64 // Unix s
}

type dirtyRow struct {
	Cluster   string `ch:"cluster"`
	Namespace string `ch:"namespace"`
	Service   string `ch:"service"`
	From      int64  `ch:"from_s"`
}

// dirtyHours finds closed hours that are dirty, the latest first, without the
// first ones. An hour that was rolled up before waits until no window has come
// for a while.
func (r *read) dirtyHours(ctx context.Context, span seconds, without int) ([]dirtyHour, error) {
	statement := fmt.Sprintf("SELECT cluster, namespace, service, toInt64(toUnixTimestamp(hour)) AS from_s FROM ("+hourStates+`)
WHERE last_at > toDateTime64(0, 3, 'UTC') AND rolled_at < last_at + toIntervalMillisecond(%d) AND last_at + toIntervalMillisecond(%d) <= now64(3)
ORDER BY hour DESC, namespace, service, cluster LIMIT %d OFFSET %d`,
		startsIn("hour", span), startsIn("window_start", span), r.store.skew.Milliseconds(), r.store.skew.Milliseconds(), rollupBatch, without)
	var out []dirtyHour
	err := rowsOf(ctx, r, statement, nil, func(one *dirtyRow) error {
		out = append(out, dirtyHour{ServiceKey{one.Cluster, one.Namespace, one.Service}, one.From})
		return nil
	})
	return out, err
}

// rollupDue rolls up what is dirty among the hours that were closed at now, and
// returns how many hours that were. Hours that fail are passed over: they wait,
// and the others do not.
func (s *Store) rollupDue(ctx context.Context, now time.Time, over time.Duration) (done int, err error) {
	span := seconds{now.Add(-over).Unix() / 3600 * 3600, now.Add(-hourCloses).Unix() / 3600 * 3600}
	s.setbacks.forgetBefore(now.Add(-s.Retention() - 24*time.Hour))
	var failures []error
	passed := 0 // those are still dirty, and the first in the order
	for {
		var dirty []dirtyHour
		_, err := s.reading(own(ctx), "look for hours to roll up", func(ctx context.Context, r *read) (err error) {
			dirty, err = r.dirtyHours(ctx, span, passed)
			return err
		})
		if err != nil {
			return done, errors.Join(append(failures, err)...)
		}
		for _, d := range dirty {
			if s.setbacks.waits(d, now) {
				passed++
				continue
			}
			err := s.bounded(ctx, rollupTimeout, func(ctx context.Context) error { return s.rollup(ctx, d) })
			if err == nil {
				s.setbacks.forget(d)
				s.metrics.rollups.Inc()
				done++
				continue
			}
			s.metrics.rollupFailures.Inc()
			failed := classify(fmt.Sprintf("roll up %s of service %q", time.Unix(d.from, 0).UTC().Format(time.DateTime), d.Service), writing, err)
			if ctx.Err() != nil || !aboutHour(err) {
				return done, errors.Join(append(failures, failed)...)
			}
			s.setbacks.note(d, now)
			if passed++; len(failures) < maxToldFailures {
				failures = append(failures, failed)
			}
		}
		if len(dirty) < rollupBatch {
			return done, errors.Join(failures...)
		}
	}
}

// maxToldFailures bounds the errors of one run that are told.
const maxToldFailures = 3

// aboutHour reports whether an error is about the hour that was rolled up, so that
// another one may well succeed.
func aboutHour(err error) bool {
	exception, ok := errors.AsType[*clickhouse.Exception](err)
	return byContent(err) || errors.Is(err, context.DeadlineExceeded) || ok && exception.Code == timeoutExceeded
}

// timeoutExceeded is the exception that a statement took too long.
const timeoutExceeded = 159

// rollup sums one hour of one service. It may be repeated and may run in many
// backends: of equal rows the latest counts, and an hour never loses samples.
func (s *Store) rollup(ctx context.Context, d dirtyHour) error {
	var at int64
	if err := s.conn.QueryRow(ctx, "SELECT toUnixTimestamp64Milli(now64(3))").Scan(&at); err != nil {
		return err
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_memory_usage":                   s.limits.QueryMemory,
		"max_bytes_before_external_group_by": s.limits.QueryMemory / 2,
		"max_execution_time":                 int(rollupTimeout.Seconds()),
		"max_threads":                        1,
		"async_insert":                       0,
	}))
	span := seconds{d.from, d.from + 3600}
	statement := fmt.Sprintf(`INSERT INTO @.samples_1h_by_version (cluster, namespace, service, type, hour, version, stack_id, value, count, rolled_at)
SELECT cluster, namespace, service, type, toStartOfHour(window_start) AS hour, version, stack_id, sum(value), sum(count), fromUnixTimestamp64Milli(%d, 'UTC')
FROM @(SELECT s.cluster AS cluster, s.namespace AS namespace, s.service AS service, type, window_start, h.version AS version, s.stack_id AS stack_id, s.value AS value, s.count AS count
FROM (SELECT * FROM @.samples WHERE %s AND %s) AS s
SEMI LEFT JOIN (SELECT series_id, window_start, type, commit_id, version FROM @.profiles FINAL WHERE %s AND %s) AS h
USING (series_id, window_start, type, commit_id))
GROUP BY cluster, namespace, service, type, hour, version, stack_id`, at, scoped, samplesIn(span), scoped, startsIn("window_start", span))
	if err := s.conn.Exec(ctx, s.sql(statement), d.params()...); err != nil {
		return fmt.Errorf("sum samples: %w", err)
	}
	statement = fmt.Sprintf(`INSERT INTO @.rolled_hours (cluster, namespace, service, hour, rolled_at)
SELECT {cluster:String}, {namespace:String}, {service:String}, toDateTime(%d, 'UTC'), fromUnixTimestamp64Milli(%d, 'UTC')`, span.from, at)
	if err := s.conn.Exec(ctx, s.sql(statement), d.params()...); err != nil {
		return fmt.Errorf("note the roll-up: %w", err)
	}
	return nil
}

// rollupLogged rolls up what is due, over the whole retention if that was not
// done for a while.
func (s *Store) rollupLogged(ctx context.Context, searched *time.Time) {
	now, over := time.Now(), 48*time.Hour
	full := now.Sub(*searched) > fullSearchEvery
	if full {
		over = s.Retention() + 24*time.Hour
	}
	hours, err := s.rollupDue(ctx, now, over)
	if hours > 0 {
		s.log.Info("closed hours rolled up", "hours", hours)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		s.log.Warn("roll-up of closed hours failed and is tried again", "error", err)
		return
	}
	if full {
		*searched = now
	}
}

// setbacks are hours that could not be rolled up.
type setbacks struct {
	mu sync.Mutex
	of map[dirtyHour]setback
}

type setback struct {
	times int
	until time.Time // it waits
}

const (
	// maxSetbacks bounds the hours that wait; more are tried each time.
	maxSetbacks = 10_000
	// firstSetback is how long an hour waits after its first failure; it doubles
	// up to the last.
	firstSetback = 10 * time.Minute
	lastSetback  = 6 * time.Hour
)

func (b *setbacks) waits(d dirtyHour, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.of[d].until)
}

func (b *setbacks) note(d dirtyHour, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	times := b.of[d].times
	if times == 0 && len(b.of) >= maxSetbacks {
		return
	}
	b.of[d] = setback{times + 1, now.Add(min(firstSetback<<min(times, 10), lastSetback))}
}

func (b *setbacks) forget(d dirtyHour) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.of, d)
}

func (b *setbacks) forgetBefore(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for d := range b.of {
		if d.from < t.Unix() {
			delete(b.of, d)
		}
	}
}
