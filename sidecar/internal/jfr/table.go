package jfr

// table maps ids of a chunk to small numbers. The profiler hands out ids that
// are small and dense for most things, so most of them are in a slice. The
// number 0 means that there is none.
type table struct {
	dense  []uint32
	sparse map[uint64]uint32
}

// newTable returns a table with room for about n ids.
func newTable(n int) table { return table{dense: make([]uint32, 2*n+64)} }

func (t *table) get(id uint64) uint32 {
	if id < uint64(len(t.dense)) {
		return t.dense[id]
	}
	return t.sparse[id]
}

func (t *table) set(id uint64, v uint32) {
	if id < uint64(len(t.dense)) {
		t.dense[id] = v
		return
	}
	if t.sparse == nil {
		t.sparse = map[uint64]uint32{}
	}
	t.sparse[id] = v
}
