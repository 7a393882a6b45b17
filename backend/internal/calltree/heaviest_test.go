package calltree

import (
	"slices"
	"testing"
)

// Weights can be ordered so that taking the middle one as the pivot cuts off one run
// at a time. A pivot by chance looks at each run some times, whatever the order.
func TestOrderOfWeightsCannotMakeSelectionSlow(t *testing.T) {
	const size = 2_000
	for name, c := range map[string]struct {
		pivotOf     func([]heavy) int64
		least, most int // runs looked at
	}{
		"middle": {middle, size * size / 4, size * size},
		"ours":   {anyOf, size, 50 * size},
	} {
		t.Run(name, func(t *testing.T) {
			looked, runs := 0, killer(size)
			lightest := slices.MinFunc(runs, func(a, b heavy) int { return int(a.weight - b.weight) }).weight
			got := nth(runs, size, func(runs []heavy) int64 {
				looked += len(runs)
				return c.pivotOf(runs)
			})
			if got != lightest {
				t.Errorf("the last one weighs %d, want %d", got, lightest)
			}
			if looked < c.least || looked > c.most {
				t.Errorf("%d runs looked at to find one of %d, want %d to %d", looked, size, c.least, c.most)
			}
		})
	}
}

func middle(runs []heavy) int64 { return runs[len(runs)/2].weight }

// killer are runs of one node in the order that is the worst for the middle as the
// pivot: whatever it would take next is the heaviest that is left.
// See McIlroy, A Killer Adversary for Quicksort.
func killer(size int) []heavy {
	undecided := make([]heavy, size) // of weight 0; nodes is the place in the result
	for i := range undecided {
		undecided[i].nodes = int32(i)
	}
	out := make([]heavy, size)
	for weight := int64(size); weight > 0; weight-- {
		at := len(undecided) / 2
		undecided[at].weight = weight
		out[undecided[at].nodes] = heavy{weight, 1}
		undecided = undecided[partition(undecided, weight).last:]
	}
	return out
}
