package calltree

import (
	"encoding/binary"
	"sync"

	"github.com/podflame/podflame/backend/profile"
)

// Dictionary holds stacks by id, up to a number of bytes. It is safe for
// concurrent use.
type Dictionary struct {
	limit int64

	mu        sync.RWMutex
	tree      *grower
	stacks    map[uint64]int32 // by stack id: the node of the last frame
	index     map[uint64]int32 // by function id
	ids       []uint64         // of functions, by index
	functions []profile.Function
	named     []bool
	names     int64 // bytes
}

// NewDictionary returns an empty dictionary that takes no more stacks when it
// takes about limit bytes.
func NewDictionary(limit int64) *Dictionary {
	return &Dictionary{limit: limit, tree: newGrower(), stacks: map[uint64]int32{}, index: map[uint64]int32{}}
}

// What an entry of a map takes, its share of the free ones included.
const (
	stackBytes    = 24
	functionBytes = 24 + 8 + 24 + 1
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
		return false
	}
	node := int32(0)
	for ; len(frames) >= 8; frames = frames[8:] {
		node = d.tree.child(node, d.intern(binary.LittleEndian.Uint64(frames)))
	}
	d.stacks[id] = node
	return true
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
	if index, ok := d.index[id]; ok && !d.named[index] {
		d.functions[index], d.named[index] = f, true
		d.names += int64(len(f.Name))
	}
}
