package calltree

import "github.com/podflame/podflame/backend/profile"

// Callees returns what functions of that name call: below the root is the
// function, with everything that is measured in and below its calls. A call
// inside a call of the same function is a callee of the outer one, so each
// sample counts once. What is measured in other stacks is returned, by side.
func (t *Tree) Callees(name string) (*Tree, []profile.Amount) {
	return t.around(name, func(g *grower, node, above int32) int32 {
		return g.child(max(above, 0), t.Function[node])
	})
}

// Callers returns who calls functions of that name, upside down: below the root
// is the function with all that is measured in and below it, below that its
// callers, and at the ends the roots of the stacks. The outermost call of a
// stack counts. What is measured in other stacks is returned, by side.
func (t *Tree) Callers(name string) (*Tree, []profile.Amount) {
	return t.around(name, func(g *grower, node, above int32) int32 {
		if above >= 0 {
			return above
		}
		end := int32(0)
		for ; node > 0; node = t.Parent[node] {
			end = g.child(end, t.Function[node])
		}
		return end
	})
}

// around grows a tree of what is measured in and below calls of a function.
// Place returns the grown node that takes what is measured in a node; above is
// that of its parent, -1 if the node is an outermost call.
func (t *Tree) around(name string, place func(g *grower, node, above int32) int32) (*Tree, []profile.Amount) {
	g, called := newGrower(), t.named(name)
	outside := make([]profile.Amount, len(t.Self))
	to := make([]int32, len(t.Parent))
	for node := range to {
		to[node] = -1
		if node > 0 && (to[t.Parent[node]] >= 0 || called[t.Function[node]]) {
			to[node] = place(g, int32(node), to[t.Parent[node]])
			continue
		}
		for side := range t.Self {
			outside[side] = outside[side].Add(t.Self[side][node])
		}
	}
	return g.filled(t, to), outside
}

// named says which functions have that name, of whatever kind.
func (t *Tree) named(name string) []bool {
	out := make([]bool, len(t.Functions))
	for i, f := range t.Functions {
		out[i] = f.Name == name && f.Kind != profile.Omitted
	}
	return out
}
