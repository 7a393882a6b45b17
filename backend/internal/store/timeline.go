package store

import (
	"context"
	"fmt"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Timeline returns a cell for each step of the range, also for empty ones, and
// the account of the whole range, which is their sum. The second step begins at
// first + step; windows before first belong to the first step.
func (s *Store) Timeline(ctx context.Context, sel Selection, first time.Time, step time.Duration) ([]Cell, *Coverage, error) {
	cells, _, coverage, err := s.timeline(ctx, sel, first, step, "")
	return cells, coverage, err
}

func (s *Store) timeline(ctx context.Context, sel Selection, first time.Time, step time.Duration, by Column) ([]Cell, []Part, *Coverage, error) {
	const op = "read the timeline"
	if err := sel.check(op, s); err != nil {
		return nil, nil, nil, err
	}
	if err := s.checkSteps(op, sel.Range, step); err != nil {
		return nil, nil, nil, err
	}
	if first.Before(sel.From) || !first.Before(sel.To) || first.Sub(sel.From) >= step {
		first = sel.From
	}
	var b *board
	var parts []Part
	cost, err := s.reading(ctx, op, func(ctx context.Context, r *read) error {
		return r.onBoard(ctx, sel, steps{ceilSecond(first), int64(step / time.Second)}, func(filled *board, m moment) (err error) {
			if b = filled; by != "" {
				parts, err = r.parts(ctx, sel, b, by, m)
			}
			return err
		})
	})
	if err != nil {
		return nil, nil, nil, err
	}
	out := make([]Cell, len(b.cells))
	for i, c := range b.cells {
		out[i] = Cell{Start: time.Unix(b.steps.first+int64(i)*b.steps.length, 0).UTC(), Account: c.Account}
		if out[i].Status = statusOf(&out[i].Account); out[i].Status == CellNone && c.underway {
			out[i].Status = CellPending
		}
	}
	coverage := b.coverage()
	coverage.Cost = cost
	return out, parts, coverage, nil
}

// Coverage sums up the ledgers of a selection.
func (s *Store) Coverage(ctx context.Context, sel Selection) (*Coverage, error) {
	const op = "read coverage"
	if err := sel.check(op, s); err != nil {
		return nil, err
	}
	var b *board
	cost, err := s.reading(ctx, op, func(ctx context.Context, r *read) error {
		return r.onBoard(ctx, sel, sel.oneStep(), func(filled *board, _ moment) error {
			b = filled
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	coverage := b.coverage()
	coverage.Cost = cost
	return coverage, nil
}

// onBoard fills a board, and runs a function about the same moment.
func (r *read) onBoard(ctx context.Context, sel Selection, st steps, then func(b *board, m moment) error) error {
	var known *standing
	clock := func(ctx context.Context) (at int64, err error) {
		if known, err = r.standing(ctx, sel.ServiceKey, sel.Type, nil); err != nil {
			return 0, err
		}
		return known.at, nil
	}
	return r.atOneMoment(ctx, clock, func(m moment) error {
		b, err := r.board(ctx, sel, st, known.reports, m)
		if err != nil {
			return err
		}
		return then(b, m)
	})
}

func statusOf(a *Account) CellStatus {
	w := a.Windows
	lost := w.Lost > 0 || w.Missing > w.Pending
	for _, losses := range [][]profile.Loss{a.Ledger.Losses, a.Losses} {
		for _, l := range losses {
			missing := l.Reason == profile.WindowNotYetArrived || l.Reason == profile.NoReport
			if !missing && tells(l, a) {
				lost = true
			}
		}
	}
	switch {
	case w.Expected == 0 && a.Time.Lived == 0:
		return CellNone
	case w.Expected == 0 && !lost: // a window that began before is longer than a cell
		return CellOK
	case w.Stored == 0 && w.Pending == w.Expected:
		return CellPending
	case w.Stored == 0:
		return CellLost
	case lost:
		return CellPartial
	}
	return CellOK
}

// Below these a loss changes nothing that a sampling profiler could show. What comes with
// every window adds up, and is held against all that the cell has.
const (
	untoldSamples = 10 // and one in untoldShare of those stored
	untoldShare   = 50
	untoldTime    = time.Second // and of the profiler's own stalls one in untoldShare of the time
)

// tells reports whether a loss makes a cell partial.
func tells(l profile.Loss, a *Account) bool {
	switch l.Outcome {
	case profile.Shortened, profile.Noticed:
		return false
	case profile.Unvalued:
		return true
	}
	samples, length := int64(0), untoldTime
	switch l.Reason {
	case profile.ProfilerSkipped:
		samples = max(untoldSamples, a.Ledger.Stored.Count/untoldShare)
	case profile.ProfilerStall:
		length = max(untoldTime, a.Time.Lived/untoldShare)
	}
	return l.Count > samples || l.Bytes > 0 || l.Duration >= length
}

// steps divide a range. The first begins where the range does, the second at
// first + length.
type steps struct{ first, length int64 } // s

func (sel *Selection) oneStep() steps {
	from, to := sel.seconds()
	return steps{from, to - from}
}

// number is how many there are in a range.
func (s steps) number(span seconds) int64 {
	return max((span.to-s.first+s.length-1)/s.length, 1)
}

// cell is an expression: the number of the step in which a time is.
func (s steps) cell(column string) string {
	return fmt.Sprintf("greatest(intDiv(toInt64(toUnixTimestamp(%s)) - %d, %d), 0)", column, s.first, s.length)
}
