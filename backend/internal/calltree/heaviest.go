package calltree

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// heaviest returns how many nodes of each run, from its first one, are the root or
// among the limit heaviest. Of equally heavy nodes those nearer the root are kept,
// and of these the first by name.
func (t *Tree) heaviest(weights []int64, limit int) []int32 {
	keep := make([]int32, len(weights))
	if limit <= 0 {
		return keep
	}
	least := int64(-1)
	if limit < t.Size() {
		least = t.nthHeaviest(weights, limit)
	}
	var equal []int32
	for run, weight := range weights {
		switch length := t.length(int32(run)); {
		case weight > least:
			keep[run] = length
			limit -= int(length)
		case weight == least:
			equal = append(equal, int32(run))
		}
	}
	t.keepNearest(keep, equal, limit)
	return keep
}

// heavy is a run that may be kept.
type heavy struct {
	weight int64
	nodes  int32
}

// nthHeaviest returns the weight that the n-th node would have if nodes were sorted,
// the heaviest first.
func (t *Tree) nthHeaviest(weights []int64, n int) int64 {
	runs := make([]heavy, len(weights))
	for run, weight := range weights {
		runs[run] = heavy{weight, t.length(int32(run))}
	}
	return nth(runs, n, anyOf)
}

// anyOf is the weight of one of the runs by chance: where one is taken by its place,
// who sends the weights can order them so that this takes the square of their number.
func anyOf(runs []heavy) int64 {
	return runs[rand.IntN(len(runs))].weight
}

// nth returns the weight of the n-th node of runs, and brings these into another
// order. See Hoare, Algorithm 65: FIND.
func nth(runs []heavy, n int, pivotOf func([]heavy) int64) int64 {
	for {
		pivot := pivotOf(runs)
		p := partition(runs, pivot)
		switch {
		case n <= p.more:
			runs = runs[:p.first]
		case n <= p.more+p.equal:
			return pivot
		default:
			runs, n = runs[p.last:], n-p.more-p.equal
		}
	}
}

// parted says that runs[:first] are heavier than a pivot, with more nodes, and
// runs[last:] lighter; between these are those as heavy, with equal nodes.
type parted struct{ first, last, more, equal int }

func partition(runs []heavy, pivot int64) parted {
	p := parted{last: len(runs)}
	for at := 0; at < p.last; {
		switch run := runs[at]; {
		case run.weight > pivot:
			runs[at], runs[p.first] = runs[p.first], run
			at, p.first, p.more = at+1, p.first+1, p.more+int(run.nodes)
		case run.weight < pivot:
			p.last--
			runs[at], runs[p.last] = runs[p.last], run
		default:
			at, p.equal = at+1, p.equal+int(run.nodes)
		}
	}
	return p
}

// keepNearest keeps the n nodes nearest the root of runs that are equally heavy; of
// nodes equally deep the first by name.
func (t *Tree) keepNearest(keep, runs []int32, n int) {
	depth := t.depths()
	level, n := t.levelOf(depth, runs, n)
	var nodes []place // at that level
	for _, run := range runs {
		above := level - depth[run]
		keep[run] = max(0, min(above, t.length(run)))
		if above >= 0 && above < t.length(run) {
			nodes = append(nodes, place{run, t.begin[run] + above})
		}
	}
	if n == 0 {
		return
	}
	slices.SortFunc(nodes, t.comparePaths)
	for _, node := range nodes[:min(n, len(nodes))] {
		keep[node.run]++
	}
}

// depths are the numbers of nodes above runs.
func (t *Tree) depths() []int32 {
	out := make([]int32, len(t.up))
	for run := 1; run < len(out); run++ {
		up := t.up[run]
		out[run] = out[up] + t.length(up)
	}
	return out
}

// levelOf returns the depth above which there are at most n nodes of the runs, and how
// many more there may be at that depth.
func (t *Tree) levelOf(depth, runs []int32, n int) (level int32, left int) {
	var change []int // of the number of nodes, by depth
	for _, run := range runs {
		first, behind := depth[run], depth[run]+t.length(run)
		if more := int(behind) + 1 - len(change); more > 0 {
			change = append(change, make([]int, more)...)
		}
		change[first]++
		change[behind]--
	}
	nodes := 0
	for level, more := range change {
		if nodes += more; nodes > n {
			return int32(level), n
		}
		n -= nodes
	}
	return int32(len(change)), n
}

// place is a node: a frame of a run.
type place struct{ run, frame int32 }

// above returns the node above one that is not the root.
func (t *Tree) above(at place) place {
	if at.frame > t.begin[at.run] {
		return place{at.run, at.frame - 1}
	}
	up := t.up[at.run]
	return place{up, t.end[up] - 1}
}

// comparePaths orders nodes of the same depth by their names, and those of the
// same name by their callers.
func (t *Tree) comparePaths(a, b place) int {
	for a != b {
		if order := cmp.Compare(t.rank[t.frames[a.frame]], t.rank[t.frames[b.frame]]); order != 0 {
			return order
		}
		a, b = t.above(a), t.above(b)
	}
	return 0
}
