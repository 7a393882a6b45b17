package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/profile"
)

// board is a range in steps while its cells are being filled.
type board struct {
	span      seconds
	steps     steps
	cells     []boardCell
	lives     []seconds // of targets, within the span
	targets   int
	uncounted bool
	length    int64 // s, of the longest windows
	whole     Account
}

type boardCell struct {
	Account
	expected    int64 // windows, while targets are being entered
	lostSeconds int64 // that windows without a recording stand for
}

func newBoard(t profile.Type, span seconds, st steps) *board {
	b := &board{span: span, steps: st, cells: make([]boardCell, st.number(span))}
	for i := range b.cells {
		b.cells[i].Ledger.Type = t
	}
	return b
}

// board fills a board with the windows of a moment. It returns errMoved if its
// queries saw different windows.
func (r *read) board(ctx context.Context, sel Selection, st steps, m moment) (*board, error) {
	from, to := sel.seconds()
	b := newBoard(sel.Type, seconds{from, to}, st)
	stored, err := r.storedWindows(ctx, sel, b, m)
	if err != nil {
		return nil, fmt.Errorf("count windows: %w", err)
	}
	losses, err := r.losses(ctx, sel, b, m)
	if err != nil {
		return nil, fmt.Errorf("read losses: %w", err)
	}
	targets, err := r.expected(ctx, sel, b, m)
	if err != nil {
		return nil, fmt.Errorf("read targets: %w", err)
	}
	if err := r.earlierGaps(ctx, sel, b, m); err != nil {
		return nil, fmt.Errorf("read what began before the range: %w", err)
	}
	if stored != losses || stored != targets && !b.uncounted {
		return nil, errMoved
	}
	b.whole, err = b.settle(r.op)
	return b, err
}

// headersOf is FROM and WHERE for the headers of windows and of the type, as far
// as they are about the type: windows without any ledger are not, if their target
// is known not to record it.
func headersOf(sel Selection, span seconds, from string, m moment) (string, params) {
	narrow, args := sel.targets(sel.params().with("type", string(sel.Type)))
	return fmt.Sprintf(`FROM @.profiles AS p FINAL %s WHERE %s AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types) AND series_id NOT IN (
  SELECT series_id FROM @.targets WHERE %s GROUP BY series_id HAVING notEmpty(argMax(events, reported_at)) AND NOT has(argMax(events, reported_at), {type:String})))
 AND %s AND %s%s`, from, scoped, scoped, startsIn("window_start", span), m.received(), narrow), args
}

// recorded tells a window with a recording, perhaps without a sample in it,
// from one that only says why there is none.
const recorded = "(recorded_end_ns > 0)"

// recordedSpan is the ns that the recording of a window spans, at most twice the
// window: recordings do not end quite where windows do.
const recordedSpan = "least(greatest(recorded_end_ns - recorded_start_ns, 0), toInt64(duration_s) * 2000000000)"

// storedWindows counts windows by target and start, so that two parts of the
// same window, from before and after a restart, are one.
func (r *read) storedWindows(ctx context.Context, sel Selection, b *board, m moment) (read uint64, err error) {
	source, args := headersOf(sel, b.span, "", m)
	statement := fmt.Sprintf(`SELECT cell, countIf(has), countIf(lost AND NOT has), sumIf(toInt64(length_s), lost AND NOT has), sum(prints), `+
		exact("sum(cv)")+`, `+exact("sum(cc)")+`, `+exact("sum(sv)")+`, `+exact("sum(sc)")+`, `+exact("sum(r)")+`, `+exact("sum(span)")+`,
  sum(kn), `+exact("sum(kc)")+`, `+exact("sum(kp)")+` FROM (
  SELECT %s AS cell, max(duration_s) AS length_s, max(p.type != '' AND `+recorded+`) AS has,
    max(p.type = '' AND empty(types) OR p.type != '' AND NOT `+recorded+`) AS lost, sum(`+fingerprint+`) AS prints,
    sum(toInt128(captured_value)) AS cv, sum(toInt128(captured_count)) AS cc, sum(toInt128(stored_value)) AS sv, sum(toInt128(stored_count)) AS sc,
    sum(toInt128(raw)) AS r, sum(if(p.type != '', toInt128(`+recordedSpan+`), 0)) AS span,
    countIf(p.type != '' AND kernel_cpu_ns >= 0) AS kn, sumIf(toInt128(kernel_cpu_ns), p.type != '' AND kernel_cpu_ns >= 0) AS kc,
    sumIf(toInt128(captured_value), p.type != '' AND kernel_cpu_ns >= 0) AS kp
  %s GROUP BY cell, series_id, window_start
) GROUP BY cell`, b.steps.cell("window_start"), source)
	err = r.query(ctx, statement, args, func(row driver.Rows) error {
		var cell, span, lostSeconds, charged, profiled int64
		var stored, lost, prints, kernel uint64
		var l profile.Coverage
		if err := row.Scan(&cell, &stored, &lost, &lostSeconds, &prints, &l.Captured.Value, &l.Captured.Count, &l.Stored.Value, &l.Stored.Count, &l.Raw, &span,
			&kernel, &charged, &profiled); err != nil {
			return err
		}
		read += prints
		c := &b.cells[cell]
		c.Windows, c.lostSeconds = WindowCount{Stored: int64(stored), Lost: int64(lost)}, lostSeconds
		c.Ledger.Captured, c.Ledger.Stored, c.Ledger.Raw = l.Captured, l.Stored, l.Raw
		c.Time.Recorded = time.Duration(span)
		c.Kernel = Kernel{Windows: int64(kernel), Charged: time.Duration(charged), Profiled: time.Duration(profiled)}
		return r.checkSums(l.Captured.Value, l.Captured.Count, l.Stored.Value, l.Stored.Count, l.Raw, span, charged, profiled)
	})
	return read, err
}

func (r *read) losses(ctx context.Context, sel Selection, b *board, m moment) (read uint64, err error) {
	source, args := headersOf(sel, b.span, lossRows, m)
	statement := fmt.Sprintf(`SELECT %s AS cell, p.type, o, e, any(n > 0), sumIf(`+fingerprint+`, n <= 1), %s
%s GROUP BY cell, p.type, o, e`, b.steps.cell("window_start"), lossSums(), source)
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
	source, args := headersOf(sel, before(b.span), lossRows, m)
	statement := fmt.Sprintf("SELECT n, e, %s %s AND p.type = '' AND %s", gapSpan(b.span), source, reachesInto(b.span))
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		var g gap
		if err := g.scan(row); err != nil {
			return err
		}
		b.enterGap(g)
		return nil
	})
}

// gap is the part within a range of a time without a recording that began before
// it: a row of lossRows.
type gap struct {
	number uint32 // of the loss in its window; 0 if that has none, 1 for the first
	reason profile.Reason
	length int64 // s, of the part of the window
	lost   time.Duration
}

// before is where windows are looked for that may reach into a span.
func before(span seconds) seconds { return seconds{max(span.from-lookBack, 0), span.from} }

// reachesInto is the condition on headers of the type ” that the window has no
// recording and ends within the span or after it.
func reachesInto(span seconds) string {
	return fmt.Sprintf("NOT (notEmpty(types) AND %s) AND toUnixTimestamp(window_start) + duration_s > %d", recorded, span.from)
}

// gapSpan are the columns of a gap after its number and reason. A loss has the
// same share of each part of its window.
func gapSpan(span seconds) string {
	return fmt.Sprintf(`least(toInt64(toUnixTimestamp(window_start)) + duration_s, %d) - %d AS inside_s, toInt64(toInt128(d) * inside_s / duration_s)`, span.to, span.from)
}

func (g *gap) scan(row driver.Rows, keys ...any) error {
	var reason string
	var lost int64
	if err := row.Scan(append(keys, &g.number, &reason, &g.length, &lost)...); err != nil {
		return err
	}
	g.reason, g.lost = profile.Reason(reason), time.Duration(lost)
	return nil
}

func (b *board) enterGap(g gap) {
	c := &b.cells[0]
	if g.number <= 1 { // a window with several reasons counts once
		c.lostSeconds += g.length
	}
	if g.number > 0 {
		c.Losses = profile.AddLosses(c.Losses, profile.Loss{Outcome: profile.Dropped, Reason: g.reason, Duration: g.lost})
	}
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

// lookBack is how long before a range a target may have sent its latest window
// and still be expected to send more.
const lookBack = int64(time.Hour / time.Second)

// aliveUntil is the time up to which a target's windows are expected: its last
// report, or when it was seen to be gone.
const aliveUntil = "argMax(if(reason != '" + string(profile.JVMExited) + "', reported_at, if(since > toDateTime64(0, 3, 'UTC'), since, last_window)), reported_at) AS until, " +
	"argMax(reason, reported_at) = '" + string(profile.JVMExited) + "' AS gone"

// expected works out how many windows should have come: those between the first
// and the last window of each target, and up to its last report or its end.
func (r *read) expected(ctx context.Context, sel Selection, b *board, m moment) (read uint64, err error) {
	wide := seconds{max(b.span.from-lookBack, 0), b.span.to}
	source, args := headersOf(sel, wide, "", m)
	limit := r.store.limits.Counted
	statement := fmt.Sprintf(`SELECT w.first, w.last, w.length, w.born, w.prints, toInt64(toUnixTimestamp(t.until)), t.gone FROM (
  SELECT series_id, toInt64(toUnixTimestamp(min(window_start))) AS first, toInt64(max(toUnixTimestamp(window_start) + duration_s)) AS last,
    toInt64(if(minIf(duration_s, `+recorded+`) > 0, minIf(duration_s, `+recorded+`), min(duration_s))) AS length, toInt64(toUnixTimestamp(min(jvm_start))) AS born, sumIf(`+fingerprint+`, window_start >= toDateTime(%d, 'UTC')) AS prints
  %s GROUP BY series_id
) AS w LEFT JOIN (
  SELECT series_id, `+aliveUntil+` FROM @.targets WHERE %s GROUP BY series_id
) AS t ON t.series_id = w.series_id ORDER BY w.series_id LIMIT %d`, b.span.from, source, scoped, limit+1)
	err = r.query(ctx, statement, args, func(row driver.Rows) error {
		l := life{now: m.at / 1000}
		var prints uint64
		var gone uint8
		if err := row.Scan(&l.first, &l.last, &l.length, &l.born, &prints, &l.until, &gone); err != nil {
			return err
		}
		l.gone = gone > 0
		read += prints
		if b.targets >= limit {
			b.uncounted = true
			return nil
		}
		b.enter(l)
		return nil
	})
	return read, err
}

// life is what is known of the life of a target. All times are Unix s.
type life struct {
	first, last int64 // window: start of the first, end of the last
	length      int64 // of its windows
	born, until int64 // JVM start, and last report or end; 0 if not known
	gone        bool
	now         int64
}

// alive is the time in which windows of the target are expected. A JVM that
// still lives owes whole windows only.
func (l life) alive() seconds {
	until := l.until
	if !l.gone {
		until = until / l.length * l.length
	}
	return seconds{max(l.first, min(l.born, l.last)), max(l.last, until)}
}

// count enters windows of a target into a board of one cell.
func (b *board) count(stored, lost, lostSeconds int64) {
	b.cells[0].Windows.Stored += stored
	b.cells[0].Windows.Lost += lost
	b.cells[0].lostSeconds += lostSeconds
}

// enter enters a target.
func (b *board) enter(l life) {
	if alive := l.alive(); alive.from < b.span.to && alive.to > b.span.from {
		b.targets++
		b.expect(alive, l.length, l.now)
	}
}

// arrival is how long after its end a window may take to arrive before it is
// missed, beyond its own length.
const arrival = 30

// expect enters the windows of a target: those that start at whole multiples of
// their length, and the one in which it began to live.
func (b *board) expect(alive seconds, length, now int64) {
	b.length = max(b.length, length)
	within := seconds{max(alive.from, b.span.from), min(alive.to, b.span.to)}
	b.lives = append(b.lives, within)
	windows := seconds{max(alive.from/length*length, b.span.from), within.to}
	for i := b.cellOf(windows.from); i < len(b.cells); i++ {
		cell := b.cell(i)
		if cell.from >= within.to {
			return
		}
		lo, hi := max(cell.from, windows.from), min(cell.to, windows.to)
		b.cells[i].expected += starts(lo, hi, length)
		b.cells[i].Windows.Pending += starts(max(lo, now-2*length-arrival), hi, length)
		b.cells[i].Time.Lived += overlap(cell, within)
	}
}

func (b *board) cellOf(at int64) int { return int(max((at-b.steps.first)/b.steps.length, 0)) }

// cell is the span of a cell; the first one begins where the range does.
func (b *board) cell(i int) seconds {
	from := b.steps.first + int64(i)*b.steps.length
	c := seconds{from, min(from+b.steps.length, b.span.to)}
	if i == 0 {
		c.from = b.span.from
	}
	return c
}

func overlap(a, b seconds) time.Duration {
	return time.Duration(max(min(a.to, b.to)-max(a.from, b.from), 0)) * time.Second
}

// starts counts the multiples of length in [lo, hi).
func starts(lo, hi, length int64) int64 {
	return max((hi+length-1)/length-(lo+length-1)/length, 0)
}

// settle works out what is missing, once all targets are entered, and returns
// the account of the whole range.
func (b *board) settle(op string) (Account, error) {
	b.cover()
	b.spread()
	var whole boardCell
	for i := range b.cells {
		whole.Account = whole.add(&b.cells[i].Account)
		whole.expected += b.cells[i].expected
		if whole.overflows() {
			return Account{}, &Error{Class: SumTooLarge, Op: op, Hint: narrow, Err: errors.New("a sum is 2^63 or more")}
		}
	}
	for i := range b.cells {
		b.cells[i].settle(b.length)
	}
	whole.settle(b.length)
	return whole.Account, nil
}

// spread shares a window without a recording, which may stand for a long time,
// among the cells that it covers: each takes what it lacks.
func (b *board) spread() {
	var windows int64
	var losses []profile.Loss
	for i := range b.cells {
		c := &b.cells[i]
		if b.length > 0 {
			windows += max(c.lostSeconds/b.length, c.Windows.Lost)
		}
		if windows == c.Windows.Lost && len(losses) == 0 {
			windows = 0
			continue
		}
		last := i == len(b.cells)-1 // what is left over is of the time after the range
		c.Windows.Lost = min(windows, max(c.expected-c.Windows.Stored, c.Windows.Lost))
		windows -= c.Windows.Lost
		pool := profile.AddLosses(losses, c.Losses...)
		c.Losses, losses = nil, nil
		share := 1.0 // of each loss: which reason came first is not known
		if room := time.Duration(c.Windows.Lost*b.length) * time.Second; windows > 0 && !last {
			share = min(float64(room)/float64(durations(pool)), 1)
		}
		for _, l := range pool {
			if here := time.Duration(share * float64(l.Duration)); share < 1 && here < l.Duration {
				losses = profile.AddLosses(losses, profile.Loss{Outcome: l.Outcome, Reason: l.Reason, Duration: l.Duration - here})
				l.Duration = here
			}
			c.Losses = profile.AddLosses(c.Losses, l)
		}
	}
}

func durations(losses []profile.Loss) (sum time.Duration) {
	for _, l := range losses {
		sum += l.Duration
	}
	return max(sum, 1)
}

func (c *boardCell) settle(length int64) {
	w := &c.Windows
	w.Missing = max(c.expected-w.Stored-w.Lost, 0)
	w.Expected = w.Stored + w.Lost + w.Missing
	w.Pending = min(w.Pending, w.Missing)
	if w.Missing == 0 {
		return
	}
	// Windows that did not arrive stand for their share of the targets' lives, at
	// most for what nobody else accounts for: a JVM that lived for seconds is not
	// charged with a minute.
	share := float64(c.Time.Lived) / float64(c.expected)
	open := c.Time.Lived - c.Time.Recorded - time.Duration(w.Lost*length)*time.Second
	share = min(share, float64(max(open, 0))/float64(w.Missing))
	missed := func(r profile.Reason, windows int64) profile.Loss {
		return profile.Loss{Outcome: profile.Dropped, Reason: r, Duration: time.Duration(share * float64(windows)).Round(time.Second)}
	}
	c.Losses = profile.AddLosses(c.Losses, missed(profile.WindowNotYetArrived, w.Pending), missed(profile.NoReport, w.Missing-w.Pending))
}

// cover works out in how much of each cell at least one target lived.
func (b *board) cover() {
	slices.SortFunc(b.lives, func(x, y seconds) int { return cmp.Compare(x.from, y.from) })
	at := b.span.from
	for _, l := range b.lives {
		l.from = max(l.from, at)
		for i := b.cellOf(l.from); i < len(b.cells) && l.from < l.to; i++ {
			cell := b.cell(i)
			b.cells[i].Time.Covered += overlap(cell, l)
			l.from = max(l.from, min(cell.to, l.to))
		}
		at = max(at, l.to)
	}
}

func (b *board) coverage() *Coverage {
	return &Coverage{Account: b.whole, Targets: b.targets, Uncounted: b.uncounted}
}

// add returns the sum of two accounts that are not settled yet.
func (a Account) add(o *Account) Account {
	a.Windows.Stored += o.Windows.Stored
	a.Windows.Lost += o.Windows.Lost
	a.Windows.Pending += o.Windows.Pending
	a.Ledger = profile.MergeCoverage(o.Ledger.Type, a.Ledger, o.Ledger)
	a.Losses = profile.AddLosses(a.Losses, o.Losses...)
	a.Time.Recorded += o.Time.Recorded
	a.Time.Lived += o.Time.Lived
	a.Time.Covered += o.Time.Covered
	a.Kernel.Windows += o.Kernel.Windows
	a.Kernel.Charged += o.Kernel.Charged
	a.Kernel.Profiled += o.Kernel.Profiled
	return a
}

// overflows reports whether one of the sums is not exact: amounts stay at the
// largest number, times wrap around below zero.
func (a *Account) overflows() bool {
	sums := []int64{a.Ledger.Captured.Value, a.Ledger.Captured.Count, a.Ledger.Stored.Value, a.Ledger.Stored.Count, a.Ledger.Raw,
		int64(a.Time.Recorded), int64(a.Time.Lived), int64(a.Kernel.Charged), int64(a.Kernel.Profiled)}
	for _, l := range slices.Concat(a.Ledger.Losses, a.Losses) {
		sums = append(sums, l.Value, l.Count, int64(l.Duration), l.Bytes)
	}
	return slices.Min(sums) < 0 || slices.Max(sums) == math.MaxInt64
}
