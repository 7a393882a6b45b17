package calltree

import "github.com/podflame/podflame/backend/profile"

// Join returns a tree with the sides of several trees, in their order. It is for
// trees of different dictionaries: one dictionary makes such a tree itself.
func Join(trees ...*Tree) *Tree {
	g := newGrower()
	index := map[profile.Function]int32{}
	var functions []profile.Function
	to := make([][]int32, len(trees))
	for i, t := range trees {
		shared := make([]int32, len(t.Functions))
		for j, f := range t.Functions {
			n, ok := index[f]
			if !ok {
				n = int32(len(functions))
				index[f], functions = n, append(functions, f)
			}
			shared[j] = n
		}
		to[i] = make([]int32, len(t.Parent))
		for node := 1; node < len(t.Parent); node++ {
			to[i][node] = g.child(to[i][t.Parent[node]], shared[t.Function[node]])
		}
	}
	out := g.filled(&Tree{Functions: functions}, nil)
	for i, t := range trees {
		out.Self = append(out.Self, g.filled(t, to[i]).Self...)
	}
	return out
}
