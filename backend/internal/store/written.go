package store

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
)

// writtenIDs remembers which functions and stacks were written today, so that
// they are sent to ClickHouse once a day and not with each window. Forgetting
// one costs a row that ClickHouse merges away.
//
// It is two generations of keys: when the younger is full, the older is
// forgotten. Ids in use are carried over.
type writtenIDs struct {
	seed       maphash.Seed
	mu         sync.Mutex
	limit      int // of one generation
	young, old keys
}

func newWrittenIDs(limit int) *writtenIDs {
	return &writtenIDs{seed: maphash.MakeSeed(), limit: max(limit/2, 1)}
}

// scope separates the ids of one day and service. Its hash has a key of this
// process, so that no pod can choose a service whose ids pass for another's.
func (w *writtenIDs) scope(day time.Time, service string) uint64 {
	named := binary.LittleEndian.AppendUint64(nil, uint64(day.Unix()))
	return maphash.Bytes(w.seed, append(named, service...)) | 1
}

// missing returns the indexes of the ids that were not written.
func (w *writtenIDs) missing(scope uint64, ids []uint64) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []int
	for i, id := range ids {
		key := mix(scope, id)
		if w.young.has(key) {
			continue
		}
		if w.old.has(key) {
			w.put(key)
			continue
		}
		out = append(out, i)
	}
	return out
}

// add remembers ids after ClickHouse has acknowledged them.
func (w *writtenIDs) add(scope uint64, ids []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		w.put(mix(scope, id))
	}
}

func (w *writtenIDs) put(key uint64) {
	if w.young.used >= w.limit {
		w.old, w.young = w.young, keys{}
	}
	w.young.add(key)
}

// keys is a set of keys that are hashes already, in half of what a map takes. The key 0
// is never in it: it is free to be written again.
type keys struct {
	slots []uint64 // open addressing; 0 is free
	used  int
}

const (
	leastKeys = 1 << 10
	keyBytes  = 17 // on average, of the default limit
)

func (k *keys) has(key uint64) bool { return len(k.slots) > 0 && key != 0 && k.slots[k.at(key)] == key }

func (k *keys) add(key uint64) {
	if key == 0 || k.has(key) {
		return
	}
	if 4*(k.used+1) > 3*len(k.slots) {
		k.grow()
	}
	k.slots[k.at(key)] = key
	k.used++
}

// at is where a key is, or has its place.
func (k *keys) at(key uint64) int {
	at := int(key >> (bits.LeadingZeros64(uint64(len(k.slots))) + 1)) // the high bits of mix depend on all of an id
	for k.slots[at] != 0 && k.slots[at] != key {
		at = (at + 1) & (len(k.slots) - 1)
	}
	return at
}

func (k *keys) grow() {
	old := k.slots
	k.slots = make([]uint64, max(2*len(old), leastKeys))
	for _, key := range old {
		if key != 0 {
			k.slots[k.at(key)] = key
		}
	}
}

// mix is a bijection of ids for a scope.
func mix(scope, id uint64) uint64 {
	x := (id ^ scope) * 0x9E3779B97F4A7C15
	x ^= x >> 32
	return x*(scope|1) ^ scope
}
