package calltree

import (
	"cmp"
	"slices"

	"github.com/podflame/podflame/backend/profile"
)

// OmittedFrames is the name of the frame, of kind omitted, that stands for what
// a limit left out below its parent.
const OmittedFrames = "(omitted)"

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
func (t *Tree) Prune(limit int, unread ...profile.Amount) (*Tree, Pruned) {
	weights := t.weights()
	keep := t.heaviest(weights, limit)
	report := Pruned{Nodes: t.Size(), Omitted: make([]profile.Amount, len(t.Self))}
	p := newPruning(t, min(t.Size(), max(limit, 0)))
	at := make([]int32, len(t.Parent)) // where what a node holds is now
	for node := range t.Parent {
		switch up := max(t.Parent[node], 0); {
		case keep[node]:
			at[node] = p.keep(int32(node), at)
		case keep[up]:
			at[node] = p.omit(at[up])
			report.OmittedNodes++
		default: // with the parent
			at[node] = at[up]
			report.OmittedNodes++
		}
		for side := range t.Self {
			a := t.Self[side][node]
			if a == (profile.Amount{}) {
				continue
			}
			p.self[side][at[node]] = p.self[side][at[node]].Add(a)
			if !keep[node] {
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

// weights are what nodes are kept by. No node is heavier than its parent.
func (t *Tree) weights() []int64 {
	if len(t.Self) == 1 {
		return t.totalValues(0)
	}
	const whole = 1 << 40
	out := make([]int64, len(t.Parent))
	for side := range t.Self {
		values := t.totalValues(side)
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

// heaviest marks the root and the limit heaviest nodes. Of equally heavy nodes
// those nearer the root are kept, and of these the first by name.
func (t *Tree) heaviest(weights []int64, limit int) []bool {
	keep := make([]bool, len(weights))
	keep[0] = true
	if t.Size() <= limit {
		for node := range keep {
			keep[node] = true
		}
		return keep
	}
	if limit <= 0 {
		return keep
	}
	least := nthLargest(slices.Clone(weights[1:]), limit-1)
	var equal []int32
	for node := 1; node < len(weights); node++ {
		switch {
		case weights[node] > least:
			keep[node] = true
			limit--
		case weights[node] == least:
			equal = append(equal, int32(node))
		}
	}
	for _, node := range t.nearest(equal, limit) {
		keep[node] = true
	}
	return keep
}

// nearest returns the n nodes nearest the root; of those equally deep the first
// by name.
func (t *Tree) nearest(nodes []int32, n int) []int32 {
	depth := make([]int32, len(t.Parent))
	for node := 1; node < len(depth); node++ {
		depth[node] = depth[t.Parent[node]] + 1
	}
	slices.SortStableFunc(nodes, func(a, b int32) int { return cmp.Compare(depth[a], depth[b]) })
	if n >= len(nodes) || n == 0 {
		return nodes[:min(n, len(nodes))]
	}
	first, _ := slices.BinarySearchFunc(nodes, depth[nodes[n]], func(node, d int32) int { return cmp.Compare(depth[node], d) })
	last, _ := slices.BinarySearchFunc(nodes, depth[nodes[n]]+1, func(node, d int32) int { return cmp.Compare(depth[node], d) })
	slices.SortFunc(nodes[first:last], t.comparePaths)
	return nodes[:n]
}

// comparePaths orders nodes of the same depth by their names, and those of the
// same name by their callers.
func (t *Tree) comparePaths(a, b int32) int {
	for a != b {
		if order := compareFunctions(t.Functions[t.Function[a]], t.Functions[t.Function[b]]); order != 0 {
			return order
		}
		a, b = t.Parent[a], t.Parent[b]
	}
	return 0
}

func compareFunctions(a, b profile.Function) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
}

// nthLargest returns the value that would be at index n if values were sorted,
// largest first. It reorders values. See Hoare, Algorithm 65: FIND.
func nthLargest(values []int64, n int) int64 {
	for low, high := 0, len(values)-1; low < high; {
		pivot := values[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for values[i] > pivot {
				i++
			}
			for values[j] < pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case n <= j:
			high = j
		case n >= i:
			low = i
		default:
			return values[n]
		}
	}
	return values[n]
}

// pruning is a tree that is being pruned; parents come before their children.
type pruning struct {
	from             *Tree
	parent, function []int32
	self             [][]profile.Amount
	rest             []int32 // by node: its node OmittedFrames, or 0
	omitted          int32   // function of those nodes, or -1
}

// newPruning has room for the nodes that are kept and as many OmittedFrames.
func newPruning(from *Tree, kept int) *pruning {
	room := 2 * (kept + 1)
	p := &pruning{
		from: from, omitted: -1, self: make([][]profile.Amount, len(from.Self)),
		parent: make([]int32, 0, room), function: make([]int32, 0, room), rest: make([]int32, 0, room),
	}
	for side := range p.self {
		p.self[side] = make([]profile.Amount, 0, room)
	}
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

func (p *pruning) keep(node int32, at []int32) int32 {
	if node == 0 {
		return p.add(-1, noFunction)
	}
	return p.add(at[p.from.Parent[node]], p.from.Function[node])
}

// omit returns the node that stands for what is omitted below a kept node, or
// that node itself if it stands for such already.
func (p *pruning) omit(parent int32) int32 {
	if p.omitted < 0 {
		p.omitted = int32(len(p.from.Functions))
	}
	if p.function[parent] == p.omitted {
		return parent
	}
	if p.rest[parent] == 0 {
		rest := p.add(parent, p.omitted)
		p.rest[parent] = rest
	}
	return p.rest[parent]
}

// sorted returns what was kept, with functions and siblings in their order.
func (p *pruning) sorted() *Tree {
	functions := append(slices.Clip(p.from.Functions), profile.Function{Name: OmittedFrames, Kind: profile.Omitted})
	out := &Tree{
		Parent: make([]int32, 0, len(p.parent)), Function: make([]int32, 0, len(p.parent)), Self: make([][]profile.Amount, len(p.self)),
	}
	for side := range out.Self {
		out.Self[side] = make([]profile.Amount, 0, len(p.parent))
	}
	var to []int32
	out.Functions, to = usedFunctions(functions, p.function)
	weights := (&Tree{Parent: p.parent, Self: p.self}).weights()
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
func (t *Tree) copied(p *pruning, node int32, at, to []int32) int32 {
	parent, function := int32(-1), int32(noFunction)
	if node > 0 {
		parent, function = at[p.parent[node]], to[p.function[node]]
	}
	t.Parent, t.Function = append(t.Parent, parent), append(t.Function, function)
	for side := range p.self {
		t.Self[side] = append(t.Self[side], p.self[side][node])
	}
	return int32(len(t.Parent)) - 1
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

// usedFunctions returns the functions that occur, sorted, and the new index of
// each. Where all are in order already, sorting is one pass.
func usedFunctions(all []profile.Function, occur []int32) (used []profile.Function, to []int32) {
	to = make([]int32, len(all))
	for _, f := range occur {
		if f >= 0 {
			to[f] = 1
		}
	}
	var order []int32
	for f := range to {
		if to[f] == 1 {
			order = append(order, int32(f))
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return compareFunctions(all[a], all[b]) })
	used = make([]profile.Function, len(order))
	for i, f := range order {
		used[i], to[f] = all[f], int32(i)
	}
	return used, to
}
