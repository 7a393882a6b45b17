package changes

import (
	"slices"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
)

// Side is one of the two sides of a comparison.
type Side struct {
	blocks []block
	shares map[measured][]float64 // by block, value
}

// block is some pods for some time.
type block struct {
	group int
	profile.Amount
}

// measured is a function with what is measured of it.
type measured struct {
	profile.Function
	Measure
}

// Measure is what a share is of.
type Measure string

// The measures.
const (
	Self  Measure = "self"  // in the function itself
	Total Measure = "total" // in the function and all it calls
)

// NewSide returns an empty side.
func NewSide() *Side { return &Side{shares: map[measured][]float64{}} }

// Add enters a block, in order of time within a group of pods: its tree, of one
// side, with the total of the block.
func (s *Side) Add(group int, total profile.Amount, tree *calltree.Tree) {
	list, _ := tree.Top()
	s.blocks = append(s.blocks, block{group, total})
	for _, f := range list {
		s.enter(measured{f.Function, Self}, f.Self[0].Value)
		s.enter(measured{f.Function, Total}, f.Total[0].Value)
	}
}

func (s *Side) enter(m measured, value int64) {
	if value == 0 {
		return
	}
	values := s.shares[m]
	values = slices.Grow(values, len(s.blocks)-len(values))[:len(s.blocks)]
	values[len(s.blocks)-1] = float64(value)
	s.shares[m] = values
}

func (s *Side) total() (sum profile.Amount) {
	for _, b := range s.blocks {
		sum = sum.Add(b.Amount)
	}
	return sum
}
