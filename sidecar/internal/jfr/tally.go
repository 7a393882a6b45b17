package jfr

import "github.com/podflame/podflame/backend/profile"

// tally adds up the events of one type in one chunk by stack and, for
// allocations and locks, class.
type tally struct {
	cells []cell
	first table                // by stack id: index + 1 of its first cell
	other map[[2]uint64]uint32 // the cells of further classes
	max   int
	lost  profile.Amount // beyond max cells
	over  profile.Amount // beyond the limit of events
	raw   int64
	total profile.Amount
}

type cell struct {
	stack, class uint64
	amount       profile.Amount
}

func newTally(stacks, max int) *tally {
	return &tally{first: newTable(stacks), max: max}
}

// add enters an event; one beyond the limit of events is only counted. It
// reports false if the sum is not believed any more.
func (t *tally) add(stack, class uint64, w weight, beyond bool) bool {
	sum := t.total.Add(w.amount)
	if sum.Value > maxTotal || sum.Count > maxTotal {
		return false
	}
	t.total = sum
	t.raw += w.raw
	if beyond {
		t.over = t.over.Add(w.amount)
	} else if c := t.cell(stack, class); c != nil {
		c.amount = c.amount.Add(w.amount)
	} else {
		t.lost = t.lost.Add(w.amount)
	}
	return true
}

func (t *tally) cell(stack, class uint64) *cell {
	i := t.first.get(stack)
	if i == 0 {
		c := t.grow(stack, class)
		if c != nil {
			t.first.set(stack, uint32(len(t.cells)))
		}
		return c
	}
	if c := &t.cells[i-1]; c.class == class {
		return c
	}
	key := [2]uint64{stack, class}
	if i, ok := t.other[key]; ok {
		return &t.cells[i]
	}
	c := t.grow(stack, class)
	if c != nil {
		if t.other == nil {
			t.other = map[[2]uint64]uint32{}
		}
		t.other[key] = uint32(len(t.cells) - 1)
	}
	return c
}

func (t *tally) grow(stack, class uint64) *cell {
	if len(t.cells) >= t.max {
		return nil
	}
	t.cells = append(t.cells, cell{stack: stack, class: class})
	return &t.cells[len(t.cells)-1]
}
