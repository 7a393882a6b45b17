package calltree

// runs are the nodes of a tree. Nodes of which each has nothing in it but the next one
// are one run: stacks end and part at the last node of a run only, so the total of all
// its nodes is one. A large service has seven nodes to a run.
type runs struct {
	up         []int32 // by run: the run that it is below, which comes before; -1 for the root
	begin, end []int32 // by run: where its frames are, outermost first; the root has none
	frames     []int32 // functions
}

// chain returns the functions of a run, outermost first.
func (r *runs) chain(run int) []int32 { return r.frames[r.begin[run]:r.end[run]] }

// length is the number of nodes of a run.
func (r *runs) length(run int32) int32 { return r.end[run] - r.begin[run] }

// nodes is the number of nodes of all runs.
func (r *runs) nodes() (sum int) {
	for run := range r.up {
		sum += int(r.end[run] - r.begin[run])
	}
	return sum
}

// part returns the root, the runs that are marked with 1 and those above them, in their
// order, and leaves in marks the new number of each run, -1 for the others.
func (r *runs) part(marks []int32) runs {
	marks[0] = 1
	size := 1
	for run := len(marks) - 1; run > 0; run-- {
		if marks[run] != 0 {
			marks[r.up[run]] = 1
			size++
		}
	}
	out := runs{up: make([]int32, 0, size), begin: make([]int32, 0, size), end: make([]int32, 0, size), frames: r.frames}
	for run, mark := range marks {
		if mark == 0 {
			marks[run] = -1
			continue
		}
		up := int32(-1)
		if run > 0 {
			up = marks[r.up[run]]
		}
		marks[run] = int32(len(out.up))
		out.up, out.begin, out.end = append(out.up, up), append(out.begin, r.begin[run]), append(out.end, r.end[run])
	}
	return out
}

// fold returns the nodes of a tree as runs, and the run of each node.
func (g *grower) fold() (r runs, of []int32) {
	of = make([]int32, len(g.parent))
	r = runs{up: append(make([]int32, 0, g.runs()), -1), begin: append(make([]int32, 0, g.runs()+1), 1), frames: g.function}
	for node := 1; node < len(of); node++ {
		up := g.parent[node]
		if up == 0 || int(up) != node-1 || g.inside[up] > 1 {
			r.up, r.begin = append(r.up, of[up]), append(r.begin, int32(node))
		}
		of[node] = int32(len(r.up)) - 1
	}
	ends := append(r.begin, int32(len(of)))
	r.begin, r.end = ends[:len(r.up)], ends[1:]
	return r, of
}

// single returns the nodes of a tree as runs of one node each, which have the numbers
// of the nodes.
func (g *grower) single() runs {
	ends := make([]int32, len(g.parent)+1)
	for node := range ends {
		ends[node] = int32(node)
	}
	ends[0] = 1
	return runs{up: g.parent, begin: ends[:len(g.parent)], end: ends[1:], frames: g.function}
}
