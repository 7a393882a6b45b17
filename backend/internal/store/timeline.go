package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/profile"
)

// Timeline returns a cell for each step of the range, also for empty ones.
func (s *Store) Timeline(ctx context.Context, sel Selection, step time.Duration) ([]Cell, Cost, error) {
	const op = "read the timeline"
	if err := sel.check(op, s); err != nil {
		return nil, Cost{}, err
	}
	if err := s.checkSteps(op, sel.Range, step); err != nil {
		return nil, Cost{}, err
	}
	var b *board
	cost, err := s.reading(ctx, op, func(ctx context.Context, r *read) (err error) {
		b, err = r.board(ctx, sel, int64(step/time.Second))
		return err
	})
	if err != nil {
		return nil, cost, err
	}
	out := make([]Cell, len(b.cells))
	for i, c := range b.cells {
		out[i] = Cell{
			Start: time.Unix(b.span.from+int64(i)*b.step, 0).UTC(), Windows: c.windows,
			Stored: c.ledger.Stored, Losses: profile.AddLosses(append([]profile.Loss(nil), c.ledger.Losses...), c.losses...),
		}
		out[i].Status = statusOf(&out[i])
	}
	return out, cost, nil
}

// Coverage sums up the ledgers of a selection.
func (s *Store) Coverage(ctx context.Context, sel Selection) (*Coverage, error) {
	const op = "read coverage"
	if err := sel.check(op, s); err != nil {
		return nil, err
	}
	var b *board
	cost, err := s.reading(ctx, op, func(ctx context.Context, r *read) (err error) {
		from, to := sel.seconds()
		b, err = r.board(ctx, sel, to-from)
		return err
	})
	if err != nil {
		return nil, err
	}
	c := b.cells[0]
	return &Coverage{Windows: c.windows, Ledger: c.ledger, Losses: c.losses, Targets: b.targets, Cost: cost}, nil
}

func statusOf(c *Cell) CellStatus {
	w := c.Windows
	lost := w.Lost > 0 || w.Missing > w.Pending
	for _, l := range c.Losses {
		missing := l.Reason == profile.WindowNotYetArrived || l.Reason == profile.NoReport
		if l.Outcome != profile.Shortened && !missing && tells(l, c.Stored) {
			lost = true
		}
	}
	switch {
	case w.Expected == 0:
		return CellNone
	case w.Stored == 0 && w.Pending == w.Expected:
		return CellPending
	case w.Stored == 0:
		return CellLost
	case lost:
		return CellPartial
	}
	return CellOK
}

// Below these a loss changes nothing that a sampling profiler could show.
const (
	untoldSamples = 10 // and one in untoldShare of those stored
	untoldShare   = 50
	untoldTime    = time.Second
)

// tells reports whether a loss makes a cell partial.
func tells(l profile.Loss, stored profile.Amount) bool {
	samples := int64(0)
	if l.Reason == profile.ProfilerSkipped {
		samples = max(untoldSamples, stored.Count/untoldShare)
	}
	return l.Count > samples || l.Bytes > 0 || l.Duration >= untoldTime
}

// board is a range in steps while its cells are being filled.
type board struct {
	span    seconds
	step    int64
	cells   []boardCell
	targets int
	length  int64 // seconds, of the longest windows
}

type boardCell struct {
	windows WindowCount
	ledger  profile.Coverage // of the type
	losses  []profile.Loss   // of windows
}

func (r *read) board(ctx context.Context, sel Selection, step int64) (*board, error) {
	from, to := sel.seconds()
	b := &board{span: seconds{from, to}, step: step, cells: make([]boardCell, (to-from+step-1)/step)}
	for i := range b.cells {
		b.cells[i].ledger.Type = sel.Type
	}
	if err := r.arrived(ctx, sel, b); err != nil {
		return nil, fmt.Errorf("count windows: %w", err)
	}
	if err := r.losses(ctx, sel, b); err != nil {
		return nil, fmt.Errorf("read losses: %w", err)
	}
	if err := r.expected(ctx, sel, b); err != nil {
		return nil, fmt.Errorf("read targets: %w", err)
	}
	b.settle()
	return b, nil
}

// headersOf is FROM and WHERE for the headers of windows and of the type.
func headersOf(sel Selection, span seconds, from string) (string, params) {
	narrow, args := sel.targets(sel.params().with("type", string(sel.Type)))
	return fmt.Sprintf("FROM @.profiles AS p FINAL %s WHERE %s AND p.type IN ('', {type:String}) AND %s%s",
		from, scoped, startsIn("window_start", span), narrow), args
}

// recorded tells a window with a recording, perhaps without a sample in it,
// from one that only says why there is none.
const recorded = "(recorded_end_ns > 0)"

// arrived counts windows by target and start, so that two parts of the same
// window, from before and after a restart, are one. A window whose header names
// other types was not asked for this one.
func (r *read) arrived(ctx context.Context, sel Selection, b *board) error {
	source, args := headersOf(sel, b.span, "")
	statement := fmt.Sprintf(`SELECT cell, countIf(has), countIf(lost AND NOT has), sum(cv), sum(cc), sum(sv), sum(sc), sum(r) FROM (
  SELECT intDiv(toUnixTimestamp(window_start) - %d, %d) AS cell, max(p.type != '' AND `+recorded+`) AS has,
    max(p.type = '' AND empty(types) OR p.type != '' AND NOT `+recorded+`) AS lost, sum(captured_value) AS cv, sum(captured_count) AS cc, sum(stored_value) AS sv, sum(stored_count) AS sc, sum(raw) AS r
  %s GROUP BY cell, series_id, window_start
) GROUP BY cell`, b.span.from, b.step, source)
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		var cell, cv, cc, sv, sc, raw int64
		var stored, lost uint64
		if err := row.Scan(&cell, &stored, &lost, &cv, &cc, &sv, &sc, &raw); err != nil {
			return err
		}
		c := &b.cells[cell]
		c.windows = WindowCount{Stored: int64(stored), Lost: int64(lost)}
		c.ledger.Captured, c.ledger.Stored, c.ledger.Raw = profile.Amount{Value: cv, Count: cc}, profile.Amount{Value: sv, Count: sc}, raw
		return nil
	})
}

func (r *read) losses(ctx context.Context, sel Selection, b *board) error {
	source, args := headersOf(sel, b.span, `ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y`)
	statement := fmt.Sprintf(`SELECT intDiv(toUnixTimestamp(window_start) - %d, %d) AS cell, p.type, o, e, sum(v), sum(c), sum(d), sum(y)
%s GROUP BY cell, p.type, o, e`, b.span.from, b.step, source)
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		var cell int64
		var of, reason string
		var outcome uint8
		var duration int64
		var l profile.Loss
		if err := row.Scan(&cell, &of, &outcome, &reason, &l.Value, &l.Count, &duration, &l.Bytes); err != nil {
			return err
		}
		l.Outcome, l.Reason, l.Duration = profile.Outcome(outcome), profile.Reason(reason), time.Duration(duration)
		c := &b.cells[cell]
		if of == "" {
			c.losses = profile.AddLosses(c.losses, l)
		} else {
			c.ledger.Losses = profile.AddLosses(c.ledger.Losses, l)
		}
		return nil
	})
}

// lookBack is how long before a range a target may have sent its latest window
// and still be expected to send more.
const lookBack = int64(time.Hour / time.Second)

// aliveUntil is the time up to which a target's windows are expected: its last
// report, or its last window if that report says that it is gone.
const aliveUntil = "argMax(if(reason = '" + string(profile.JVMExited) + "', last_window, reported_at), reported_at) AS until"

// expected works out how many windows should have come: those between the first
// and the last window of each target, and up to its last report.
func (r *read) expected(ctx context.Context, sel Selection, b *board) error {
	wide := seconds{max(b.span.from-lookBack, 0), b.span.to}
	source, args := headersOf(sel, wide, "")
	statement := fmt.Sprintf(`SELECT w.first, w.last, w.length, toInt64(toUnixTimestamp(t.until)), toInt64(toUnixTimestamp(now())) FROM (
  SELECT series_id, toInt64(toUnixTimestamp(min(window_start))) AS first, toInt64(max(toUnixTimestamp(window_start) + duration_s)) AS last,
    toInt64(max(duration_s)) AS length
  %s AND (p.type != '' OR empty(types)) GROUP BY series_id
) AS w LEFT JOIN (
  SELECT series_id, `+aliveUntil+` FROM @.targets WHERE %s GROUP BY series_id
) AS t ON t.series_id = w.series_id LIMIT %d`, source, scoped, r.store.limits.Targets)
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		var first, last, length, until, now int64
		if err := row.Scan(&first, &last, &length, &until, &now); err != nil {
			return err
		}
		b.expect(seconds{first, max(last, until/length*length)}, length, now)
		if max(last, until) > b.span.from {
			b.targets++
		}
		return nil
	})
}

// arrival is how long after its end a window may take to arrive before it is
// missed, beyond its own length.
const arrival = 30

// expect enters the windows of a target: those that start at whole multiples of
// their length.
func (b *board) expect(alive seconds, length, now int64) {
	b.length = max(b.length, length)
	from, to := max(alive.from, b.span.from), min(alive.to, b.span.to)
	for i := max((from-b.span.from)/b.step, 0); i < int64(len(b.cells)); i++ {
		start := b.span.from + i*b.step
		if start >= to {
			return
		}
		lo, hi := max(start, from), min(start+b.step, to)
		b.cells[i].windows.Expected += starts(lo, hi, length)
		b.cells[i].windows.Pending += starts(max(lo, now-2*length-arrival), hi, length)
	}
}

// starts counts the multiples of length in [lo, hi).
func starts(lo, hi, length int64) int64 {
	return max((hi+length-1)/length-(lo+length-1)/length, 0)
}

// settle works out what is missing, once all targets are entered.
func (b *board) settle() {
	for i := range b.cells {
		w := &b.cells[i].windows
		w.Missing = max(w.Expected-w.Stored-w.Lost, 0)
		w.Expected = w.Stored + w.Lost + w.Missing
		w.Pending = min(w.Pending, w.Missing)
		b.cells[i].losses = profile.AddLosses(b.cells[i].losses,
			b.missed(profile.WindowNotYetArrived, w.Pending), b.missed(profile.NoReport, w.Missing-w.Pending))
	}
}

func (b *board) missed(reason profile.Reason, windows int64) profile.Loss {
	return profile.Loss{Outcome: profile.Dropped, Reason: reason, Duration: time.Duration(windows*b.length) * time.Second}
}
