package calltree

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/podflame/podflame/backend/profile"
)

// Dictionary holds stacks by id, up to a number of bytes. When its tree takes
// its share of them, stacks that are new are cut: they are held as far as the tree
// knows them, with a frame OmittedFrames between that and the last frame. So what
// was measured in each function stays right. It is safe for concurrent use.
type Dictionary struct {
	limit int64

	mu        sync.RWMutex
	tree      *grower
	last      trail
	stacks    map[uint64]end
	short     bool             // of room: a stack was cut or refused, and all new ones are cut
	index     map[uint64]int32 // by function id
	ids       []uint64         // of functions, by index
	functions []profile.Function
	named     []bool
	names     int64   // bytes
	byName    []int32 // functions with a name in their order, but for those in unsorted
	unsorted  []int32
}

// end is where a stack ends in the tree.
type end struct {
	node int32 // of the last frame
	cut  bool  // frames above it had no room
}

// The tree may take one part in treeShare of a dictionary's bytes before stacks
// are cut. The rest is for their ids and for what stands for the cut frames: the
// stacks of a program that never takes one twice cost little more than their ids
// then, not 20 bytes for each frame as well.
const treeShare = 2

// NewDictionary returns an empty dictionary that takes no more stacks when it
// takes about limit bytes.
func NewDictionary(limit int64) *Dictionary {
	return &Dictionary{limit: limit, tree: newGrower(), stacks: map[uint64]end{}, index: map[uint64]int32{}}
}

// What an entry of a map takes, its share of the free ones included.
const (
	stackBytes    = 24
	functionBytes = 24 + 8 + 24 + 1 + 4
)

// Bytes is about what the dictionary takes.
func (d *Dictionary) Bytes() int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.bytes()
}

func (d *Dictionary) bytes() int64 {
	return d.tree.bytes() + stackBytes*int64(len(d.stacks)) + functionBytes*int64(len(d.ids)) + d.names
}

// Missing returns the ids of the stacks that the dictionary lacks; one may come
// once for each list.
func (d *Dictionary) Missing(lists ...[]Sum) []uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []uint64
	for _, sums := range lists {
		for i := range sums {
			if _, ok := d.stacks[sums[i].Stack]; !ok {
				out = append(out, sums[i].Stack)
			}
		}
	}
	return out
}

// Add enters a stack. Frames holds the ids of its functions, root first, in 8
// bytes each, little endian. It returns false if the dictionary is full.
func (d *Dictionary) Add(id uint64, frames []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.stacks[id]; ok {
		return true
	}
	if d.bytes() >= d.limit {
		d.short = true
		return false
	}
	d.stacks[id] = d.enter(frames)
	return true
}

func (d *Dictionary) enter(frames []byte) end {
	grows := !d.short && treeShare*d.tree.bytesWith(len(frames)/8) < d.limit
	for node := d.last.back(frames); ; {
		at := 8 * len(d.last.nodes)
		if at+8 > len(frames) {
			return end{node, false}
		}
		function := binary.LittleEndian.Uint64(frames[at:])
		if grows {
			node = d.tree.child(node, d.intern(function))
		} else if next, ok := d.known(node, function); ok {
			node = next
		} else {
			return d.cut(node, frames[at:])
		}
		d.last.add(function, node)
	}
}

// trail is the way to where the last stack was entered. What the next one has in
// common with it need not be looked up; in the order of their frames, stacks have
// nearly all of it in common.
type trail struct {
	functions []uint64
	nodes     []int32 // by depth
}

// back goes back to where the frames part from the trail, and returns that node.
func (t *trail) back(frames []byte) (node int32) {
	common := 0
	for most := min(len(t.nodes), len(frames)/8); common < most && t.functions[common] == binary.LittleEndian.Uint64(frames[8*common:]); common++ {
		node = t.nodes[common]
	}
	t.functions, t.nodes = t.functions[:common], t.nodes[:common]
	return node
}

func (t *trail) add(function uint64, node int32) {
	t.functions, t.nodes = append(t.functions, function), append(t.nodes, node)
}

// cut enters the last frame only of what is below a node, always below a frame for
// the rest: a node that is not there yet would lack the stacks that were cut before.
func (d *Dictionary) cut(node int32, frames []byte) end {
	d.short = true
	node = d.tree.child(node, d.rest())
	last := frames[8*(len(frames)/8-1):]
	return end{d.tree.child(node, d.intern(binary.LittleEndian.Uint64(last))), true}
}

func (d *Dictionary) known(parent int32, function uint64) (node int32, ok bool) {
	index, ok := d.index[function]
	if !ok {
		return 0, false
	}
	return d.tree.find(parent, index)
}

// rest is the index of the function of frames that had no room.
func (d *Dictionary) rest() int32 {
	f := profile.Function{Name: OmittedFrames, Kind: profile.Omitted}
	index := d.intern(profile.FunctionID(f))
	d.call(index, f)
	return index
}

// Crowded says whether the stacks of others keep those of the lists from their
// room: more than a twentieth of what a list holds is in stacks that are cut or
// missing, and the lists have less than half of the stacks that are held. A new
// dictionary would serve the lists better.
func (d *Dictionary) Crowded(lists ...[]Sum) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.short { // what is missing is not in the store
		return false
	}
	held, crowded := 0, false
	for _, sums := range lists {
		var whole, short int64
		for i := range sums {
			at, ok := d.stacks[sums[i].Stack]
			if ok {
				held++
			}
			whole = profile.Amount{Value: whole}.Add(sums[i].Amount).Value
			if !ok || at.cut {
				short = profile.Amount{Value: short}.Add(sums[i].Amount).Value
			}
		}
		crowded = crowded || short > whole/20
	}
	return crowded && 2*held < len(d.stacks)
}

func (d *Dictionary) intern(function uint64) int32 {
	index, ok := d.index[function]
	if !ok {
		index = int32(len(d.ids))
		d.index[function] = index
		d.ids, d.functions, d.named = append(d.ids, function), append(d.functions, profile.Function{}), append(d.named, false)
	}
	return index
}

// Nameless returns the ids of the functions of these stacks that have no name
// yet.
func (d *Dictionary) Nameless() []uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []uint64
	for i, named := range d.named {
		if !named {
			out = append(out, d.ids[i])
		}
	}
	return out
}

// Name tells the name of a function. Functions of no stack are ignored.
func (d *Dictionary) Name(id uint64, f profile.Function) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if index, ok := d.index[id]; ok {
		d.call(index, f)
	}
}

func (d *Dictionary) call(index int32, f profile.Function) {
	if d.named[index] {
		return
	}
	d.functions[index], d.named[index] = f, true
	d.names += int64(len(f.Name))
	d.unsorted = append(d.unsorted, index)
}

// sortNames brings the functions that were named since the last time into their
// order: to compare all names takes longer than all else that an answer needs of
// the tree.
func (d *Dictionary) sortNames() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.unsorted) == 0 {
		return
	}
	compare := func(a, b int32) int { return compareFunctions(d.functions[a], d.functions[b]) }
	slices.SortFunc(d.unsorted, compare)
	old, merged := d.byName, make([]int32, 0, len(d.byName)+len(d.unsorted))
	for _, f := range d.unsorted {
		n, _ := slices.BinarySearchFunc(old, f, compare)
		merged = append(append(merged, old[:n]...), f)
		old = old[n:]
	}
	d.byName, d.unsorted = append(merged, old...), nil
}
