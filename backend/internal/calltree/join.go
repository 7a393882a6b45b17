package calltree

import (
	"slices"

	"github.com/podflame/podflame/backend/profile"
)

// Join returns a tree with the sides of several trees, in their order. It is for
// trees of different dictionaries: one dictionary makes such a tree itself.
func Join(trees ...*Tree) *Tree {
	g := newGrower()
	index := map[profile.Function]int32{omitted: 0}
	names := []profile.Function{omitted}
	shared := func(f profile.Function) int32 {
		n, ok := index[f]
		if !ok {
			n = int32(len(names))
			index[f], names = n, append(names, f)
		}
		return n
	}
	to := make([][]int32, len(trees)) // by run: the node of its last node
	for i, t := range trees {
		functions := make([]int32, len(t.names))
		for f, occurs := range t.occurring() {
			if occurs {
				functions[f] = shared(t.names[f])
			}
		}
		to[i] = g.enter(t, func(f int32) int32 { return functions[f] })
	}
	out := &Tree{functions: sortedTable(names), runs: g.single()}
	for i, t := range trees {
		out.self = append(out.self, g.filled(t, to[i]).self...)
	}
	return out
}

func sortedTable(names []profile.Function) *functions {
	order := make([]int32, len(names))
	for f := range order {
		order[f] = int32(f)
	}
	slices.SortFunc(order, func(a, b int32) int { return compareFunctions(names[a], names[b]) })
	return ranked(names, order)
}
