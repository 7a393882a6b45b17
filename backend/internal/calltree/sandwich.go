package calltree

import "github.com/podflame/podflame/backend/profile"

// Callees returns what functions of that name call: below the root is the
// function, with everything that is measured in and below its calls. A call
// inside a call of the same function is a callee of the outer one, so each
// sample counts once. What is measured in other stacks is returned, by side.
func (t *Tree) Callees(name string) (*Tree, []profile.Amount) {
	return t.around(name, func(g *grower, at place, above int32) int32 {
		return g.child(max(above, 0), t.frames[at.frame])
	})
}

// Callers returns who calls functions of that name, upside down: below the root
// is the function with all that is measured in and below it, below that its
// callers, and at the ends the roots of the stacks. The outermost call of a
// stack counts. What is measured in other stacks is returned, by side.
func (t *Tree) Callers(name string) (*Tree, []profile.Amount) {
	return t.around(name, func(g *grower, at place, above int32) int32 {
		if above >= 0 {
			return above
		}
		end := int32(0)
		for ; at.run > 0; at = t.above(at) {
			end = g.child(end, t.frames[at.frame])
		}
		return end
	})
}

// around grows a tree of what is measured in and below calls of a function.
// Place returns the grown node that takes what is measured in a node; above is
// that of its parent, -1 if the node is an outermost call.
func (t *Tree) around(name string, grown func(g *grower, at place, above int32) int32) (*Tree, []profile.Amount) {
	g, called := newGrower(), t.called(name)
	outside := make([]profile.Amount, len(t.self))
	to := make([]int32, len(t.up)) // the grown node of the last node of a run
	for run := range to {
		node := int32(-1)
		if run > 0 {
			node = to[t.up[run]]
		}
		for i, f := range t.chain(run) {
			if node >= 0 || called[f] {
				node = grown(g, place{int32(run), t.begin[run] + int32(i)}, node)
			}
		}
		to[run] = node
		for side := range t.self {
			if node < 0 {
				outside[side] = outside[side].Add(t.self[side][run])
			}
		}
	}
	return g.filled(t, to), outside
}

// called says which functions have that name, of whatever kind.
func (t *Tree) called(name string) []bool {
	out := make([]bool, len(t.names))
	for i, f := range t.names {
		out[i] = f.Name == name && f.Kind != profile.Omitted
	}
	return out
}
