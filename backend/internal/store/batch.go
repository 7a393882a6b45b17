package store

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/podflame/podflame/backend/profile"
)

// batch is a window as rows.
type batch struct {
	window   *profile.Window
	series   uint64
	day      time.Time
	content  uint64 // hash of what is in the window, never 0
	sets     []*profile.StackSet
	ids      [][]uint64 // of the functions of each set
	stackIDs []uint64   // of all sets, one after the other
	types    []string
	values   []int64
	counts   []uint64
	threads  []string // groups
	fresh    []int    // stacks that were not written today
	bytes    int      // of the frames of fresh stacks, packed
}

func newBatch(w *profile.Window) *batch {
	b := &batch{window: w, series: w.Target.SeriesID(), day: w.Start.UTC().Truncate(24 * time.Hour)}
	for i := range w.Sets {
		set := &w.Sets[i]
		ids := make([]uint64, len(set.Functions))
		for j, f := range set.Functions {
			ids[j] = profile.FunctionID(f)
		}
		b.sets, b.ids = append(b.sets, set), append(b.ids, ids)
		b.stackIDs = append(b.stackIDs, set.StackIDs(ids)...)
		n := len(set.Stacks)
		b.types, b.values, b.counts, b.threads = slices.Grow(b.types, n), slices.Grow(b.values, n), slices.Grow(b.counts, n), slices.Grow(b.threads, n)
		for _, stack := range set.Stacks {
			b.types = append(b.types, string(set.Type))
			b.values = append(b.values, stack.Value)
			b.counts = append(b.counts, uint64(max(stack.Count, 0)))
			b.threads = append(b.threads, stack.Thread)
		}
	}
	b.content = b.hash()
	return b
}

// hash covers the samples and the amounts of the ledgers. It leaves out what a
// newer backend may know more of: the words of reasons, and threads.
func (b *batch) hash() uint64 {
	var d xxhash.Digest
	d.Reset()
	var buffer [8]byte
	number := func(n uint64) {
		binary.LittleEndian.PutUint64(buffer[:], n)
		_, _ = d.Write(buffer[:])
	}
	for i := 0; i < len(b.stackIDs); {
		value, count, first := int64(0), uint64(0), i
		for ; i < len(b.stackIDs) && b.stackIDs[i] == b.stackIDs[first] && b.types[i] == b.types[first]; i++ { // of all threads
			value, count = value+b.values[i], count+b.counts[i]
		}
		number(b.stackIDs[first])
		number(uint64(value))
		number(count)
	}
	losses := func(list []profile.Loss) {
		var sum profile.Loss
		for _, l := range list {
			sum.Value, sum.Count, sum.Duration, sum.Bytes = sum.Value+l.Value, sum.Count+l.Count, sum.Duration+l.Duration, sum.Bytes+l.Bytes
		}
		for _, n := range []int64{sum.Value, sum.Count, int64(sum.Duration), sum.Bytes} {
			number(uint64(n))
		}
	}
	for _, c := range b.window.Coverage {
		_, _ = d.WriteString(string(c.Type))
		for _, n := range []int64{c.Captured.Value, c.Captured.Count, c.Stored.Value, c.Stored.Count} {
			number(uint64(n))
		}
		losses(c.Losses)
	}
	losses(b.window.Losses)
	return max(d.Sum64(), 1)
}

// note finds out which stacks were not written today.
func (b *batch) note(w *writtenIDs) {
	b.fresh, b.bytes = w.missing(w.scope(b.day, "service "+b.window.Target.Service), b.stackIDs), 0
	b.fresh = slices.CompactFunc(b.fresh, func(x, y int) bool { return b.stackIDs[x] == b.stackIDs[y] }) // once for all threads
	for s := range b.freshStacks() {
		b.bytes += 8 * len(s.frames)
	}
}

// noteAgain leaves out what another group has written since note. What was written
// then still is.
func (b *batch) noteAgain(w *writtenIDs) {
	if len(b.fresh) > 0 {
		b.note(w)
	}
}

func (b *batch) seconds() uint32 { return uint32(b.window.End.Sub(b.window.Start) / time.Second) }

func (b *batch) slot() slot { return slot{b.series, b.window.Start.Unix()} }

// name is what a window is found by: its id, and the pod, as a pod that guesses
// the ids of another's windows must not have them taken for its own.
func (b *batch) name() windowName {
	t := &b.window.Target
	return windowName{t.Cluster, t.Namespace, cmp.Or(t.PodUID, t.Pod), b.window.ID}
}

type windowName struct {
	cluster, namespace, pod string
	id                      profile.WindowID
}

// key says whose window of which time it is. A name has one key.
func (b *batch) key() windowKey {
	t := &b.window.Target
	return windowKey{ServiceKey{t.Cluster, t.Namespace, t.Service}, b.slot()}
}

type windowKey struct {
	ServiceKey
	slot
}

// freshStack is a stack that was not written today.
type freshStack struct {
	index  int // over all sets
	set    int
	frames []uint32 // valid until the next
}

func (b *batch) freshStacks() iter.Seq[freshStack] {
	return func(yield func(freshStack) bool) {
		fresh, first := b.fresh, 0 // first of the set, over all sets
		for set := range b.sets {
			for i, stack := range b.sets[set].All() {
				if len(fresh) == 0 {
					return
				}
				if fresh[0] != first+i {
					continue
				}
				fresh = fresh[1:]
				if !yield(freshStack{first + i, set, stack.Frames}) {
					return
				}
			}
			first += len(b.sets[set].Stacks)
		}
	}
}

// freshFunctions returns, by set, the functions of the stacks that were not written
// today, each once.
func (b *batch) freshFunctions() [][]uint32 {
	used := make([][]uint32, len(b.sets))
	seen := make([][]bool, len(b.sets))
	for i, set := range b.sets {
		seen[i] = make([]bool, len(set.Functions))
	}
	for s := range b.freshStacks() {
		for _, f := range s.frames {
			if !seen[s.set][f] {
				seen[s.set][f] = true
				used[s.set] = append(used[s.set], f)
			}
		}
	}
	return used
}
