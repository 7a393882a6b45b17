package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Lists of services are read from service_activity and target_activity, which sum
// up the headers of 5 minutes, of an hour and of 6 hours in a row for each service
// and type, or target. Every row can be made anew from headers, and a span is used
// only if no header of it has arrived since; all else is read from headers.
const (
	fiveMinutes = int64(5 * time.Minute / time.Second)
	oneHour     = int64(time.Hour / time.Second)
	sixHours    = int64(6 * time.Hour / time.Second)
	// visibleWithin is how long after the time that a header bears it may become
	// visible. An insert ends before.
	visibleWithin = time.Minute
	// maxHeaderSpans bounds the conditions of a statement: where there are more,
	// whole hours are read from headers.
	maxHeaderSpans = 200
	// clockBack is by how much what was noted may be ahead of the clock of ClickHouse.
	// More, and the clock was set back: headers that come now seem to have been there.
	clockBack = visibleWithin / 2
)

// known is what the tables of activity have: everything of the spans in
// [since, upto) that had arrived at the time at, but for the failing hours.
type known struct {
	at          int64 // Unix ms of ClickHouse; 0 if nothing is known
	since, upto int64
	failing     []int64
	longest     int64 // span that is summed up
	ahead       bool  // at lies in the future: nothing is known, see clockBack
}

type knownRow struct {
	At      int64   `ch:"at_ms"`
	Since   int64   `ch:"since_s"`
	Upto    int64   `ch:"upto_s"`
	Failing []int64 `ch:"failing_s"`
	Longest int64   `ch:"longest"`
	Ahead   bool    `ch:"ahead"`
}

func (r *read) known(ctx context.Context) (k known, err error) {
	err = rowsOf(ctx, r, fmt.Sprintf(`SELECT toUnixTimestamp64Milli(at) AS at_ms, toInt64(toUnixTimestamp(since)) AS since_s, toInt64(toUnixTimestamp(upto)) AS upto_s, arrayMap(h -> toInt64(toUnixTimestamp(h)), failing) AS failing_s, toInt64(longest_s) AS longest,
  at > now64(3) + toIntervalMillisecond(%d) AS ahead
FROM @.activity_known ORDER BY at DESC LIMIT 1`, clockBack.Milliseconds()), nil, func(one *knownRow) error {
		k = known{one.At, one.Since, one.Upto, one.Failing, one.Longest, one.Ahead}
		return nil
	})
	if err != nil {
		return k, fmt.Errorf("read which spans are known: %w", err)
	}
	return k, nil
}

// arrived returns the 5 minutes within a span of which headers have arrived since
// something was known, and all that have headers before it was known.
func (r *read) arrived(ctx context.Context, k known, span seconds) (map[int64]bool, error) {
	if span.from >= span.to {
		return map[int64]bool{}, nil
	}
	condition := fmt.Sprintf("received_at > fromUnixTimestamp64Milli(%d, 'UTC')", max(k.at-visibleWithin.Milliseconds(), 0))
	if span.from < k.since { // else the index serves
		condition = fmt.Sprintf("(%s OR window_start < toDateTime(%d, 'UTC'))", condition, k.since)
	}
	statement := fmt.Sprintf("SELECT DISTINCT toInt64(toUnixTimestamp(toStartOfFiveMinutes(window_start))) FROM @.profiles WHERE %s AND %s",
		startsIn("window_start", span), condition)
	starts := map[int64]bool{}
	err := r.query(ctx, statement, nil, func(row driver.Rows) error {
		var start int64
		err := row.Scan(&start)
		starts[start] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for headers that have arrived: %w", err)
	}
	return starts, nil
}

// ActivityStep is a step for lists that is not shorter than another one and, if it
// is long, a multiple of what is summed up: of unit, where such steps must begin.
// unit is 0 if headers are read anyway.
func ActivityStep(step time.Duration) (longer, unit time.Duration) {
	switch {
	case step > 3*time.Hour:
		unit = 6 * time.Hour
	case step > 30*time.Minute:
		unit = time.Hour
	case step >= 5*time.Minute:
		unit = 5 * time.Minute
	default:
		return step, 0
	}
	return (step + unit - 1).Truncate(unit), unit
}

// sources are the disjoint spans of time that a list is read from: those of each
// length that are summed up, the longest first, and those of headers.
type sources struct {
	levels  []level
	headers []seconds
}

// level are spans that are summed up in rows of a length.
type level struct {
	length int64
	spans  []seconds
}

// stale are the spans of 5 minutes that tables of activity do not have.
type stale struct {
	known
	arrived map[int64]bool
}

// stale looks what of a span the tables of activity have.
func (r *read) stale(ctx context.Context, span seconds) (stale, error) {
	k, err := r.known(ctx)
	if err != nil || k.at == 0 || k.ahead {
		return stale{}, err
	}
	span = seconds{max(span.from, k.since) / oneHour * oneHour, min(span.to, k.upto)}
	k.since = max(k.since, span.from)
	starts, err := r.arrived(ctx, k, span)
	if err != nil {
		return stale{}, err
	}
	for _, hour := range k.failing {
		for at := hour; at < hour+oneHour; at += fiveMinutes {
			starts[at] = true
		}
	}
	return stale{k, starts}, nil
}

// holds says whether the tables have the span of a length that starts at a time.
func (s *stale) holds(at, length int64) bool {
	if at < s.since || at+length > s.upto {
		return false
	}
	for five := at; five < at+length; five += fiveMinutes {
		if s.arrived[five] {
			return false
		}
	}
	return true
}

// divide says where to read a span from, if a list has these steps: no row may
// reach beyond one.
func (s *stale) divide(span seconds, st steps) sources {
	var lengths []int64
	for _, length := range []int64{sixHours, oneHour, fiveMinutes} {
		if s.fits(length, span, st) {
			lengths = append(lengths, length)
		}
	}
	out := s.cut(span, lengths)
	if len(out.headers) > maxHeaderSpans {
		out = s.cut(span, slices.DeleteFunc(lengths, func(length int64) bool { return length == fiveMinutes }))
	}
	return out
}

func (s *stale) fits(length int64, span seconds, st steps) bool {
	oneStep := st.first+st.length >= span.to
	return s.at != 0 && length <= s.longest && (oneStep || st.first%length == 0 && st.length%length == 0)
}

func (s *stale) cut(span seconds, lengths []int64) (out sources) {
	for _, length := range lengths {
		out.levels = append(out.levels, level{length: length})
	}
	for at := span.from; at < span.to; {
		next := min((at/fiveMinutes+1)*fiveMinutes, span.to)
		from := &out.headers
		for i, length := range lengths {
			if at%length == 0 && at+length <= span.to && s.holds(at, length) {
				next, from = at+length, &out.levels[i].spans
				break
			}
		}
		*from = extended(*from, seconds{at, next})
		at = next
	}
	return out
}

// extended adds a span to a list in order.
func extended(list []seconds, span seconds) []seconds {
	if n := len(list); n > 0 && list[n-1].to == span.from {
		list[n-1].to = span.to
		return list
	}
	return append(list, span)
}

// inAny is the condition that a time is in one of some spans.
func inAny(column string, spans []seconds) string {
	list := make([]string, len(spans))
	for i, span := range spans {
		list[i] = startsIn(column, span)
	}
	return "(" + strings.Join(list, " OR ") + ")"
}

// and are these sources and others.
func (s sources) and(o sources) sources {
	return sources{slices.Concat(s.levels, o.levels), slices.Concat(s.headers, o.headers)}
}

// rows are those of a table of activity in the sources, without headers, in one
// SELECT: to plan one for each level takes ClickHouse longer than to read a level.
func (s *sources) rows(columns, table, narrow string) []string {
	var levels []string
	for _, l := range s.levels {
		if len(l.spans) > 0 {
			levels = append(levels, fmt.Sprintf("step_s = %d AND %s", l.length, inAny("start", l.spans)))
		}
	}
	if len(levels) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("SELECT %s FROM @.%s FINAL WHERE (%s)%s", columns, table, strings.Join(levels, " OR "), narrow)}
}

const serviceColumns = "versions, windows, prints, first, last, captured_value, captured_count, stored_value, stored_count, recordings, recorded_ns, " +
	"loss_outcome, loss_reason, loss_value, loss_count, loss_duration_ns, loss_bytes"

// headersOfServices are headers in the form of service_activity.
func headersOfServices(condition string) string {
	return `SELECT cluster, namespace, service, type, window_start AS start, [version] AS versions, toUInt64(1) AS windows, ` + fingerprint + ` AS prints,
  toInt64(toUnixTimestamp(window_start)) AS first, first + duration_s AS last, captured_value, captured_count, stored_value, stored_count,
  toInt64(` + recorded + `) AS recordings, toInt64(` + recordedSpan + `) AS recorded_ns, loss_outcome, loss_reason, loss_value, loss_count, loss_duration_ns, loss_bytes
FROM @.profiles FINAL WHERE ` + condition
}

// services are rows of what services did, as service_activity has them.
func (s *sources) services(m moment, narrow string) string {
	list := s.rows("cluster, namespace, service, type, start, "+serviceColumns, "service_activity", narrow)
	if len(s.headers) > 0 {
		list = append(list, headersOfServices(inAny("window_start", s.headers)+" AND "+m.received()+narrow))
	}
	return strings.Join(list, " UNION ALL ")
}

const targetActivityColumns = "first, last, recorded_length, any_length, born, kinds, stored, stored_s, stored_last, lost, lost_s, prints"

// headersOfTargets are windows, which may be of several headers, in the form of
// target_activity.
func headersOfTargets(condition string) string {
	return `SELECT cluster, namespace, service, series_id, start, toInt64(toUnixTimestamp(start)) AS first, first + length_s AS last,
  if(has, length_s, 0) AS recorded_length, length_s AS any_length, born, kinds, toInt64(has) AS stored, if(has, length_s, 0) AS stored_s, if(has, last, 0) AS stored_last, toInt64(NOT has) AS lost, if(has, 0, length_s) AS lost_s, prints FROM (
  SELECT cluster, namespace, service, series_id, window_start AS start, toInt64(max(duration_s)) AS length_s, toInt64(toUnixTimestamp(min(jvm_start))) AS born,
    CAST(groupUniqArrayArray(types), 'Array(LowCardinality(String))') AS kinds, sum(` + fingerprint + `) AS prints, max(notEmpty(types) AND ` + recorded + `) AS has
  FROM @.profiles FINAL WHERE type = '' AND ` + condition + ` GROUP BY cluster, namespace, service, series_id, window_start)`
}

// targets are rows of what targets did, as target_activity has them.
func (s *sources) targets(m moment, narrow string) string {
	list := s.rows("cluster, namespace, service, series_id, start, "+targetActivityColumns, "target_activity", narrow)
	if len(s.headers) > 0 {
		list = append(list, headersOfTargets(inAny("window_start", s.headers)+" AND "+m.received()+narrow))
	}
	return strings.Join(list, " UNION ALL ")
}
