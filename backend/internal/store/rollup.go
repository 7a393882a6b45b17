package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
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

// An hour is dirty if a window of it came after its roll-up, or not long enough
// before. The times are those of ClickHouse: a window's header is written after
// its samples, and rolled_at is taken before they are read, so a header that is
// older than rolled_at has its samples in the roll-up.
const hourStates = `SELECT cluster, namespace, service, hour, max(rolled) AS rolled_at, max(last) AS last_at FROM (
  SELECT cluster, namespace, service, hour, rolled_at AS rolled, toDateTime64(0, 3, 'UTC') AS last FROM @.rollups WHERE %s
  UNION ALL
  SELECT cluster, namespace, service, toStartOfHour(window_start) AS hour, toDateTime64(0, 3, 'UTC') AS rolled, received_at AS last
  FROM @.profiles WHERE type = '' AND %s
) GROUP BY cluster, namespace, service, hour`

// rolledHours returns the hours within the range whose roll-up is up to date,
// in order.
func (r *read) rolledHours(ctx context.Context, key ServiceKey, span seconds) ([]int64, error) {
	whole := seconds{(span.from + 3599) / 3600 * 3600, span.to / 3600 * 3600}
	if whole.from >= whole.to {
		return nil, nil
	}
	statement := fmt.Sprintf("SELECT toUnixTimestamp(hour) FROM ("+hourStates+") WHERE rolled_at >= last_at + toIntervalMillisecond(%d) ORDER BY hour",
		scoped+" AND "+startsIn("hour", whole), scoped+" AND "+startsIn("window_start", whole), r.store.skew.Milliseconds())
	var hours []int64
	err := r.query(ctx, statement, key.params(), func(row driver.Rows) error {
		var hour uint32
		err := row.Scan(&hour)
		hours = append(hours, int64(hour))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for rolled up hours: %w", err)
	}
	return hours, nil
}

// dirtyHour is an hour of a service that waits for its roll-up.
type dirtyHour struct {
	ServiceKey
	hour time.Time
}

// dirtyHours finds closed hours that are dirty, the latest first. An hour that
// was rolled up before waits until no window has come for a while.
func (r *read) dirtyHours(ctx context.Context, span seconds) ([]dirtyHour, error) {
	statement := fmt.Sprintf("SELECT cluster, namespace, service, hour FROM ("+hourStates+`)
WHERE last_at > toDateTime64(0, 3, 'UTC') AND rolled_at < last_at + toIntervalMillisecond(%d) AND last_at + toIntervalMillisecond(%d) <= now64(3)
ORDER BY hour DESC LIMIT %d`,
		startsIn("hour", span), startsIn("window_start", span), r.store.skew.Milliseconds(), r.store.skew.Milliseconds(), rollupBatch)
	var out []dirtyHour
	err := r.query(ctx, statement, nil, func(row driver.Rows) error {
		var d dirtyHour
		err := row.Scan(&d.Cluster, &d.Namespace, &d.Service, &d.hour)
		out = append(out, d)
		return err
	})
	return out, err
}

// rollupDue rolls up what is dirty among the hours that were closed at now, and
// returns how many hours that were.
func (s *Store) rollupDue(ctx context.Context, now time.Time, over time.Duration) (int, error) {
	span := seconds{now.Add(-over).Unix() / 3600 * 3600, now.Add(-hourCloses).Unix() / 3600 * 3600}
	done := 0
	for {
		var dirty []dirtyHour
		_, err := s.reading(ctx, "look for hours to roll up", func(ctx context.Context, r *read) (err error) {
			dirty, err = r.dirtyHours(ctx, span)
			return err
		})
		if err != nil {
			return done, err
		}
		for _, d := range dirty {
			err := s.bounded(ctx, rollupTimeout, func(ctx context.Context) error { return s.rollup(ctx, d) })
			if err != nil {
				return done, classify(fmt.Sprintf("roll up %s of service %q", d.hour.Format(time.DateTime), d.Service), writing, err)
			}
			s.metrics.rollups.Inc()
			done++
		}
		if len(dirty) < rollupBatch {
			return done, nil
		}
	}
}

// rollup sums one hour of one service. It may be repeated and may run in many
// backends: of equal rows the one with the latest version counts, and an hour
// never loses samples.
func (s *Store) rollup(ctx context.Context, d dirtyHour) error {
	var version int64
	if err := s.conn.QueryRow(ctx, "SELECT toUnixTimestamp64Milli(now64(3))").Scan(&version); err != nil {
		return err
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_memory_usage":   s.limits.QueryMemory,
		"max_execution_time": int(rollupTimeout.Seconds()),
		"max_threads":        1,
		"async_insert":       0,
	}))
	span := seconds{d.hour.Unix(), d.hour.Unix() + 3600}
	statement := fmt.Sprintf(`INSERT INTO @.samples_1h (cluster, namespace, service, type, bucket, stack_id, value, count, version)
SELECT cluster, namespace, service, type, toStartOfHour(window_start) AS bucket, stack_id, sum(value), sum(count), %d
FROM @.samples WHERE %s AND %s GROUP BY cluster, namespace, service, type, bucket, stack_id`, version, scoped, samplesIn(span))
	if err := s.conn.Exec(ctx, s.sql(statement), d.params()...); err != nil {
		return fmt.Errorf("sum samples: %w", err)
	}
	statement = fmt.Sprintf(`INSERT INTO @.rollups (cluster, namespace, service, hour, rolled_at)
SELECT {cluster:String}, {namespace:String}, {service:String}, toDateTime(%d, 'UTC'), fromUnixTimestamp64Milli(%d, 'UTC')`, span.from, version)
	if err := s.conn.Exec(ctx, s.sql(statement), d.params()...); err != nil {
		return fmt.Errorf("note the roll-up: %w", err)
	}
	return nil
}

// Run rolls up closed hours and writes recorded events until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	rollups, flushes := time.NewTicker(s.every), time.NewTicker(flushEvery)
	defer rollups.Stop()
	defer flushes.Stop()
	var searched time.Time
	s.rollupLogged(ctx, &searched)
	for {
		select {
		case <-ctx.Done():
			s.flushLogged(context.WithoutCancel(ctx))
			return nil
		case <-flushes.C:
			s.flushLogged(ctx)
		case <-rollups.C:
			s.rollupLogged(ctx, &searched)
		}
	}
}

func (s *Store) rollupLogged(ctx context.Context, searched *time.Time) {
	now, over := time.Now(), 48*time.Hour
	full := now.Sub(*searched) > fullSearchEvery
	if full {
		over = s.Retention() + 24*time.Hour
	}
	hours, err := s.rollupDue(ctx, now, over)
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		s.log.Warn("roll-up of closed hours failed and is tried again", "error", err)
		return
	}
	if full {
		*searched = now
	}
	if hours > 0 {
		s.log.Info("closed hours rolled up", "hours", hours)
	}
}
