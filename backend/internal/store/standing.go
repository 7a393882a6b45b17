package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// standing is what is asked first of a service, in one statement, as each costs
// its plan: the time, the reports of its targets and the hours that are rolled up.
type standing struct {
	at      int64 // Unix ms of ClickHouse
	reports reports
	rolled  []rolledHour // in order
}

// reports are the last reports of the targets of a service.
type reports struct {
	of         map[uint64]report // by series
	unrecorded bool              // one of them is known not to record the type
	more       bool              // than Limits.Counted
}

// report is what the last report of a target says of its life.
type report struct {
	until   int64 // Unix s; up to when its windows are expected: the report, or when it was seen to be gone
	length  int64 // s, of a window, as it is set; 0 if not known
	gone    bool
	records []string // types; empty if not known
}

// reportRow is what a row holds of the last report of a target.
type reportRow struct {
	At     time.Time `ch:"reported_at"`
	Since  time.Time `ch:"since"`
	Last   time.Time `ch:"last_window"`
	Reason string    `ch:"reason"`
	Length uint32    `ch:"window_s"`
	Events []string  `ch:"events"`
}

func (row *reportRow) report() report {
	out := report{until: row.At.Unix(), length: int64(row.Length), records: row.Events}
	if out.gone = row.Reason == string(profile.JVMExited); out.gone {
		out.until = seenGone(row.Since, row.Last)
	}
	return out
}

// rolledHour is an hour whose roll-up has what had come at a time.
type rolledHour struct {
	hour int64 // Unix s
	at   int64 // Unix ms of ClickHouse
}

// What a row of a standing is about.
const (
	rowOfClock = iota
	rowOfTarget
	rowOfHour
)

// standingRow is a row of a standing: of a target by its series, or of the clock or an
// hour by its Unix s, which have a time in the place of a report's.
type standingRow struct {
	Row uint8  `ch:"row"`
	ID  uint64 `ch:"id"`
	reportRow
}

// standing of a service and a type; hours are looked for within spans. Rows are read
// as they are: what ClickHouse works out of them costs more to plan.
func (r *read) standing(ctx context.Context, key ServiceKey, t profile.Type, spans []seconds) (*standing, error) {
	limit := r.store.limits.Counted
	statement := fmt.Sprintf("SELECT %d AS row, toUInt64(0) AS id, now64(3, 'UTC') AS reported_at, reported_at AS since, reported_at AS last_window, '' AS reason, toUInt32(0) AS window_s, CAST([], 'Array(LowCardinality(String))') AS events\n"+
		"UNION ALL SELECT %d, series_id, reported_at, since, last_window, reason, window_s, events FROM @.targets FINAL WHERE %s LIMIT %d", rowOfClock, rowOfTarget, scoped, limit+1)
	if whole := wholeHours(spans); len(whole) > 0 {
		statement += fmt.Sprintf("\nUNION ALL SELECT %d, toUInt64(toUnixTimestamp(hour)), rolled_at, rolled_at, rolled_at, '', 0, [] FROM @.rolled_hours FINAL WHERE %s AND %s",
			rowOfHour, scoped, inAny("hour", whole))
	}
	out := &standing{reports: reports{of: map[uint64]report{}}}
	err := rowsOf(ctx, r, statement, key.params(), func(one *standingRow) error {
		switch {
		case one.Row == rowOfClock:
			out.at = one.At.UnixMilli()
		case one.Row == rowOfHour:
			out.rolled = append(out.rolled, rolledHour{int64(one.ID), one.At.UnixMilli()})
		case len(out.reports.of) == limit:
			out.reports.more = true
		default:
			out.reports.of[one.ID] = one.report()
			out.reports.unrecorded = out.reports.unrecorded || len(one.Events) > 0 && !slices.Contains(one.Events, string(t))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the time, targets and rolled up hours: %w", err)
	}
	slices.SortFunc(out.rolled, func(a, b rolledHour) int { return int(a.hour - b.hour) })
	return out, nil
}

// seenGone is when a JVM was seen to be gone: sidecars of before there was since
// report the end of its last window only.
func seenGone(since, lastWindow time.Time) int64 {
	if since.Unix() > 0 {
		return since.Unix()
	}
	return lastWindow.Unix()
}

// wholeHours are the parts of spans that are whole hours.
func wholeHours(spans []seconds) (whole []seconds) {
	for _, span := range spans {
		if from, to := (span.from+3599)/3600*3600, span.to/3600*3600; from < to {
			whole = append(whole, seconds{from, to})
		}
	}
	return whole
}

// hoursOf returns the hours that are whole within a selection and rolled up.
func (st *standing) hoursOf(sel *Selection) (in []rolledHour) {
	if !sel.rolledUp() {
		return nil
	}
	from, to := sel.seconds()
	for _, h := range st.rolled {
		if h.hour >= from && h.hour+3600 <= to {
			in = append(in, h)
		}
	}
	return in
}

// standings returns those of the services of selections.
func (r *read) standings(ctx context.Context, selections []Selection) (map[ServiceKey]*standing, error) {
	spans := map[ServiceKey][]seconds{}
	for i := range selections {
		sel := &selections[i]
		of := spans[sel.ServiceKey]
		if sel.rolledUp() {
			from, to := sel.seconds()
			of = append(of, seconds{from, to})
		}
		spans[sel.ServiceKey] = of
	}
	out := map[ServiceKey]*standing{}
	for key, list := range spans {
		var err error
		if out[key], err = r.standing(ctx, key, selections[0].Type, list); err != nil {
			return nil, err
		}
	}
	return out, nil
}
