package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const (
	// activityCloses is how long after its end a span is summed up first.
	activityCloses = 2 * time.Minute
	// activityBackfill is how much that was stored before there was activity is
	// summed up in one run, the latest first.
	activityBackfill = int64(24 * time.Hour / time.Second)
)

// sumActivity sums up the headers of what is over and was not summed up, or of
// which headers have arrived since. It may be repeated and may run in many
// backends: of equal rows the latest counts. Hours that fail are passed over: they
// are read from headers, and tried again. more says that older hours are left.
func (s *Store) sumActivity(ctx context.Context) (hours int, more bool, err error) {
	var now int64
	var before known
	var dirty []dirtySpan
	next := known{}
	_, err = s.reading(own(ctx), "look for activity to sum up", func(ctx context.Context, r *read) (err error) {
		if err = r.query(ctx, "SELECT toUnixTimestamp64Milli(now64(3))", nil, func(row driver.Rows) error { return row.Scan(&now) }); err != nil {
			return err
		}
		if before, err = r.known(ctx); err != nil {
			return err
		}
		next, more = before.next(now, s.Retention()+24*time.Hour)
		dirty, err = r.dirtySpans(ctx, before, next)
		return err
	})
	switch {
	case err != nil:
		return 0, false, err
	case before.ahead:
		return 0, false, s.forgetActivity(ctx)
	}
	var failures []error
	run := func(from int64, sum func(context.Context) error) (bool, error) {
		key := dirtyHour{from: from}
		if s.setbacks.waits(key, time.UnixMilli(now)) {
			next.failing = append(next.failing, from)
			return false, nil
		}
		err := s.bounded(ctx, rollupTimeout, sum)
		if err == nil {
			s.setbacks.forget(key)
			return true, nil
		}
		s.metrics.activityFailures.Inc()
		failed := classify("sum up the activity of "+time.Unix(from, 0).UTC().Format(time.DateTime), writing, err)
		if ctx.Err() != nil || !aboutHour(err) {
			return false, failed
		}
		s.setbacks.note(key, time.UnixMilli(now))
		next.failing = append(next.failing, from)
		if len(failures) < maxToldFailures {
			failures = append(failures, failed)
		}
		return false, nil
	}
	for _, d := range dirty {
		done, err := run(d.hour, func(ctx context.Context) error { return s.sumHour(ctx, d, next.upto) })
		if err != nil {
			return hours, more, errors.Join(append(failures, err)...)
		}
		if done {
			hours++
		}
	}
	for _, from := range dirtyQuarters(before, next, dirty) {
		if _, err := run(from, func(ctx context.Context) error { return s.sumQuarter(ctx, from) }); err != nil {
			return hours, more, errors.Join(append(failures, err)...)
		}
	}
	err = s.bounded(ctx, s.limits.InsertTimeout, func(ctx context.Context) error { return s.noteKnown(ctx, next) })
	return hours, more, errors.Join(append(failures, classify("note what activity is known", writing, err))...)
}

// forgetActivity begins anew after the clock of ClickHouse was set back. Nothing is
// summed up before the next run: other backends may forget too.
func (s *Store) forgetActivity(ctx context.Context) error {
	s.log.Warn("the clock of ClickHouse was set back: activity of services is summed up anew, and lists are read from headers until then")
	return s.bounded(ctx, rollupTimeout, func(ctx context.Context) error {
		for _, table := range []string{"service_activity", "target_activity", "activity_known"} {
			if err := s.conn.Exec(ctx, "ALTER TABLE "+s.cluster.altered(table)+" DROP PARTITION ALL"); err != nil {
				return classify("forget "+table, writing, err)
			}
		}
		return nil
	})
}

// next is what will be known once everything has been summed up, and whether there
// may be more before it.
func (k known) next(now int64, kept time.Duration) (next known, more bool) {
	upto := (now/1000 - int64(activityCloses/time.Second)) / fiveMinutes * fiveMinutes
	oldest := (now/1000 - int64(kept/time.Second)) / oneHour * oneHour
	since := k.since
	if k.at == 0 {
		since = upto/oneHour*oneHour + oneHour
	}
	since = max(since-activityBackfill, oldest)
	return known{at: now, since: since, upto: max(upto, k.upto), longest: sixHours}, since > oldest
}

// dirtySpan are the 5 minutes of an hour that must be summed up, and all between.
type dirtySpan struct {
	hour int64
	seconds
}

// dirtySpans finds what must be summed up between two states, by hour, the latest
// first.
func (r *read) dirtySpans(ctx context.Context, before, next known) ([]dirtySpan, error) {
	if before.at == 0 {
		before.since = next.upto
	}
	starts, err := r.arrived(ctx, before, seconds{next.since, next.upto})
	if err != nil {
		return nil, err
	}
	for _, hour := range before.failing {
		for at := hour; at < hour+oneHour; at += fiveMinutes {
			starts[at] = true
		}
	}
	for at := max(before.upto, next.since); before.at != 0 && at < next.upto; at += fiveMinutes { // over since then
		starts[at] = true
	}
	of := map[int64]seconds{}
	for at := range starts {
		if at < next.since || at >= next.upto {
			continue
		}
		hull, ok := of[at/oneHour*oneHour]
		if !ok {
			hull = seconds{at, at + fiveMinutes}
		}
		of[at/oneHour*oneHour] = seconds{min(hull.from, at), max(hull.to, at+fiveMinutes)}
	}
	var list []dirtySpan
	for hour, span := range of {
		list = append(list, dirtySpan{hour, span})
	}
	slices.SortFunc(list, func(a, b dirtySpan) int { return int(b.hour - a.hour) })
	return list, nil
}

// dirtyQuarters are the 6 hours that are over and must be summed up after the dirty
// hours: those of which an hour was, those of which a part was known before, and all
// that were known if a backend that does not make them knew more. Those with an hour
// that fails wait for it.
func dirtyQuarters(before, next known, dirty []dirtySpan) (list []int64) {
	hours := map[int64]bool{}
	for _, d := range dirty {
		hours[d.hour/sixHours] = true
	}
	for _, hour := range next.failing {
		hours[hour/sixHours] = false
	}
	for at := (next.since + sixHours - 1) / sixHours * sixHours; at+sixHours <= next.upto; at += sixHours {
		due, told := hours[at/sixHours]
		partly := at < before.since && before.since < at+sixHours
		lacking := before.at != 0 && before.longest < sixHours && before.since <= at
		if due || !told && (partly || lacking) {
			list = append(list, at)
		}
	}
	return list
}

// sumHour sums up the dirty 5 minutes of an hour, and the hour if it is over.
func (s *Store) sumHour(ctx context.Context, d dirtySpan, upto int64) error {
	at, err := s.now(ctx)
	if err != nil {
		return err
	}
	if err := s.sumHeaders(ctx, fiveMinutes, seconds{d.from, min(d.to, upto)}, at); err != nil {
		return err
	}
	if d.hour+oneHour > upto {
		return nil
	}
	return s.sumHeaders(ctx, oneHour, seconds{d.hour, d.hour + oneHour}, at)
}

// sumQuarter sums up 6 hours out of the rows of each.
func (s *Store) sumQuarter(ctx context.Context, from int64) error {
	at, err := s.now(ctx) // after the hours were: who reads them later has them all
	if err != nil {
		return err
	}
	hours := sources{levels: []level{{oneHour, []seconds{{from, from + sixHours}}}}}
	return s.sumSpans(ctx, sumServices(sixHours, hours.services(moment{}, ""), at), sumTargets(sixHours, hours.targets(moment{}, ""), at))
}

func (s *Store) now(ctx context.Context) (at int64, err error) {
	err = s.conn.QueryRow(ctx, "SELECT toUnixTimestamp64Milli(now64(3))").Scan(&at)
	return at, err
}

// sumHeaders sums up spans of a length within an hour.
func (s *Store) sumHeaders(ctx context.Context, length int64, span seconds, at int64) error {
	within := startsIn("window_start", span)
	return s.sumSpans(ctx, sumServices(length, headersOfServices(within), at), sumTargets(length, headersOfTargets(within), at))
}

// summing is the context of a statement that reads much and writes what it sums up.
func (s *Store) summing(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_memory_usage":                   s.limits.QueryMemory,
		"max_bytes_before_external_group_by": s.limits.QueryMemory / 2,
		"max_execution_time":                 int(rollupTimeout.Seconds()),
		"max_threads":                        1,
		"async_insert":                       0,
	}))
}

func (s *Store) sumSpans(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if err := s.conn.Exec(s.summing(ctx), s.sql(statement)); err != nil {
			return fmt.Errorf("sum up activity: %w", err)
		}
	}
	return nil
}

// spanOf is an expression: the start of the span of a length in which a time is.
func spanOf(column string, length int64) string {
	return fmt.Sprintf("toDateTime(intDiv(toUnixTimestamp(%s), %d) * %d, 'UTC')", column, length, length)
}

// sumServices makes rows of service_activity out of shorter ones or headers. A sum that Int64 does not hold stays
// at the largest number, which is no sum to reads, see exact.
func sumServices(length int64, rows string, at int64) string {
	each := func(format string, columns []string) string {
		list := make([]string, len(columns))
		for i, column := range columns {
			list[i] = fmt.Sprintf(format, column)
		}
		return strings.Join(list, ", ")
	}
	sums := []string{"captured_value", "captured_count", "stored_value", "stored_count", "recordings", "recorded_ns"}
	losses := []string{"v", "c", "d", "y"} // of lossRows
	return fmt.Sprintf(`INSERT INTO @.service_activity (step_s, start, cluster, namespace, service, type, %s, rolled_at)
SELECT %d, start, cluster, namespace, service, type, groupUniqArrayArray(%d)(versions), sum(windows), sum(prints), min(first), max(last), %s,
  groupArrayIf(o, some), groupArrayIf(e, some), %s, fromUnixTimestamp64Milli(%d, 'UTC') FROM (
  SELECT %s AS start, cluster, namespace, service, type, o, e, groupUniqArrayArray(%d)(h.versions) AS versions, sumIf(h.windows, n <= 1) AS windows, sumIf(h.prints, n <= 1) AS prints,
    min(h.first) AS first, max(h.last) AS last, %s, %s, max(n > 0) AS some
  FROM @(%s) AS h %s GROUP BY start, cluster, namespace, service, type, o, e
) GROUP BY start, cluster, namespace, service, type`,
		serviceColumns, length, MaxVersions, each("toInt64(least(sum(sum_%s), 9223372036854775807))", sums),
		each("groupArrayIf(toInt64(least(sum_%s, 9223372036854775807)), some)", losses), at,
		spanOf("h.start", length), MaxVersions, each("sumIf(toInt128(h.%[1]s), n <= 1) AS sum_%[1]s", sums), each("sum(toInt128(%[1]s)) AS sum_%[1]s", losses),
		rows, lossRows)
}

// sumTargets makes rows of target_activity out of shorter ones or headers.
func sumTargets(length int64, rows string, at int64) string {
	return fmt.Sprintf(`INSERT INTO @.target_activity (step_s, start, cluster, namespace, service, series_id, %s, rolled_at)
SELECT %d, %s AS span, cluster, namespace, service, series_id, min(first), max(last), minIf(recorded_length, recorded_length > 0), min(any_length), min(born),
  groupUniqArrayArray(kinds), sum(stored), if(countIf(stored > 0 AND stored_s = 0) > 0, 0, sum(stored_s)), max(stored_last), sum(lost), sum(lost_s), sum(prints), fromUnixTimestamp64Milli(%d, 'UTC')
FROM @(%s) AS h GROUP BY span, cluster, namespace, service, series_id`,
		targetActivityColumns, length, spanOf("h.start", length), at, rows)
}

func (s *Store) noteKnown(ctx context.Context, k known) error {
	statement := fmt.Sprintf("INSERT INTO @.activity_known (at, since, upto, failing, longest_s) SELECT fromUnixTimestamp64Milli(%d, 'UTC'), toDateTime(%d, 'UTC'), toDateTime(%d, 'UTC'), [%s], %d",
		k.at, k.since, k.upto, dateTimes(k.failing), k.longest)
	return s.conn.Exec(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0})), s.sql(statement))
}

func (s *Store) sumActivityLogged(ctx context.Context) {
	for {
		hours, more, err := s.sumActivity(ctx)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				s.log.Warn("activity of services could not be summed up and is tried again; lists are read from headers until then", "error", err)
			}
			return
		}
		s.log.Debug("activity of services summed up", "hours", hours)
		if !more {
			return
		}
	}
}
