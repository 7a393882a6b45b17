package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/profile"
)

// board fills a board with the windows of a moment. It returns errMoved if its
// queries saw different windows. What few windows have, losses and time that
// began before the range, is read only where there is some: a query of few rows
// costs what its plan costs. Of the rolled up hours it finds those whose roll-up
// lacks one of the windows.
func (r *read) board(ctx context.Context, sel Selection, st steps, known reports, hours []rolledHour, m moment) (*board, error) {
	from, to := sel.seconds()
	b := newBoard(sel.Type, seconds{from, to}, st)
	b.reports, b.uncounted = known, known.more
	seen, err := r.windows(ctx, sel, b, hours, m)
	if err != nil {
		return nil, fmt.Errorf("count windows: %w", err)
	}
	if seen.losses > 0 {
		prints, err := r.losses(ctx, sel, b, m)
		if err != nil {
			return nil, fmt.Errorf("read losses: %w", err)
		}
		if prints != seen.prints {
			return nil, errMoved
		}
	}
	if seen.gaps > 0 {
		if err := r.earlierGaps(ctx, sel, b, m); err != nil {
			return nil, fmt.Errorf("read what began before the range: %w", err)
		}
	}
	b.whole, err = b.settle(r.op)
	return b, err
}

// headersOf is FROM and WHERE for the headers of windows and of the type, as far
// as they are about the type: windows without any ledger are not, if their target
// is known not to record it.
func (b *board) headersOf(sel Selection, span seconds, from string, m moment) (string, params) {
	narrow, args := sel.targets(sel.params().with("type", string(sel.Type)))
	may := ""
	if b.reports.unrecorded { // without it, the plan is smaller
		may = " AND series_id NOT IN (\n  SELECT series_id FROM @.targets WHERE " + scoped + " GROUP BY series_id HAVING " + unrecorded + ")"
	}
	return fmt.Sprintf(`FROM @.profiles AS p FINAL %s WHERE %s AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types)%s)
 AND %s AND %s%s`, from, scoped, may, startsIn("window_start", span), m.received(), narrow), args
}

// unrecorded says of a target that it does not record the type, by its last report.
const unrecorded = "notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})"

// recorded tells a window with a recording, perhaps without a sample in it,
// from one that only says why there is none.
const recorded = "(recorded_end_ns > 0)"

// noRecording is that of the header of a window, which has no type.
const noRecording = "NOT (notEmpty(types) AND " + recorded + ")"

// recordedSpan is the ns that the recording of a window spans, at most twice the
// window: recordings do not end quite where windows do.
const recordedSpan = "least(greatest(recorded_end_ns - recorded_start_ns, 0), toInt64(duration_s) * 2000000000)"

// aliveUntil is the time up to which a target's windows are expected: its last
// report, or when it was seen to be gone.
const aliveUntil = "argMax(if(reason != '" + string(profile.JVMExited) + "', reported_at, if(since > toDateTime64(0, 3, 'UTC'), since, last_window)), reported_at) AS until, " +
	"argMax(reason, reported_at) = '" + string(profile.JVMExited) + "' AS gone"

func (r *read) losses(ctx context.Context, sel Selection, b *board, m moment) (read uint64, err error) {
	source, args := b.headersOf(sel, b.span, lossRows, m)
	statement := fmt.Sprintf(`SELECT cell, of, o, e, any(n > 0), sumIf(print, n <= 1), %s
FROM @(SELECT %s AS cell, p.type AS of, o, e, n, v, c, d, y, `+fingerprint+` AS print %s) GROUP BY cell, of, o, e`, lossSums(), b.cellColumn("window_start"), source)
	err = r.query(ctx, statement, args, func(row driver.Rows) error {
		var cell int64
		var of string
		var prints uint64
		l, some, err := r.scanLoss(row, &cell, &of, &prints)
		read += prints
		if err != nil || !some {
			return err
		}
		c := &b.cells[cell]
		if of == "" {
			c.Losses = profile.AddLosses(c.Losses, l)
		} else {
			c.Ledger.Losses = profile.AddLosses(c.Ledger.Losses, l)
		}
		return nil
	})
	return read, err
}

// earlierGaps enters what windows without a recording that began before the range
// say of its first time.
func (r *read) earlierGaps(ctx context.Context, sel Selection, b *board, m moment) error {
	source, args := b.headersOf(sel, before(b.span), lossRows, m)
	statement := fmt.Sprintf("SELECT * FROM @(SELECT n, e, %s %s AND p.type = '' AND %s)", gapSpan(b.span), source, reachesInto(b.span))
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		var g gap
		if err := g.scan(row); err != nil {
			return err
		}
		b.enterGap(g)
		return nil
	})
}

// before is where windows are looked for that may reach into a span.
func before(span seconds) seconds { return seconds{max(span.from-lookBack, 0), span.from} }

// reachesInto is the condition on the header of a window, which has no type, that it has no
// recording and ends within the span or after it.
func reachesInto(span seconds) string {
	return fmt.Sprintf(noRecording+" AND toUnixTimestamp(window_start) + duration_s > %d", span.from)
}

// gapSpan are the columns of a gap after its number and reason. A loss has the
// same share of each part of its window.
func gapSpan(span seconds) string {
	return fmt.Sprintf(`least(toInt64(toUnixTimestamp(window_start)) + duration_s, %d) - %d AS inside_s, toInt64(toInt128(d) * inside_s / duration_s)`, span.to, span.from)
}

// lossRows makes a row of each loss of a header, numbered from 1, and one of a
// header without losses, numbered 0.
const lossRows = `LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n`

func lossSums() string {
	return exact("sum(toInt128(v))") + ", " + exact("sum(toInt128(c))") + ", " + exact("sum(toInt128(d))") + ", " + exact("sum(toInt128(y))")
}

// scanLoss reads a row of: keys, outcome, reason, whether there is a loss at all,
// fingerprint, lossSums. The keys have the fingerprint last.
func (r *read) scanLoss(row driver.Rows, keys ...any) (l profile.Loss, some bool, err error) {
	var outcome uint8
	var reason string
	var has uint8
	var duration int64
	last := len(keys) - 1
	into := append(slices.Clone(keys[:last]), &outcome, &reason, &has, keys[last], &l.Value, &l.Count, &duration, &l.Bytes)
	if err := row.Scan(into...); err != nil {
		return l, false, err
	}
	l.Outcome, l.Reason, l.Duration = profile.Outcome(outcome), profile.Reason(reason), time.Duration(duration)
	return l, has > 0, r.checkSums(l.Value, l.Count, duration, l.Bytes)
}
