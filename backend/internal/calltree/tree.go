package calltree

import (
	"slices"

	"github.com/podflame/podflame/backend/profile"
)

// Tree is a call tree with what was measured in it. A parent comes before its
// children. Node 0 is the root; it has no function and stands for everything.
type Tree struct {
	Functions []profile.Function
	Parent    []int32 // by node; -1 for the root
	Function  []int32 // by node, index into Functions; -1 for the root
	// Self is what was measured in stacks that end at a node, by side, by node.
	// A flame graph has one side, a comparison has two.
	Self [][]profile.Amount
}

// Size is the number of nodes without the root.
func (t *Tree) Size() int { return len(t.Parent) - 1 }

// Sum is what a selection holds of a stack.
type Sum struct {
	Stack uint64
	profile.Amount
}

// unknown stands for a function whose name nobody told.
const unknown = "[unknown]"

// Tree returns the part of the dictionary that the sums touch, with a side for
// each list, and what the sums hold in stacks that the dictionary lacks or has cut.
func (d *Dictionary) Tree(sides ...[]Sum) (*Tree, []Lacking) {
	d.sortNames()
	d.mu.RLock()
	defer d.mu.RUnlock()
	lacking := make([]Lacking, len(sides))
	leaves := make([][]leaf, len(sides))
	for i, sums := range sides {
		leaves[i], lacking[i] = d.leaves(sums)
	}
	at, size := make([]int32, len(d.tree.parent)), 0
	for _, list := range leaves {
		size += touch(d.tree.parent, at, list)
	}
	t := compact(d.tree.parent, d.tree.function, at, size)
	for _, list := range leaves {
		self := make([]profile.Amount, len(t.Parent))
		for _, l := range list {
			self[at[l.node]] = self[at[l.node]].Add(l.Amount)
		}
		t.Self = append(t.Self, self)
	}
	d.nameFunctions(t)
	return t, lacking
}

// Lacking is what a list of sums holds in stacks that a dictionary lacks.
type Lacking struct {
	Stacks int
	profile.Amount
	Cut profile.Amount // of stacks that it has without frames that had no room
}

type leaf struct {
	node int32
	profile.Amount
}

func (d *Dictionary) leaves(sums []Sum) ([]leaf, Lacking) {
	var lacking Lacking
	out := make([]leaf, 0, len(sums))
	for i := range sums {
		at, ok := d.stacks[sums[i].Stack]
		if !ok {
			lacking.Stacks++
			lacking.Amount = lacking.Add(sums[i].Amount)
			continue
		}
		if at.cut {
			lacking.Cut = lacking.Cut.Add(sums[i].Amount)
		}
		out = append(out, leaf{at.node, sums[i].Amount})
	}
	return out, lacking
}

// touch marks the root and the nodes on the paths to the leaves with 1, and returns
// how many it marked.
func touch(parent, marks []int32, leaves []leaf) (marked int) {
	if marks[0] == 0 {
		marks[0], marked = 1, 1
	}
	for i := range leaves {
		for node := leaves[i].node; marks[node] == 0; node = parent[node] {
			marks[node] = 1
			marked++
		}
	}
	return marked
}

// compact returns the marked nodes, whose number is size, in their order, and
// leaves in marks the new number of each node, -1 for those not marked. Parents
// come before their children and are marked if a child is.
func compact(parent, function, marks []int32, size int) *Tree {
	t := &Tree{Parent: make([]int32, size), Function: make([]int32, size)}
	t.Parent[0], t.Function[0] = -1, noFunction
	at, next := marks, int32(1)
	at[0] = 0
	for node := 1; node < len(at); node++ {
		if at[node] == 0 {
			at[node] = -1
			continue
		}
		t.Parent[next], t.Function[next] = at[parent[node]], function[node]
		at[node] = next
		next++
	}
	return t
}

// nameFunctions gives the tree a table of its own, of the functions it has, in the
// order of their names. Those without a name are one, the last.
func (d *Dictionary) nameFunctions(t *Tree) {
	const occurs = -1
	to := make([]int32, len(d.ids))
	for _, f := range t.Function[1:] {
		to[f] = occurs
	}
	for _, f := range d.byName {
		if to[f] == occurs {
			to[f] = int32(len(t.Functions))
			t.Functions = append(t.Functions, d.functions[f])
		}
	}
	nameless := false
	for f := range to {
		if to[f] == occurs {
			to[f], nameless = int32(len(t.Functions)), true
		}
	}
	for node, f := range t.Function[1:] {
		t.Function[1+node] = to[f]
	}
	if nameless { // siblings may have become equal
		t.Functions = append(t.Functions, profile.Function{Name: unknown, Kind: profile.Native})
		*t = *t.regrown(func(f int32) int32 { return f })
	}
}

// Totals returns what was measured at and below each node of a side.
func (t *Tree) Totals(side int) []profile.Amount {
	total := append([]profile.Amount(nil), t.Self[side]...)
	for node := len(total) - 1; node > 0; node-- {
		up := &total[t.Parent[node]]
		*up = up.Add(total[node])
	}
	return total
}

// totalValues are the values of Totals.
func (t *Tree) totalValues(side int) []int64 {
	total := make([]int64, len(t.Parent))
	for node := len(total) - 1; node >= 0; node-- {
		sum := profile.Amount{Value: total[node]}.Add(t.Self[side][node])
		total[node] = sum.Value
		if node > 0 {
			up := t.Parent[node]
			total[up] = profile.Amount{Value: total[up]}.Add(sum).Value
		}
	}
	return total
}

// regrown returns the tree with functions replaced: nodes that become equal
// siblings are one, and nodes whose function becomes noFunction are merged into
// their parent.
func (t *Tree) regrown(function func(f int32) int32) *Tree {
	g := newGrower()
	to := make([]int32, len(t.Parent))
	for node := 1; node < len(t.Parent); node++ {
		to[node] = to[t.Parent[node]]
		if f := function(t.Function[node]); f != noFunction {
			to[node] = g.child(to[node], f)
		}
	}
	return g.filled(t, to)
}

// filled is what has grown, with the amounts of a tree. To has the grown node that
// takes those of each node of the tree, -1 for none.
func (g *grower) filled(from *Tree, to []int32) *Tree {
	t := &Tree{Functions: from.Functions, Parent: g.parent, Function: g.function}
	for _, self := range from.Self {
		sums := make([]profile.Amount, len(t.Parent))
		for node, a := range self {
			if to[node] >= 0 && a != (profile.Amount{}) {
				sums[to[node]] = sums[to[node]].Add(a)
			}
		}
		t.Self = append(t.Self, sums)
	}
	return t
}

// StackSet returns a side as a canonical stack set.
func (t *Tree) StackSet(side int, typ profile.Type) profile.StackSet {
	set := profile.StackSet{Type: typ, Functions: t.Functions}
	for node, a := range t.Self[side] {
		if a == (profile.Amount{}) {
			continue
		}
		var path []uint32
		for up := int32(node); up > 0; up = t.Parent[up] {
			path = append(path, uint32(t.Function[up]))
		}
		slices.Reverse(path)
		set.Stacks = append(set.Stacks, profile.Stack{Frames: path, Value: a.Value, Count: a.Count})
	}
	return profile.Merge(typ, &set)
}
