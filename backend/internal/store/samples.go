package store

import "time"

// sampleRows are columns of the table samples.
type sampleRows struct {
	clusters, namespaces, services, types, threads *words
	starts                                         []time.Time
	seconds                                        []uint32
	series, stacks                                 []uint64
	values                                         []int64
	counts                                         []uint64
}

// newSampleRows has room for n samples.
func newSampleRows(n int) sampleRows {
	return sampleRows{
		newWords(n), newWords(n), newWords(n), newWords(n), newWords(n),
		make([]time.Time, 0, n), make([]uint32, 0, n), make([]uint64, 0, n), make([]uint64, 0, n), make([]int64, 0, n), make([]uint64, 0, n),
	}
}

// add enters some samples of a window.
func (r *sampleRows) add(b *batch, from, to int) {
	n, t := to-from, &b.window.Target
	r.clusters.extend(t.Cluster, n)
	r.namespaces.extend(t.Namespace, n)
	r.services.extend(t.Service, n)
	r.starts, r.seconds, r.series = extend(r.starts, b.window.Start, n), extend(r.seconds, b.seconds(), n), extend(r.series, b.series, n)
	r.types.add(b.types[from:to])
	r.threads.add(b.threads[from:to])
	r.stacks, r.values, r.counts = append(r.stacks, b.stackIDs[from:to]...), append(r.values, b.values[from:to]...), append(r.counts, b.counts[from:to]...)
}
