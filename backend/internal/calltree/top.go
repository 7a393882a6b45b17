package calltree

import "github.com/podflame/podflame/backend/profile"

// FunctionSums is what was measured in a function: by side.
type FunctionSums struct {
	profile.Function
	// Self is what was measured in the function itself, Total also what it
	// called. A sample counts once in Total, however often the function is in
	// its stack.
	Self, Total []profile.Amount
}

// Top returns the sums of every function of the tree, in the order of
// Functions. Frames of kind omitted are no functions: what is theirs, and what
// has no frame at all, is returned as rest, by side.
func (t *Tree) Top() (list []FunctionSums, rest []profile.Amount) {
	list = make([]FunctionSums, len(t.Functions))
	cells := make([]profile.Amount, 2*len(t.Self)*len(t.Functions))
	for f := range list {
		list[f] = FunctionSums{t.Functions[f], cells[:len(t.Self)], cells[len(t.Self) : 2*len(t.Self)]}
		cells = cells[2*len(t.Self):]
	}
	rest = make([]profile.Amount, len(t.Self))
	outermost := t.outermost()
	for side, self := range t.Self {
		total := t.Totals(side)
		rest[side] = self[0]
		for node := 1; node < len(t.Parent); node++ {
			sums := &list[t.Function[node]]
			sums.Self[side] = sums.Self[side].Add(self[node])
			if outermost[node] {
				sums.Total[side] = sums.Total[side].Add(total[node])
			}
		}
	}
	return functionsOnly(list, rest), rest
}

// outermost says which nodes have no other call of their function above them.
func (t *Tree) outermost() []bool {
	out := make([]bool, len(t.Parent))
	size := t.sizes()
	until := make([]int32, len(t.Functions)) // end of the outermost call that was met last
	for node := 1; node < len(t.Parent); node++ {
		if f := t.Function[node]; int32(node) >= until[f] {
			out[node], until[f] = true, int32(node)+size[node]
		}
	}
	return out
}

func functionsOnly(list []FunctionSums, rest []profile.Amount) []FunctionSums {
	kept := list[:0]
	for _, sums := range list {
		if sums.Kind != profile.Omitted {
			kept = append(kept, sums)
			continue
		}
		for side := range rest {
			rest[side] = rest[side].Add(sums.Self[side])
		}
	}
	return kept
}
