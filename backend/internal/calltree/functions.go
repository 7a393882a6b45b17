package calltree

import (
	"cmp"

	"github.com/podflame/podflame/backend/profile"
)

// OmittedFrames is the name of the frame, of kind omitted, that stands for what
// a limit left out below its parent.
const OmittedFrames = "(omitted)"

// omitted is the function of such frames, which every table has.
var omitted = profile.Function{Name: OmittedFrames, Kind: profile.Omitted}

// unknown stands for functions whose name nobody told.
var unknown = profile.Function{Name: "[unknown]", Kind: profile.Native}

// functions is a table of functions that does not change.
type functions struct {
	names   []profile.Function
	order   []int32 // of functions, by name
	rank    []int32 // by function: its place in the order
	omitted int32   // the function omitted
	named   []bool  // nil if all have a name
}

func compareFunctions(a, b profile.Function) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
}

// ranked returns a table in which the functions have the order that is given.
func ranked(names []profile.Function, order []int32) *functions {
	f := &functions{names: names, order: order, rank: make([]int32, len(names))}
	for place, function := range order {
		f.rank[function] = int32(place)
		if names[function] == omitted {
			f.omitted = function
		}
	}
	return f
}

// inOrder returns the functions that occur in the order of their names, and the place
// of each.
func (f *functions) inOrder(occurs []bool) (used []profile.Function, place []int32) {
	used, place = []profile.Function{}, make([]int32, len(f.names))
	for _, function := range f.order {
		if occurs[function] {
			place[function] = int32(len(used))
			used = append(used, f.names[function])
		}
	}
	return used, place
}
