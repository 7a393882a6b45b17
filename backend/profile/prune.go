package profile

import (
	"cmp"
	"slices"
)

// OmittedFrames is the name of the frame, of kind Omitted, that stands for the
// nodes below its parent that Prune cut off.
const OmittedFrames = "(omitted)"

// Pruned says what Prune left out.
type Pruned struct {
	Nodes        int    // nodes of the whole tree
	OmittedNodes int    // of these, cut off
	Omitted      Amount // self amount of the nodes cut off; it is still in the totals of their ancestors
}

// Prune keeps the maxNodes heaviest nodes of the tree that the stacks form, by
// total value. What a kept node's omitted descendants amount to becomes one
// frame OmittedFrames below it, so no total changes. At most one such frame is
// added per kept node, beyond maxNodes. The set must be canonical and is not
// changed; the result is canonical.
func Prune(s *StackSet, maxNodes int) (StackSet, Pruned) {
	t := newTree(s)
	report := Pruned{Nodes: len(t.total)}
	if report.Nodes <= maxNodes {
		return *s, report
	}
	keep := t.heaviest(maxNodes)
	report.OmittedNodes = report.Nodes - maxNodes
	b := NewBuilder(s.Type, Limits{})
	to := make([]uint32, len(s.Functions))
	for i, f := range s.Functions {
		to[i] = b.Function(f.Name, f.Kind)
	}
	omitted := b.Function(OmittedFrames, Omitted)
	var frames []uint32
	for i := range s.Stacks {
		stack := &s.Stacks[i]
		a := Amount{stack.Value, stack.Count}
		kept := t.keptDepth(i, keep)
		frames = frames[:0]
		for _, f := range stack.Frames[:kept] {
			frames = append(frames, to[f])
		}
		if kept < len(stack.Frames) {
			frames = append(frames, omitted)
			report.Omitted = report.Omitted.Add(a)
		}
		b.Add(frames, a)
	}
	pruned, _ := b.Build()
	return pruned, report
}

// tree holds the nodes of a stack set in the order of a walk over its sorted
// stacks: a parent comes before its children.
type tree struct {
	parent []int32
	total  []int64
	leaf   []int32 // by stack: the node of its last frame, or -1
	depth  []int32 // by node; a root has depth 1
}

func newTree(s *StackSet) *tree {
	t := &tree{leaf: make([]int32, len(s.Stacks))}
	var path []int32 // nodes of the previous stack
	var previous []uint32
	for i := range s.Stacks {
		frames := s.Stacks[i].Frames
		shared := commonPrefix(previous, frames)
		path = path[:shared]
		for range frames[shared:] {
			parent := int32(-1)
			if len(path) > 0 {
				parent = path[len(path)-1]
			}
			path = append(path, int32(len(t.parent)))
			t.parent = append(t.parent, parent)
			t.total = append(t.total, 0)
			t.depth = append(t.depth, int32(len(path)))
		}
		t.leaf[i] = -1
		if len(path) > 0 {
			t.leaf[i] = path[len(path)-1]
		}
		for _, node := range path {
			t.total[node] += s.Stacks[i].Value
		}
		previous = frames
	}
	return t
}

// heaviest marks the n nodes with the largest totals. Of equal nodes the one
// that comes first in the walk is kept; as a parent is never lighter than its
// child and comes first, every kept node's parent is kept.
func (t *tree) heaviest(n int) []bool {
	order := make([]int32, len(t.total))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(t.total[b], t.total[a]), cmp.Compare(a, b))
	})
	keep := make([]bool, len(t.total))
	for _, node := range order[:min(max(n, 0), len(order))] {
		keep[node] = true
	}
	return keep
}

// keptDepth returns how many of a stack's frames are kept.
func (t *tree) keptDepth(stack int, keep []bool) int {
	node := t.leaf[stack]
	for node >= 0 && !keep[node] {
		node = t.parent[node]
	}
	if node < 0 {
		return 0
	}
	return int(t.depth[node])
}

func commonPrefix(a, b []uint32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
