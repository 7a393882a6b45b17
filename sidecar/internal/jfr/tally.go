package jfr

import "github.com/podflame/podflame/backend/profile"

// tally adds up the events of one type in one chunk by stack, thread group and,
// for allocations and locks, class.
type tally struct {
	cells []cell
	first table              // by stack id: index + 1 of its first cell
	other map[cellKey]uint32 // the cells of further classes and groups
	max   int
	lost  sum // beyond max cells
	over  sum // beyond the limit of events
	total sum
	// losses are samples that are told of without a stack.
	losses   []profile.Loss
	unvalued profile.Reason // why values are not known, where they are not
	ticks    bool           // raw sums are in ticks
}

type cell struct {
	cellKey
	sum
}

// cellKey is what is added up together: events of a stack and a class, both ids of
// the chunk, in threads of a group.
type cellKey struct {
	stack, class uint64
	group        uint32
}

// sum is what events of a stack add up to. What is measured in ticks of the
// chunk's clock is converted once, when all of it is added up.
type sum struct {
	value    int64 // ns, bytes or events
	ticks    int64 // beside value
	raw      int64 // as the recording has it: samples, bytes; for locks, ticks
	count    int64
	unvalued int64 // of count: how many have no known value
}

func (s *sum) add(w *sum) {
	s.value += w.value
	s.ticks += w.ticks
	s.raw += w.raw
	s.count += w.count
	s.unvalued += w.unvalued
}

// fits reports whether the sum with w is believed.
func (s *sum) fits(w *sum) bool {
	return s.value <= maxTotal-w.value && s.ticks <= maxTotal-w.ticks && s.raw <= maxTotal-w.raw && s.count <= maxTotal-w.count
}

// amount converts a sum, at ticks per second.
func (s sum) amount(perSecond int64) profile.Amount {
	return profile.Amount{Value: s.value + ticksToNanos(s.ticks, perSecond), Count: s.count}
}

func newTally(stacks, max int) *tally {
	return &tally{first: newTable(stacks), max: max}
}

// add enters an event; one beyond the limit of events is only counted. It
// reports false if the sum is not believed any more.
func (t *tally) add(key cellKey, w *sum, beyond bool) bool {
	if !t.total.fits(w) {
		return false
	}
	t.total.add(w)
	if beyond {
		t.over.add(w)
	} else if c := t.cell(key); c != nil {
		c.add(w)
	} else {
		t.lost.add(w)
	}
	return true
}

// lose enters samples that have no stack here.
func (t *tally) lose(o profile.Outcome, r profile.Reason, a profile.Amount) {
	t.losses = profile.AddLosses(t.losses, profile.Loss{Outcome: o, Reason: r, Value: a.Value, Count: a.Count})
}

func (t *tally) cell(key cellKey) *cell {
	i := t.first.get(key.stack)
	if i == 0 {
		c := t.grow(key)
		if c != nil {
			t.first.set(key.stack, uint32(len(t.cells)))
		}
		return c
	}
	if c := &t.cells[i-1]; c.cellKey == key {
		return c
	}
	if i, ok := t.other[key]; ok {
		return &t.cells[i]
	}
	c := t.grow(key)
	if c != nil {
		if t.other == nil {
			t.other = map[cellKey]uint32{}
		}
		t.other[key] = uint32(len(t.cells) - 1)
	}
	return c
}

func (t *tally) grow(key cellKey) *cell {
	if len(t.cells) >= t.max {
		return nil
	}
	t.cells = append(t.cells, cell{cellKey: key})
	return &t.cells[len(t.cells)-1]
}
