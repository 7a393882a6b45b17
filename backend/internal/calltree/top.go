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

// outermost says which nodes have no other call of their function above them: it
// visits each node after all that are called before it, and knows of each function
// until where the outermost call that was met last goes.
func (t *Tree) outermost() []bool {
	out := make([]bool, len(t.Parent))
	position, end := t.walk()
	order := make([]int32, len(t.Parent))
	for node, at := range position {
		order[at] = int32(node)
	}
	until := make([]int32, len(t.Functions))
	for _, node := range order[1:] {
		if f := t.Function[node]; position[node] >= until[f] {
			out[node], until[f] = true, end[node]
		}
	}
	return out
}

// walk returns the position of each node in a walk, and that behind the last node
// below it: what is below a node follows it directly.
func (t *Tree) walk() (position, end []int32) {
	size := make([]int32, len(t.Parent))
	for node := len(size) - 1; node >= 0; node-- {
		size[node]++
		if node > 0 {
			size[t.Parent[node]] += size[node]
		}
	}
	position = make([]int32, len(t.Parent))
	next := make([]int32, len(t.Parent)) // position of the next child
	next[0] = 1
	for node := 1; node < len(size); node++ {
		up := t.Parent[node]
		position[node] = next[up]
		next[node], next[up] = next[up]+1, next[up]+size[node]
	}
	return position, next
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
