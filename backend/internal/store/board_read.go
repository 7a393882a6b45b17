package store

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
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

// seen is what windows have that is read apart.
type seen struct {
	prints uint64 // of the headers in the range
	losses uint64 // of these
	gaps   uint64 // windows without a recording that began before the range and reach into it
}

// windows counts windows by target and start, so that two parts of the same
// window, from before and after a restart, are one: those of the range by cell;
// and those of each target, from lookBack before the range on.
func (r *read) windows(ctx context.Context, sel Selection, b *board, hours []rolledHour, m moment) (s seen, err error) {
	source, args := b.headersOf(sel, seconds{max(b.span.from-lookBack, 0), b.span.to}, "", m)
	statement := fmt.Sprintf(`SELECT grouping(cell) AS of_target, series_id, if(window_start < toDateTime(%d, 'UTC'), -1, %s) AS cell,
  countIf(has) AS stored, countIf(lost AND NOT has) AS lost_windows, sumIf(toInt64(length_s), lost AND NOT has) AS lost_s, sum(prints) AS all_prints,
  sum(losses) AS all_losses, countIf(toUnixTimestamp(window_start) + gap_s > %d) AS gaps,
  sumForEach(sums) AS all_sums,
  toInt64(toUnixTimestamp(min(window_start))) AS first, toInt64(max(toUnixTimestamp(window_start) + length_s)) AS last,
  toInt64(minIf(recorded_s, recorded_s > 0)) AS recorded_length, toInt64(min(least_s)) AS any_length, toInt64(toUnixTimestamp(min(jvm_started))) AS born%s
FROM @(
  SELECT series_id, window_start, max(duration_s) AS length_s, min(duration_s) AS least_s, minIf(duration_s, `+recorded+`) AS recorded_s, min(jvm_start) AS jvm_started,
    max(p.type != '' AND `+recorded+`) AS has, max(if(p.type = '', empty(types), NOT `+recorded+`)) AS lost,
    maxIf(duration_s, p.type = '' AND `+noRecording+`) AS gap_s, sum(`+fingerprint+`) AS prints, sum(length(loss_outcome)) AS losses, max(received_at) AS came,
    sumForEach([toInt128(captured_value), captured_count, stored_value, stored_count, raw, if(p.type != '', `+recordedSpan+`, 0),
      kernel_cpu_ns >= 0 AS charged, if(charged, kernel_cpu_ns, 0), if(charged, captured_value, 0)]) AS sums
  %s GROUP BY series_id, window_start
) GROUP BY GROUPING SETS ((cell), (series_id)) LIMIT %d BY of_target, cell`+uncompiled, b.span.from, b.cellColumn("window_start"), b.span.from, r.staleHours(hours), source, r.store.limits.Counted+1)
	targets := 0
	err = r.query(ctx, statement, args, func(row driver.Rows) error {
		var w windows
		if err := row.ScanStruct(&w); err != nil {
			return err
		}
		switch {
		case w.OfTarget > 0:
			if targets++; targets > r.store.limits.Counted {
				b.uncounted = true
				return nil
			}
			b.enter(w.life(b.reports.of[w.Series], m))
		case w.Cell < 0:
			s.gaps = w.Gaps
		default:
			s.prints, s.losses, b.stale = s.prints+w.Prints, s.losses+w.Losses, append(b.stale, w.Stale...)
			sums := exactly(w.Sums)
			w.enter(&b.cells[w.Cell], sums)
			return r.checkSums(sums...)
		}
		return nil
	})
	return s, err
}

// uncompiled ends a statement about few rows: to look whether its expressions are
// compiled already takes ClickHouse longer than to work them out.
const uncompiled = "\nSETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0"

// windows are those of a cell, or of a target.
type windows struct {
	OfTarget       uint64     `ch:"of_target"`
	Series         uint64     `ch:"series_id"` // of a target
	Cell           int64      `ch:"cell"`      // -1 is before the range
	Stored         uint64     `ch:"stored"`
	Lost           uint64     `ch:"lost_windows"`
	LostSeconds    int64      `ch:"lost_s"`
	Prints         uint64     `ch:"all_prints"`
	Losses         uint64     `ch:"all_losses"`
	Gaps           uint64     `ch:"gaps"`
	Sums           []*big.Int `ch:"all_sums"` // in the order of the statement
	First          int64      `ch:"first"`    // Unix s, as Last and Born
	Last           int64      `ch:"last"`
	RecordedLength int64      `ch:"recorded_length"` // s, of the shortest window with a recording; 0 if there is none
	AnyLength      int64      `ch:"any_length"`
	Born           int64      `ch:"born"`
	Stale          []int64    `ch:"stale"` // hours, Unix s
}

// staleHours is the column of those hours whose roll-up may lack a window, as it came
// after the roll-up or not long enough before; none if there are no hours. The times
// are those of ClickHouse: a window's header is written after its samples, and the time
// of a roll-up is taken before they are read, so all older headers have their samples
// in it.
func (r *read) staleHours(hours []rolledHour) string {
	if len(hours) == 0 {
		return ""
	}
	var list, at []string
	for _, h := range hours {
		list, at = append(list, strconv.FormatInt(h.hour, 10)), append(at, strconv.FormatInt(h.at-r.store.skew.Milliseconds(), 10))
	}
	return fmt.Sprintf(",\n  groupUniqArrayIf(toInt64(toUnixTimestamp(toStartOfHour(window_start))) AS hour, toUnixTimestamp64Milli(came) > transform(hour, [%s], [%s], %d)) AS stale",
		strings.Join(list, ", "), strings.Join(at, ", "), int64(math.MaxInt64))
}

// exactly are sums as Int64, or -1 where profile.Amount does not hold one exactly.
func exactly(sums []*big.Int) []int64 {
	out := make([]int64, len(sums))
	for i, sum := range sums {
		out[i] = -1
		if sum.IsInt64() && sum.Int64() < math.MaxInt64 {
			out[i] = sum.Int64()
		}
	}
	return out
}

// enter enters the windows of a cell into it, with their sums.
func (w *windows) enter(c *boardCell, sums []int64) {
	c.Windows, c.lostSeconds = WindowCount{Stored: int64(w.Stored), Lost: int64(w.Lost)}, w.LostSeconds
	c.Ledger.Captured = profile.Amount{Value: sums[0], Count: sums[1]}
	c.Ledger.Stored = profile.Amount{Value: sums[2], Count: sums[3]}
	c.Ledger.Raw, c.Time.Recorded = sums[4], time.Duration(sums[5])
	c.Kernel = Kernel{Windows: sums[6], Charged: time.Duration(sums[7]), Profiled: time.Duration(sums[8])}
}

// life is that of the target whose windows they are.
func (w *windows) life(last report, m moment) life {
	length := w.RecordedLength
	if length == 0 {
		length = w.AnyLength
	}
	return life{first: w.First, last: w.Last, length: length, born: w.Born, until: last.until, gone: last.gone, now: m.at / 1000}
}

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
