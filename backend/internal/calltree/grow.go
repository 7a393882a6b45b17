package calltree

// noFunction is the function of the root.
const noFunction = -1

// grower makes a tree node by node. Nodes are numbered in the order in which
// they are first asked for, so a parent comes before its children. Of the children
// of a node the one that came directly after it, if any, is found by that, and the
// others by their slot: few nodes have others.
type grower struct {
	parent, function []int32 // by node; node 0 is the root
	inside           []uint8 // by node: how many nodes and ends of stacks are directly in it; 2 is any more
	slots            []int32 // open addressing by parent and function: a node, or 0
	used             int     // of the slots
	ends             int     // nodes at which stacks end or part
}

const leastSlots = 64

func newGrower() *grower {
	return &grower{parent: []int32{-1}, function: []int32{noFunction}, inside: []uint8{0}, slots: make([]int32, leastSlots)}
}

// child returns the node of a function below a parent.
func (g *grower) child(parent, function int32) int32 {
	if node, ok := g.find(parent, function); ok {
		return node
	}
	node := int32(len(g.parent))
	g.parent, g.function, g.inside = append(g.parent, parent), append(g.function, function), append(g.inside, 0)
	if g.inside[parent] > 0 {
		g.stop(parent)
	} else {
		g.inside[parent] = 1
	}
	if !g.follows(node) {
		g.slots[g.slot(parent, function)] = node
		g.used++
		if g.dense(0) {
			g.rehash()
		}
	}
	return node
}

// follows says whether a node came directly after its parent.
func (g *grower) follows(node int32) bool { return g.parent[node] == node-1 }

// stop says that a stack ends at a node, or that it parts there from another.
func (g *grower) stop(node int32) {
	if g.inside[node] < 2 {
		g.inside[node] = 2
		g.ends++
	}
}

// dense says whether more nodes would take too many of the slots.
func (g *grower) dense(more int) bool { return 3*len(g.slots) < 4*(g.used+more) }

// find returns the node of a function below a parent, if there is one.
func (g *grower) find(parent, function int32) (node int32, ok bool) {
	if g.inside[parent] == 0 {
		return 0, false
	}
	if next := parent + 1; int(next) < len(g.parent) && g.follows(next) && g.function[next] == function {
		return next, true
	}
	node = g.slots[g.slot(parent, function)]
	return node, node != 0
}

// slot is where the node of a function below a parent is, or has its place.
func (g *grower) slot(parent, function int32) uint64 {
	mask := uint64(len(g.slots) - 1)
	at := spread(parent, function) & mask
	for ; g.slots[at] != 0; at = (at + 1) & mask {
		if node := g.slots[at]; g.parent[node] == parent && g.function[node] == function {
			break
		}
	}
	return at
}

func (g *grower) rehash() {
	old := g.slots
	g.slots = make([]int32, 2*len(old))
	for _, node := range old {
		if node != 0 {
			g.slots[g.slot(g.parent[node], g.function[node])] = node
		}
	}
}

// spread is the finalizer of MurmurHash3.
func spread(parent, function int32) uint64 {
	h := uint64(uint32(parent))<<32 | uint64(uint32(function))
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// What the arrays of nodes take of each, with what fold makes of it.
const (
	nodeBytes = 4 + 4 + 1 + 4
	runBytes  = 4 + 4 + 4
)

func (g *grower) bytes() int64 {
	return nodeBytes*int64(cap(g.parent)) + 4*int64(len(g.slots)) + runBytes*int64(g.runs())
}

// runs is how many runs the nodes are at most: one begins where a node does not follow
// its parent, and one below each end.
func (g *grower) runs() int { return 2 + g.used + g.ends }

// bytesWith is what the tree takes at most when more nodes have come.
func (g *grower) bytesWith(more int) int64 {
	bytes := g.bytes()
	if g.dense(1) { // of what comes at once, the others follow the first
		bytes += 4 * int64(len(g.slots))
	}
	if len(g.parent)+more > cap(g.parent) {
		bytes += nodeBytes * int64(cap(g.parent)) / 2
	}
	return bytes
}
