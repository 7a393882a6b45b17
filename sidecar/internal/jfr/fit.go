package jfr

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/podflame/podflame/backend/profile"
)

// encodeWithin returns a result whose encoding has at most limit bytes and maxFrames
// frames. If it has more, the lighter half of the stacks goes into the ledger, until
// the rest fits. A short message is returned as it is: the parent encodes it anyhow, when
// more is known of the window.
func encodeWithin(r *Result, limit, maxFrames int) (answer []byte, packed bool, err error) {
	for {
		if countFrames(r) <= maxFrames {
			window := r.asWindow()
			if message := profile.EncodeMessage(window); len(message) <= maxPlain && neverLonger(len(message)) <= limit {
				return message, false, nil
			}
			encoded, err := profile.Encode(window)
			if err != nil {
				return nil, false, fmt.Errorf("encode result: %w", err)
			}
			if len(encoded) <= limit {
				return encoded, true, nil
			}
		}
		if countFrames(r) == 0 {
			return nil, false, fmt.Errorf("result without stacks exceeds %d bytes", limit)
		}
		r.halve()
	}
}

// maxPlain is the longest message that is not compressed: the parent holds what comes
// beside all that the child has, and a long one becomes a twentieth.
const maxPlain = 256 << 10

// neverLonger is what a message has at most when it is compressed: what cannot be made
// shorter is stored in blocks, each with a few bytes of its own.
func neverLonger(message int) int { return message + message>>10 + 64 }

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
