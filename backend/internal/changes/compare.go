package changes

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/podflame/podflame/backend/profile"
)

const (
	// Level is the chance of any false alarm in a comparison.
	Level = 0.01
	// LeastBlocks and LeastSamples are what each side must have.
	LeastBlocks  = 8
	LeastSamples = 1_000
	// leastWitnesses is how many independent blocks those of a side must be worth
	// before "no change" means more than that none could have been seen.
	leastWitnesses = 3
	// leastTested is how many samples a function must have on both sides
	// together: fewer could prove nothing.
	leastTested = 100
)

// Change is a function whose share is another one.
type Change struct {
	profile.Function
	Measure
	Base, Head float64 // shares, 0 to 1
	// Low and High are the ends of the 95 % confidence interval of Head - Base,
	// for this function alone.
	Low, High float64
	// Chance is how likely a change as clear as this is anywhere in a comparison
	// of two sides that do not differ; at most Level.
	Chance float64
}

// Result is what a comparison says.
type Result struct {
	Enough  bool     // whether there is enough data to say anything
	Tested  int      // shares that were compared
	Changes []Change // largest first
}

// Compare compares two sides.
func Compare(base, head *Side) Result {
	before, after := base.total(), head.total()
	if min(len(base.blocks), len(head.blocks)) < LeastBlocks || min(before.Count, after.Count) < LeastSamples || before.Value <= 0 || after.Value <= 0 {
		return Result{Changes: []Change{}}
	}
	var all []Change
	persistence := [2]float64{base.persistence(), head.persistence()}
	for m := range union(base.shares, head.shares) {
		b, h := base.estimateOf(m, persistence[0]), head.estimateOf(m, persistence[1])
		if c, ok := test(m, b, h, float64(before.Count), float64(after.Count)); ok {
			all = append(all, c)
		}
	}
	held := clear(all)
	worth := min(base.witnesses(persistence[0]), head.witnesses(persistence[1]))
	return Result{Enough: len(held) > 0 || worth >= leastWitnesses, Tested: len(all), Changes: held}
}

func union(a, b map[measured][]float64) map[measured]bool {
	out := make(map[measured]bool, len(a))
	for m := range a {
		out[m] = true
	}
	for m := range b {
		out[m] = true
	}
	return out
}

// test is Welch's: each side brings its own variance, at least that of its n or
// k samples. Chance is that of this test alone.
func test(m measured, b, h estimate, n, k float64) (Change, bool) {
	pooled := (b.share*n + h.share*k) / (n + k)
	if pooled*(n+k) < leastTested {
		return Change{}, false
	}
	b.variance = max(b.variance, pooled*(1-pooled)/n)
	h.variance = max(h.variance, pooled*(1-pooled)/k)
	variance := b.variance + h.variance
	c := Change{Function: m.Function, Measure: m.Measure, Base: b.share, Head: h.share, Chance: 1}
	difference := h.share - b.share
	c.Low, c.High = difference, difference
	if variance <= 0 {
		return c, true
	}
	freedom := variance * variance / (b.variance*b.variance/b.freedom + h.variance*h.variance/h.freedom)
	student := distuv.StudentsT{Sigma: 1, Nu: freedom}
	deviation := math.Sqrt(variance)
	c.Chance = 2 * student.Survival(math.Abs(difference)/deviation)
	half := student.Quantile(0.975) * deviation
	c.Low, c.High = difference-half, difference+half
	return c, true
}

// clear returns the changes that hold for the comparison as a whole.
func clear(all []Change) []Change {
	slices.SortFunc(all, func(a, b Change) int { return cmp.Or(cmp.Compare(a.Chance, b.Chance), compare(a, b)) })
	held, worst := []Change{}, 0.0
	for i, c := range all {
		worst = max(worst, min(c.Chance*float64(len(all)-i), 1))
		if worst > Level {
			break
		}
		c.Chance = worst
		held = append(held, c)
	}
	slices.SortFunc(held, func(a, b Change) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Head-b.Base), math.Abs(a.Head-a.Base)), compare(a, b))
	})
	return held
}

func compare(a, b Change) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Measure, b.Measure))
}
