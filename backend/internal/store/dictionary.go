package store

import (
	"encoding/binary"
	"sync"

	"github.com/podflame/podflame/backend/profile"
)

// stackCache keeps the decoded stacks and function names of the services that
// were asked for last. They never change, as their ids are hashes of them.
type stackCache struct {
	mu      sync.Mutex
	limit   int64
	uses    uint64
	entries map[string]*dictionary
	metrics *metrics
}

func newStackCache(limit int64, m *metrics) *stackCache {
	return &stackCache{limit: limit, entries: map[string]*dictionary{}, metrics: m}
}

// of returns the dictionary of a service.
func (c *stackCache) of(service string) *dictionary {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	d := c.entries[service]
	if d == nil {
		d = newDictionary(service)
		c.entries[service] = d
	}
	d.lastUse = c.uses
	return d
}

// account drops the dictionaries that were not used for longest until the rest
// fits. Who still works with one that was dropped may go on.
func (c *stackCache) account(d *dictionary) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.accounted = d.size()
	var total int64
	for _, e := range c.entries {
		total += e.accounted
	}
	for total > c.limit {
		oldest := ""
		for service, e := range c.entries {
			if oldest == "" && service == "" || c.entries[oldest] == nil || e.lastUse < c.entries[oldest].lastUse {
				oldest = service
			}
		}
		total -= c.entries[oldest].accounted
		delete(c.entries, oldest)
	}
	c.metrics.cacheBytes.Set(float64(total))
}

// dictionary interns the functions of a service, so that a cached stack takes
// four bytes per frame.
type dictionary struct {
	service       string
	lastUse       uint64 // guarded by stackCache.mu
	accounted     int64  // guarded by stackCache.mu
	mu            sync.Mutex
	ids           []uint64 // of functions, by index
	functions     []profile.Function
	known         []bool // functions whose name was read
	index         map[uint64]uint32
	stacks        map[uint64][]uint32
	frames, names int64 // numbers and bytes, for size
}

func newDictionary(service string) *dictionary {
	return &dictionary{service: service, index: map[uint64]uint32{}, stacks: map[uint64][]uint32{}}
}

// size is about what the dictionary takes, in bytes.
func (d *dictionary) size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.ids))*64 + int64(len(d.stacks))*48 + d.frames*4 + d.names + 256
}

// missing returns the ids of the stacks that are not cached.
func (d *dictionary) missing(rows []sum) []uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []uint64
	for i := range rows {
		if _, ok := d.stacks[rows[i].stack]; !ok {
			out = append(out, rows[i].stack)
		}
	}
	return out
}

// add decodes a stack; packed has 8 bytes per frame.
func (d *dictionary) add(id uint64, packed []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.stacks[id]; ok {
		return
	}
	frames := make([]uint32, len(packed)/8)
	for i := range frames {
		function := binary.LittleEndian.Uint64(packed[i*8:])
		index, ok := d.index[function]
		if !ok {
			index = uint32(len(d.ids))
			d.ids, d.functions, d.known = append(d.ids, function), append(d.functions, profile.Function{}), append(d.known, false)
			d.index[function] = index
		}
		frames[i] = index
	}
	d.stacks[id] = frames
	d.frames += int64(len(frames))
}

// fill writes the stacks of rows into out, with their own dense function table,
// up to a number of frames. Stacks that are not cached were not found.
func (d *dictionary) fill(out *Sums, rows []sum, maxFrames int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	total := 0
	for i := range rows {
		total += len(d.stacks[rows[i].stack])
	}
	all := make([]uint32, 0, min(total, maxFrames))
	dense := make([]uint32, len(d.ids)) // index + 1
	out.Set.Stacks = make([]profile.Stack, 0, len(rows))
	out.StackIDs = make([]uint64, 0, len(rows))
	for i := range rows {
		cached, ok := d.stacks[rows[i].stack]
		if !ok {
			continue
		}
		if len(all)+len(cached) > maxFrames {
			break
		}
		begin := len(all)
		for _, f := range cached {
			if dense[f] == 0 {
				out.FunctionIDs = append(out.FunctionIDs, d.ids[f])
				dense[f] = uint32(len(out.FunctionIDs))
			}
			all = append(all, dense[f]-1)
		}
		out.StackIDs = append(out.StackIDs, rows[i].stack)
		out.Set.Stacks = append(out.Set.Stacks, profile.Stack{
			Frames: all[begin:len(all):len(all)], Value: rows[i].amount.Value, Count: rows[i].amount.Count,
		})
	}
	out.Set.Functions = make([]profile.Function, len(out.FunctionIDs))
}

// names fills in the functions that are known and returns the ids of the rest.
func (d *dictionary) fillNames(sums *Sums, functions []uint32) []uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var missing []uint64
	for _, i := range functions {
		id := sums.FunctionIDs[i]
		if index, ok := d.index[id]; ok && d.known[index] {
			sums.Set.Functions[i] = d.functions[index]
			continue
		}
		missing = append(missing, id)
	}
	return missing
}

// learn keeps a name. Functions that the dictionary does not hold, because it
// was replaced in between, are interned anew.
func (d *dictionary) learn(id uint64, f profile.Function) {
	d.mu.Lock()
	defer d.mu.Unlock()
	index, ok := d.index[id]
	if !ok {
		index = uint32(len(d.ids))
		d.ids, d.functions, d.known = append(d.ids, id), append(d.functions, f), append(d.known, true)
		d.index[id] = index
	}
	if !d.known[index] || !ok {
		d.names += int64(len(f.Name))
	}
	d.functions[index], d.known[index] = f, true
}
