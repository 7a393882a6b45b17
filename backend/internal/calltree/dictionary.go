package calltree

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/podflame/podflame/backend/profile"
)

// Dictionary holds stacks by id, up to a number of bytes. When its tree takes
// its share of them, stacks that are new are cut: they are held as far as the tree
// knows them, with a frame OmittedFrames between that and the last frame. So what
// was measured in each function stays right. It is safe for concurrent use.
type Dictionary struct {
	limit int64

	mu           sync.RWMutex
	room         int64 // up to which it grows for now
	tree         *grower
	last         trail
	stacks       map[uint64]end
	short        bool             // of room: a stack was cut or refused, and all new ones are cut
	index        map[uint64]int32 // by function id
	ids          []uint64         // of functions, by index
	functions    []profile.Function
	named        []bool
	bytesOfNames int64
	byName       []int32 // functions with a name in their order, but for those in unsorted
	unsorted     []int32
	table        *functions // nil if functions were added or named since
	now          *state     // nil if anything was added since
}

// state is a dictionary at a time. It does not change.
type state struct {
	*functions
	runs
	runOf []int32 // by node
}

// end is where a stack ends in the tree.
type end struct {
	node int32 // of the last frame
	cut  bool  // frames above it had no room
}

// The tree may take one part in treeShare of a dictionary's bytes before stacks
// are cut. The rest is for their ids and for what stands for the cut frames: the
// stacks of a program that never takes one twice cost little more than their ids
// then, not 13 bytes for each frame as well.
const treeShare = 2

// NewDictionary returns an empty dictionary that takes no more stacks when it
// takes about limit bytes.
func NewDictionary(limit int64) *Dictionary {
	d := &Dictionary{limit: limit, room: limit, tree: newGrower(), stacks: map[uint64]end{}, index: map[uint64]int32{}}
	d.call(d.intern(profile.FunctionID(omitted)), omitted)
	return d
}

// firstFunction of each dictionary is the function omitted.
const firstFunction = 0

// What an entry of a map takes, its share of the free ones included, with two runs of
// a stack, and the place of a function in the table.
const (
	stackBytes    = 24 + 2*12
	functionBytes = 24 + 8 + 24 + 1 + 4 + 32
)

// allow lets the dictionary grow up to so many bytes, and not beyond its limit.
func (d *Dictionary) allow(room int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = min(room, d.limit)
}

// Waits says whether there would be more room than the dictionary may take for now.
func (d *Dictionary) Waits() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.room < d.limit && d.bytes() >= d.room
}

// Bytes is about what the dictionary takes.
func (d *Dictionary) Bytes() int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.bytes()
}

func (d *Dictionary) bytes() int64 {
	return d.tree.bytes() + stackBytes*int64(len(d.stacks)) + functionBytes*int64(len(d.ids)) + d.bytesOfNames
}

// Add enters a stack. Frames holds the ids of its functions, root first, in 8
// bytes each, little endian. It returns false if the dictionary is full, or has grown
// as far as it may for now.
func (d *Dictionary) Add(id uint64, frames []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.stacks[id]; ok {
		return true
	}
	if d.bytes() >= d.room {
		d.short = d.short || d.bytes() >= d.limit
		return false
	}
	at := d.enter(frames)
	d.tree.stop(at.node)
	d.stacks[id], d.now = at, nil
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
	node = d.tree.child(node, firstFunction)
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

func (d *Dictionary) intern(function uint64) int32 {
	index, ok := d.index[function]
	if !ok {
		index = int32(len(d.ids))
		d.index[function] = index
		d.ids, d.functions, d.named = append(d.ids, function), append(d.functions, unknown), append(d.named, false)
		d.bytesOfNames += shortName
		d.table, d.now = nil, nil
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

// shortName is how many bytes of its name each function has for certain. Of a longer one
// for which there is no room the beginning is kept, with its id behind that.
const shortName = 64

// Name tells the name of a function. Functions of no stack are ignored. It returns false
// if the dictionary has grown as far as it may for now.
func (d *Dictionary) Name(id uint64, f profile.Function) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	index, ok := d.index[id]
	if !ok {
		return true
	}
	if more := int64(len(f.Name)) - shortName; more > 0 && d.bytes()+more > d.room {
		if d.room < d.limit {
			return false
		}
		f.Name = shortened(f.Name, id)
	}
	d.call(index, f)
	return true
}

func shortened(name string, id uint64) string {
	const ending = len("…0123456789abcdef")
	return strings.ToValidUTF8(name[:shortName-ending], "") + fmt.Sprintf("…%016x", id)
}

func (d *Dictionary) call(index int32, f profile.Function) {
	if d.named[index] {
		return
	}
	d.functions[index], d.named[index] = f, true
	d.bytesOfNames += int64(len(f.Name)) - shortName
	d.unsorted = append(d.unsorted, index)
	d.table, d.now = nil, nil
}

// current returns what the dictionary holds now.
func (d *Dictionary) current() *state {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.table == nil {
		d.table = d.newTable()
	}
	if d.now == nil {
		d.now = &state{functions: d.table}
		d.now.runs, d.now.runOf = d.tree.fold()
	}
	return d.now
}

// newTable has functions without a name where that of unknown ones belongs.
func (d *Dictionary) newTable() *functions {
	d.sortNames()
	var unnamed []int32
	for function, named := range d.named {
		if !named {
			unnamed = append(unnamed, int32(function))
		}
	}
	at, _ := slices.BinarySearchFunc(d.byName, unknown, func(f int32, u profile.Function) int { return compareFunctions(d.functions[f], u) })
	table := ranked(slices.Clone(d.functions), slices.Insert(slices.Clone(d.byName), at, unnamed...))
	if len(unnamed) > 0 {
		table.named = slices.Clone(d.named)
	}
	return table
}

// sortNames brings the functions that were named since the last time into their
// order: to compare all names takes longer than all else that an answer needs of
// the tree.
func (d *Dictionary) sortNames() {
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
