package store

import (
	"encoding/binary"
	"hash/maphash"
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
	young, old map[uint64]struct{}
}

func newWrittenIDs(limit int) *writtenIDs {
	return &writtenIDs{seed: maphash.MakeSeed(), limit: max(limit/2, 1), young: map[uint64]struct{}{}, old: map[uint64]struct{}{}}
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
		if _, ok := w.young[key]; ok {
			continue
		}
		if _, ok := w.old[key]; ok {
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
	if len(w.young) >= w.limit {
		w.old, w.young = w.young, map[uint64]struct{}{}
	}
	w.young[key] = struct{}{}
}

// mix is a bijection of ids for a scope.
func mix(scope, id uint64) uint64 {
	x := (id ^ scope) * 0x9E3779B97F4A7C15
	x ^= x >> 32
	return x*(scope|1) ^ scope
}
