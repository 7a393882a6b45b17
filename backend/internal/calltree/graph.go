package calltree

import (
	"slices"

	"github.com/podflame/podflame/backend/profile"
)

// Graph is a call tree node by node, as it is drawn. A parent comes before its
// children. Node 0 is the root; it has no function and stands for everything.
type Graph struct {
	Functions []profile.Function
	Parent    []int32 // by node; -1 for the root
	Function  []int32 // by node, index into Functions; -1 for the root
	// Self is what was measured in stacks that end at a node, by side, by node.
	Self [][]profile.Amount
}

// Size is the number of nodes without the root.
func (g *Graph) Size() int { return len(g.Parent) - 1 }

// Totals returns what was measured at and below each node of a side.
func (g *Graph) Totals(side int) []profile.Amount { return totals(g.Parent, g.Self[side]) }

// Frames is how many frames the stacks of a side have, in all.
func (g *Graph) Frames(side int) (sum int64) {
	depths := make([]int32, len(g.Parent))
	for node := range depths {
		if node > 0 {
			depths[node] = depths[g.Parent[node]] + 1
		}
		if g.Self[side][node] != (profile.Amount{}) {
			sum += int64(depths[node])
		}
	}
	return sum
}

// StackSet returns a side as a canonical stack set.
func (g *Graph) StackSet(side int, typ profile.Type) profile.StackSet {
	set := profile.StackSet{Type: typ, Functions: g.Functions}
	for node, a := range g.Self[side] {
		if a == (profile.Amount{}) {
			continue
		}
		var path []uint32
		for up := int32(node); up > 0; up = g.Parent[up] {
			path = append(path, uint32(g.Function[up]))
		}
		slices.Reverse(path)
		set.Stacks = append(set.Stacks, profile.Stack{Frames: path, Value: a.Value, Count: a.Count})
	}
	return profile.Merge(typ, &set)
}

// totals adds to each node what is below it.
func totals(up []int32, self []profile.Amount) []profile.Amount {
	total := slices.Clone(self)
	for node := len(total) - 1; node > 0; node-- {
		above := &total[up[node]]
		*above = above.Add(total[node])
	}
	return total
}

// totalValues are the values of totals.
func totalValues(up []int32, self []profile.Amount) []int64 {
	total := make([]int64, len(up))
	for node := len(total) - 1; node >= 0; node-- {
		sum := profile.Amount{Value: total[node]}.Add(self[node])
		total[node] = sum.Value
		if node > 0 {
			above := &total[up[node]]
			*above = profile.Amount{Value: *above}.Add(sum).Value
		}
	}
	return total
}

// weights are what nodes are kept and ordered by: their totals, of several sides
// the sum of their shares. No node is heavier than its parent.
func weights(up []int32, sides [][]profile.Amount) []int64 {
	if len(sides) == 1 {
		return totalValues(up, sides[0])
	}
	const whole = 1 << 40
	out := make([]int64, len(up))
	for _, self := range sides {
		values := totalValues(up, self)
		scale := 1.0
		if values[0] > 0 {
			scale = whole / float64(values[0])
		}
		for node, value := range values {
			out[node] += int64(float64(value) * scale)
		}
	}
	return out
}
