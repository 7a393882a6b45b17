package store

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// asked is a board that is to be filled with the windows of a selection.
type asked struct {
	Selection
	board *board
	hours []rolledHour // whose roll-up may lack a window
}

func ask(sel Selection, st steps, known reports, hours []rolledHour) asked {
	from, to := sel.seconds()
	b := newBoard(sel.Type, seconds{from, to}, st)
	b.reports, b.uncounted = known, known.more
	return asked{sel, b, hours}
}

// board fills a board with the windows of a moment. See fillBoards.
func (r *read) board(ctx context.Context, sel Selection, st steps, known reports, m moment) (*board, error) {
	a := ask(sel, st, known, nil)
	return a.board, r.fillBoards(ctx, []asked{a}, m)
}

// fillBoards fills boards with the windows of a moment. It returns errMoved if its
// queries saw different windows. A query of few rows costs what its plan costs:
// what few windows have, losses and time that began before the range, is read only
// where there is some, and the windows of several ranges of the same targets are read
// together. Of the rolled up hours it finds those whose roll-up lacks one of the
// windows.
func (r *read) fillBoards(ctx context.Context, list []asked, m moment) error {
	counts := make([]*windowCount, len(list))
	for i, a := range list {
		counts[i] = r.countOf(a)
	}
	together := 1
	if differInRange(list) {
		together = len(list)
	}
	for some := range slices.Chunk(counts, together) {
		if err := r.windows(ctx, some, m); err != nil {
			return fmt.Errorf("count windows: %w", err)
		}
	}
	for _, c := range counts {
		if err := r.rest(ctx, c, m); err != nil {
			return err
		}
	}
	return nil
}

// differInRange says whether selections are the same but for their ranges.
func differInRange(list []asked) bool {
	first := list[0].Selection
	for _, a := range list {
		a.Range = first.Range
		if !reflect.DeepEqual(a.Selection, first) {
			return false
		}
	}
	return true
}

// rest fills in what few windows have.
func (r *read) rest(ctx context.Context, c *windowCount, m moment) (err error) {
	if c.losses > 0 {
		prints, err := r.losses(ctx, c.asked, m)
		if err != nil {
			return fmt.Errorf("read losses: %w", err)
		}
		if prints != c.prints {
			return errMoved
		}
	}
	if c.gaps > 0 {
		if err := r.earlierGaps(ctx, c.asked, m); err != nil {
			return fmt.Errorf("read what began before the range: %w", err)
		}
	}
	c.board.whole, err = c.board.settle(r.op)
	return err
}

// headersOf is FROM and WHERE for the headers of windows and of the type, as far
// as they are about the type: windows without any ledger are not, if their target
// is known not to record it.
func (b *board) headersOf(sel Selection, spans []seconds, from string, m moment) (string, params) {
	narrow, args := sel.targets(sel.params().with("type", string(sel.Type)))
	may := ""
	if b.reports.unrecorded { // without it, the plan is smaller
		may = " AND series_id NOT IN (\n  SELECT series_id FROM @.targets WHERE " + scoped + " GROUP BY series_id HAVING " + unrecorded + ")"
	}
	return fmt.Sprintf(`FROM @.profiles AS p FINAL %s WHERE %s AND p.type IN ('', {type:String})
 AND (p.type != '' OR has(types, {type:String}) OR empty(types)%s)
 AND %s AND %s%s`, from, scoped, may, inAny("window_start", spans), m.received(), narrow), args
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

func (r *read) losses(ctx context.Context, a asked, m moment) (read uint64, err error) {
	source, args := a.board.headersOf(a.Selection, []seconds{a.board.span}, lossRows, m)
	statement := fmt.Sprintf(`SELECT cell, of, o, e, any(n > 0) AS has_loss, sumIf(print, n <= 1) AS prints, %s
FROM @(SELECT %s AS cell, p.type AS of, o, e, n, v, c, d, y, `+fingerprint+` AS print %s) GROUP BY cell, of, o, e`, lossSums(), a.board.cellColumn("window_start"), source)
	err = rowsOf(ctx, r, statement, args, func(one *lossRow) error {
		read += one.Prints
		if err := r.checkSums(one.Value, one.Count, one.Duration, one.Bytes); err != nil || one.HasLoss == 0 {
			return err
		}
		l := profile.Loss{
			Outcome: profile.Outcome(one.Outcome), Reason: profile.Reason(one.Reason), Value: one.Value, Count: one.Count,
			Duration: time.Duration(one.Duration), Bytes: one.Bytes,
		}
		c := &a.board.cells[one.Cell]
		if one.Type == "" {
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
func (r *read) earlierGaps(ctx context.Context, a asked, m moment) error {
	source, args := a.board.headersOf(a.Selection, []seconds{before(a.board.span)}, lossRows, m)
	statement := fmt.Sprintf("SELECT * FROM @(SELECT n, e, %s %s AND p.type = '' AND %s)", gapSpan(a.board.span), source, reachesInto(a.board.span))
	return rowsOf(ctx, r, statement, args, func(g *gap) error {
		a.board.enterGap(g)
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
	return fmt.Sprintf(`least(toInt64(toUnixTimestamp(window_start)) + duration_s, %d) - %d AS inside_s, toInt64(toInt128(d) * inside_s / duration_s) AS lost_ns`, span.to, span.from)
}

// lossRows makes a row of each loss of a header, numbered from 1, and one of a
// header without losses, numbered 0.
const lossRows = `LEFT ARRAY JOIN loss_outcome AS o, loss_reason AS e, loss_value AS v, loss_count AS c, loss_duration_ns AS d, loss_bytes AS y, arrayEnumerate(loss_outcome) AS n`

func lossSums() string {
	return exact("sum(toInt128(v))") + " AS lost_value, " + exact("sum(toInt128(c))") + " AS lost_count, " + exact("sum(toInt128(d))") + " AS lost_ns, " + exact("sum(toInt128(y))") + " AS lost_bytes"
}

// lossRow is what windows of a cell lost for a reason, and the fingerprint of those of
// whose losses it is the first.
type lossRow struct {
	Cell     int64  `ch:"cell"`
	Type     string `ch:"of"`
	Outcome  uint8  `ch:"o"`
	Reason   string `ch:"e"`
	HasLoss  uint8  `ch:"has_loss"` // 0 for windows without one
	Prints   uint64 `ch:"prints"`
	Value    int64  `ch:"lost_value"`
	Count    int64  `ch:"lost_count"`
	Duration int64  `ch:"lost_ns"`
	Bytes    int64  `ch:"lost_bytes"`
}
