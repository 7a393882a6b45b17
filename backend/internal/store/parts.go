package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Column is what a timeline can be taken apart by.
type Column string

// The columns.
const (
	ByVersion   Column = "version"
	ByPod       Column = "pod"
	ByContainer Column = "container"
	ByNode      Column = "node"
	ByThread    Column = "thread" // group, of samples: it is read from them, not from ledgers
)

// Part is what the targets of one version, pod, container or node stored, or all
// targets in threads of one group.
type Part struct {
	Name   string
	Total  profile.Amount
	Stored []profile.Amount // by cell
	// Windows is the number of windows that came, by cell; of a thread group, of those
	// that have samples of it.
	Windows []int64
}

// Parts is Timeline with what each cell stored taken apart by a column, heaviest
// part first. The parts of a cell sum to it. Threads that a selection chooses are
// not looked at.
func (s *Store) Parts(ctx context.Context, sel Selection, first time.Time, step time.Duration, by Column) ([]Cell, []Part, *Coverage, error) {
	return s.timeline(ctx, sel, first, step, by)
}

// maxParts bounds the parts of a timeline.
const maxParts = 2000

func partsStatement(sel Selection, b *board, by Column, m moment) (string, params) {
	if by != ByThread {
		source, args := b.headersOf(sel, []seconds{b.span}, "", m)
		return fmt.Sprintf("SELECT cell, name, "+exact("sum(toInt128(stored_value))")+" AS sv, "+exact("sum(toInt128(stored_count))")+
			" AS sc, uniqExactIf((series_id, window_start), has) AS windows\nFROM @(SELECT %s AS cell, %s AS name, stored_value, stored_count, series_id, window_start, p.type != '' AND "+recorded+" AS has %s) GROUP BY cell, name",
			b.cellColumn("window_start"), by, source), args
	}
	narrow, args := sel.targets(sel.params().with("type", string(sel.Type)))
	return fmt.Sprintf("SELECT %s AS cell, thread AS name, "+exact("sum(toInt128(value))")+" AS sv, "+exact("sum(toInt128(count))")+
		" AS sc, uniqExact((series_id, window_start)) AS windows FROM @(%s) GROUP BY cell, name",
		b.cellColumn("window_start"), namedSamples("series_id, window_start, thread, value, count", []seconds{b.span}, narrow, m)), args
}

// partOfCell is what a part stored in a cell.
type partOfCell struct {
	Cell        int64  `ch:"cell"`
	Name        string `ch:"name"`
	StoredValue int64  `ch:"sv"`
	StoredCount int64  `ch:"sc"`
	Windows     uint64 `ch:"windows"`
}

func (r *read) parts(ctx context.Context, sel Selection, b *board, by Column, m moment) ([]Part, error) {
	statement, args := partsStatement(sel, b, by, m)
	index, list := map[string]int{}, []Part(nil)
	err := rowsOf(ctx, r, statement, args, func(one *partOfCell) error {
		i, ok := index[one.Name]
		if !ok {
			if i = len(list); i == maxParts {
				return &Error{Class: TooExpensive, Op: r.op, Hint: narrow, Err: fmt.Errorf("the selection has more than %d values of %s", maxParts, by)}
			}
			index[one.Name] = i
			list = append(list, Part{Name: one.Name, Stored: make([]profile.Amount, len(b.cells)), Windows: make([]int64, len(b.cells))})
		}
		part, stored := &list[i], profile.Amount{Value: one.StoredValue, Count: one.StoredCount}
		part.Stored[one.Cell], part.Windows[one.Cell] = stored, int64(one.Windows)
		part.Total = part.Total.Add(stored)
		return r.checkSums(stored.Value, stored.Count)
	})
	if err != nil {
		return nil, fmt.Errorf("read parts: %w", err)
	}
	for cell := range b.cells {
		var sum profile.Amount
		for i := range list {
			sum = sum.Add(list[i].Stored[cell])
		}
		if sum != b.cells[cell].Ledger.Stored {
			return nil, errMoved
		}
	}
	slices.SortFunc(list, func(a, b Part) int {
		return cmp.Or(cmp.Compare(b.Total.Value, a.Total.Value), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}
