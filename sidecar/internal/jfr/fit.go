package jfr

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/podflame/podflame/backend/profile"
)

// encodeWithin encodes a result in at most limit bytes and maxFrames frames. If
// it has more, the lighter half of the stacks goes into the ledger, until the
// rest fits.
func encodeWithin(r *Result, limit, maxFrames int) ([]byte, error) {
	for {
		if countFrames(r) <= maxFrames {
			encoded, err := profile.Encode(r.asWindow())
			if err != nil {
				return nil, fmt.Errorf("encode result: %w", err)
			}
			if len(encoded) <= limit {
				return encoded, nil
			}
		}
		if countFrames(r) == 0 {
			return nil, fmt.Errorf("result without stacks exceeds %d bytes", limit)
		}
		r.halve()
	}
}

func countFrames(r *Result) int {
	n := 0
	for _, set := range r.Sets {
		for _, s := range set.Stacks {
			n += len(s.Frames)
		}
	}
	return n
}

// halve drops the lighter half of the stacks of each type.
func (r *Result) halve() {
	var kept []profile.StackSet
	for i := range r.Sets {
		set := &r.Sets[i]
		coverage := r.coverageOf(set.Type)
		kept = append(kept, r.keep(set, coverage, len(set.Stacks)/2)...)
	}
	r.Sets = kept
}

// keep returns the heaviest stacks of a set, in their order, and takes the others
// out of the ledger with what is noted of them.
func (r *Result) keep(set *profile.StackSet, c *profile.Coverage, n int) []profile.StackSet {
	order := make([]int, len(set.Stacks))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := &set.Stacks[i], &set.Stacks[j]
		return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(b.Count, a.Count))
	})
	notes := r.notes[set.Type]
	for _, i := range order[n:] {
		s := &set.Stacks[i]
		lost := profile.Amount{Value: s.Value, Count: s.Count}
		c.Stored = profile.Amount{Value: c.Stored.Value - lost.Value, Count: c.Stored.Count - lost.Count}
		c.AddLoss(profile.Truncated, profile.WindowTooLarge, lost)
		if notes != nil {
			c.TakeNotes(notes[i])
		}
	}
	if n == 0 {
		return nil
	}
	slices.Sort(order[:n])
	rest := profile.StackSet{Type: set.Type, Functions: set.Functions}
	var of [][]profile.Loss
	for _, i := range order[:n] {
		rest.Stacks = append(rest.Stacks, set.Stacks[i])
		if notes != nil {
			of = append(of, notes[i])
		}
	}
	if notes != nil {
		r.notes[set.Type] = of
	}
	return []profile.StackSet{profile.Merge(set.Type, &rest)}
}
