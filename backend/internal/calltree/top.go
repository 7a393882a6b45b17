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
	list, at := t.noSums()
	sides := len(t.self)
	total, rest := make([][]profile.Amount, sides), make([]profile.Amount, sides)
	for side, self := range t.self {
		total[side], rest[side] = totals(t.up, self), self[0]
	}
	order, position, end := t.walk()
	until := make([]int32, len(t.names)) // by function: the position where its outermost call ends that was met last
	for _, run := range order[1:] {
		chain := t.chain(int(run))
		for _, f := range chain {
			if position[run] < until[f] {
				continue
			}
			until[f] = end[run]
			for side := range total {
				sum := &list[at[f]].Total[side]
				*sum = sum.Add(total[side][run])
			}
		}
		for side := range t.self {
			sum := &list[at[chain[len(chain)-1]]].Self[side]
			*sum = sum.Add(t.self[side][run])
		}
	}
	return functionsOnly(list, rest), rest
}

// noSums returns sums of nothing for each function of the tree, and where that is in
// the list.
func (t *Tree) noSums() (list []FunctionSums, at []int32) {
	names, at := t.inOrder(t.occurring())
	list = make([]FunctionSums, len(names))
	sides := len(t.self)
	cells := make([]profile.Amount, 2*sides*len(names))
	for i, name := range names {
		list[i] = FunctionSums{name, cells[:sides], cells[sides : 2*sides]}
		cells = cells[2*sides:]
	}
	return list, at
}

// walk returns the runs in the order of a walk, in which what is below a run follows
// it directly; and of each run its position there and that behind the last run below it.
func (t *Tree) walk() (order, position, end []int32) {
	size := make([]int32, len(t.up))
	for run := len(size) - 1; run >= 0; run-- {
		size[run]++
		if run > 0 {
			size[t.up[run]] += size[run]
		}
	}
	order, position = make([]int32, len(t.up)), make([]int32, len(t.up))
	next := make([]int32, len(t.up)) // position of the next run below
	next[0] = 1
	for run := 1; run < len(size); run++ {
		up := t.up[run]
		position[run] = next[up]
		order[next[up]] = int32(run)
		next[run], next[up] = next[up]+1, next[up]+size[run]
	}
	return order, position, next
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
