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
		slices.SortFunc(set.Stacks, func(a, b profile.Stack) int { return cmp.Compare(b.Value, a.Value) })
		var lost profile.Amount
		half := len(set.Stacks) / 2
		for _, s := range set.Stacks[half:] {
			lost = lost.Add(profile.Amount{Value: s.Value, Count: s.Count})
		}
		set.Stacks = set.Stacks[:half]
		r.truncate(set.Type, lost)
		if half > 0 {
			kept = append(kept, profile.Merge(set.Type, set))
		}
	}
	r.Sets = kept
}

func (r *Result) truncate(t profile.Type, lost profile.Amount) {
	for i := range r.Coverage {
		if c := &r.Coverage[i]; c.Type == t {
			c.Stored = profile.Amount{Value: c.Stored.Value - lost.Value, Count: c.Stored.Count - lost.Count}
			c.AddLoss(profile.Truncated, profile.WindowTooLarge, lost)
		}
	}
}
