package calltree

import "github.com/podflame/podflame/backend/profile"

// Tree is a call tree with what was measured in it: its runs, and functions.
type Tree struct {
	*functions
	runs
	// self is what was measured in stacks that end with a run, by side, by run. A
	// flame graph has one side, a comparison has two.
	self [][]profile.Amount
}

// Size is the number of nodes without the root.
func (t *Tree) Size() int { return t.nodes() }

// Totals is what was measured, by side.
func (t *Tree) Totals() []profile.Amount {
	out := make([]profile.Amount, len(t.self))
	for side, self := range t.self {
		for _, a := range self {
			out[side] = out[side].Add(a)
		}
	}
	return out
}

// Sum is what a selection holds of a stack.
type Sum struct {
	Stack uint64
	profile.Amount
}

// oneUnknown returns the tree with all functions without a name as one, and siblings
// that become equal as one.
func (t *Tree) oneUnknown() *Tree {
	one := t.firstUnnamed()
	if one == noFunction {
		return t
	}
	g := newGrower()
	to := g.enter(t, func(f int32) int32 {
		if !t.named[f] {
			return one
		}
		return f
	})
	return g.filled(t, to)
}

// firstUnnamed returns a function of the tree that has no name, if there is one.
func (t *Tree) firstUnnamed() int32 {
	if t.named == nil {
		return noFunction
	}
	for run := range t.up {
		for _, f := range t.chain(run) {
			if !t.named[f] {
				return f
			}
		}
	}
	return noFunction
}

// enter adds the nodes of a tree, with functions replaced, and returns the grown node of
// the last node of each run.
func (g *grower) enter(t *Tree, function func(f int32) int32) (to []int32) {
	to = make([]int32, len(t.up))
	for run := 1; run < len(to); run++ {
		at := to[t.up[run]]
		for _, f := range t.chain(run) {
			at = g.child(at, function(f))
		}
		to[run] = at
	}
	return to
}

// filled is what has grown, with the amounts of a tree. To has the grown node that
// takes those of each run of the tree, -1 for none.
func (g *grower) filled(from *Tree, to []int32) *Tree {
	t := &Tree{functions: from.functions, runs: g.single()}
	for _, self := range from.self {
		t.self = append(t.self, moved(self, to, len(t.up)))
	}
	return t
}

// moved are the amounts of runs in the runs that take them, of which there are size;
// those of which to has -1 are left out.
func moved(self []profile.Amount, to []int32, size int) []profile.Amount {
	out := make([]profile.Amount, size)
	for run, a := range self {
		if to[run] >= 0 {
			out[to[run]] = out[to[run]].Add(a)
		}
	}
	return out
}
