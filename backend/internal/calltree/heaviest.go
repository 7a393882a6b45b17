package calltree

import (
	"cmp"
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
// the heaviest first. See Hoare, Algorithm 65: FIND.
func (t *Tree) nthHeaviest(weights []int64, n int) int64 {
	runs := make([]heavy, len(weights))
	for run, weight := range weights {
		runs[run] = heavy{weight, t.length(int32(run))}
	}
	for {
		pivot := runs[len(runs)/2].weight
		more, equal, first, last := 0, 0, 0, len(runs) // runs[:first] are heavier, runs[last:] lighter
		for at := 0; at < last; {
			switch run := runs[at]; {
			case run.weight > pivot:
				runs[at], runs[first] = runs[first], run
				at, first, more = at+1, first+1, more+int(run.nodes)
			case run.weight < pivot:
				last--
				runs[at], runs[last] = runs[last], run
			default:
				at, equal = at+1, equal+int(run.nodes)
			}
		}
		switch {
		case n <= more:
			runs = runs[:first]
		case n <= more+equal:
			return pivot
		default:
			runs, n = runs[last:], n-more-equal
		}
	}
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
