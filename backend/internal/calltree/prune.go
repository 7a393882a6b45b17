package calltree

import (
	"cmp"
	"slices"

	"github.com/podflame/podflame/backend/profile"
)

// Pruned says what Prune left out.
type Pruned struct {
	Nodes        int              // of the whole tree, without the root
	OmittedNodes int              // of these, left out
	Omitted      []profile.Amount // by side: what is in nodes OmittedFrames
}

// Prune keeps the heaviest nodes of the tree, by total value; of several sides
// by the sum of their shares. What a kept node's omitted descendants amount to
// becomes one node OmittedFrames below it, so no total changes. At most one such
// node is added per kept node, beyond limit. Unread is what never came into the
// tree, by side, if anything; it becomes such a node below the root.
//
// The result is in the order of a walk: what is below a node follows it directly.
// It does not depend on how the dictionary grew: siblings come heaviest first,
// equal ones by name; functions are sorted by name.
func (t *Tree) Prune(limit int, unread ...profile.Amount) (*Graph, Pruned) {
	keep := t.heaviest(weights(t.up, t.self), limit)
	report := Pruned{Omitted: make([]profile.Amount, len(t.self))}
	p := newPruning(t, min(t.Size(), max(limit, 0)))
	at := make([]int32, len(t.up)) // the node that has what a run holds
	for run := range t.up {
		chain, kept := t.chain(run), int(keep[run])
		if run > 0 {
			up := t.up[run]
			at[run] = at[up]
			if keep[up] == t.length(up) { // else it is in the OmittedFrames above
				at[run] = p.addRun(at[up], chain, kept)
			}
		}
		report.Nodes += len(chain)
		report.OmittedNodes += len(chain) - kept
		for side := range t.self {
			a := t.self[side][run]
			p.self[side][at[run]] = p.self[side][at[run]].Add(a)
			if kept < len(chain) {
				report.Omitted[side] = report.Omitted[side].Add(a)
			}
		}
	}
	for side, a := range unread {
		if a != (profile.Amount{}) {
			rest := p.omit(0)
			p.self[side][rest] = p.self[side][rest].Add(a)
			report.Omitted[side] = report.Omitted[side].Add(a)
		}
	}
	return p.sorted(), report
}

// pruning is a tree that is being pruned; parents come before their children.
type pruning struct {
	from             *Tree
	parent, function []int32
	self             [][]profile.Amount
	rest             []int32 // by node: its node OmittedFrames, or 0
}

// newPruning has the root, and room for the nodes that are kept and as many
// OmittedFrames.
func newPruning(from *Tree, kept int) *pruning {
	room := 2 * (kept + 1)
	p := &pruning{
		from: from, self: make([][]profile.Amount, len(from.self)),
		parent: make([]int32, 0, room), function: make([]int32, 0, room), rest: make([]int32, 0, room),
	}
	for side := range p.self {
		p.self[side] = make([]profile.Amount, 0, room)
	}
	p.add(-1, noFunction)
	return p
}

func (p *pruning) add(parent, function int32) int32 {
	node := int32(len(p.parent))
	p.parent, p.function, p.rest = append(p.parent, parent), append(p.function, function), append(p.rest, 0)
	for side := range p.self {
		p.self[side] = append(p.self[side], profile.Amount{})
	}
	return node
}

// addRun adds the nodes of a run that are kept, from the first one, and returns the
// node that has what the run holds.
func (p *pruning) addRun(parent int32, chain []int32, kept int) int32 {
	for _, f := range chain[:kept] {
		if f == p.from.omitted { // of a stack that is cut
			parent = p.omit(parent)
		} else {
			parent = p.add(parent, f)
		}
	}
	if kept < len(chain) {
		parent = p.omit(parent)
	}
	return parent
}

// omit returns the node that stands for what is omitted below a kept node, or
// that node itself if it stands for such already.
func (p *pruning) omit(parent int32) int32 {
	if p.function[parent] == p.from.omitted {
		return parent
	}
	if p.rest[parent] == 0 {
		rest := p.add(parent, p.from.omitted)
		p.rest[parent] = rest
	}
	return p.rest[parent]
}

// sorted returns what was kept, with functions and siblings in their order.
func (p *pruning) sorted() *Graph {
	out := &Graph{
		Parent: make([]int32, 0, len(p.parent)), Function: make([]int32, 0, len(p.parent)), Self: make([][]profile.Amount, len(p.self)),
	}
	for side := range out.Self {
		out.Self[side] = make([]profile.Amount, 0, len(p.parent))
	}
	occurs := make([]bool, len(p.from.names))
	for _, f := range p.function[1:] {
		occurs[f] = true
	}
	var to []int32
	out.Functions, to = p.from.inOrder(occurs)
	weights := weights(p.parent, p.self)
	first, children := p.children()
	compare := func(a, b int32) int {
		return cmp.Or(cmp.Compare(weights[b], weights[a]), cmp.Compare(to[p.function[a]], to[p.function[b]]))
	}
	at := make([]int32, len(p.parent))
	for todo := []int32{0}; len(todo) > 0; {
		node := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		at[node] = out.copied(p, node, at, to)
		below := children[first[node]:first[node+1]]
		slices.SortFunc(below, compare)
		for _, child := range slices.Backward(below) {
			todo = append(todo, child)
		}
	}
	return out
}

// copied appends a node whose parent has been appended, and returns its number.
func (g *Graph) copied(p *pruning, node int32, at, to []int32) int32 {
	parent, function := int32(-1), int32(noFunction)
	if node > 0 {
		parent, function = at[p.parent[node]], to[p.function[node]]
	}
	g.Parent, g.Function = append(g.Parent, parent), append(g.Function, function)
	for side := range p.self {
		g.Self[side] = append(g.Self[side], p.self[side][node])
	}
	return int32(len(g.Parent)) - 1
}

// children returns the nodes by parent: those of n are
// children[first[n]:first[n+1]].
func (p *pruning) children() (first, children []int32) {
	first = make([]int32, len(p.parent)+1)
	for _, parent := range p.parent[1:] {
		first[parent+1]++
	}
	for node := range p.parent {
		first[node+1] += first[node]
	}
	next := slices.Clone(first)
	children = make([]int32, len(p.parent)-1)
	for node := 1; node < len(p.parent); node++ {
		parent := p.parent[node]
		children[next[parent]] = int32(node)
		next[parent]++
	}
	return first, children
}
