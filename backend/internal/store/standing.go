package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

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

type report struct {
	until int64 // Unix s; see aliveUntil
	gone  bool
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

// standing of a service and a type; hours are looked for within spans.
func (r *read) standing(ctx context.Context, key ServiceKey, t profile.Type, spans []seconds) (*standing, error) {
	limit := r.store.limits.Counted
	statement := fmt.Sprintf("SELECT %d AS row, toUInt64(0) AS id, now64(3, 'UTC') AS until, toUInt8(0) AS gone, toUInt8(0) AS without\n"+
		"UNION ALL SELECT %d, series_id, %s, %s FROM @.targets WHERE %s GROUP BY series_id LIMIT %d", rowOfClock, rowOfTarget, aliveUntil, unrecorded, scoped, limit+1)
	if whole := wholeHours(spans); len(whole) > 0 {
		statement += fmt.Sprintf("\nUNION ALL SELECT %d, toUInt64(toUnixTimestamp(hour)), max(rolled_at), toUInt8(0), toUInt8(0) FROM @.rolled_hours WHERE %s AND %s GROUP BY hour",
			rowOfHour, scoped, inAny("hour", whole))
	}
	out := &standing{reports: reports{of: map[uint64]report{}}}
	err := r.query(ctx, statement, key.params().with("type", string(t)), func(row driver.Rows) error {
		var kind, gone, without uint8
		var id uint64
		var at time.Time
		if err := row.Scan(&kind, &id, &at, &gone, &without); err != nil {
			return err
		}
		switch {
		case kind == rowOfClock:
			out.at = at.UnixMilli()
		case kind == rowOfHour:
			out.rolled = append(out.rolled, rolledHour{int64(id), at.UnixMilli()})
		case len(out.reports.of) == limit:
			out.reports.more = true
		default:
			out.reports.of[id] = report{at.Unix(), gone > 0}
			out.reports.unrecorded = out.reports.unrecorded || without > 0
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the time, targets and rolled up hours: %w", err)
	}
	slices.SortFunc(out.rolled, func(a, b rolledHour) int { return int(a.hour - b.hour) })
	return out, nil
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
