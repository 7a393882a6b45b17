// Package regressions judges the newest version of each service against the one
// before, from time to time, and keeps the verdicts for people and for /metrics.
//
// Only shares of CPU time that changed for sure count (see package changes): of
// 100 roll-outs of the same code at most one is called better or worse. Shares
// sum to one, so a function that got slower makes all others look faster. The
// functions without a change of their own tell how much: what they lost of the
// whole is what the others gained, and the verdict is about the CPU time for the
// same work.
package regressions

import (
	"cmp"
	"math"
	"slices"

	"github.com/podflame/podflame/backend/api"
)

const (
	// leastGrowth is how much more or less CPU time the same work must take to be
	// called worse or better.
	leastGrowth = 0.02
	// leastBulk is the share of the base that functions without a change must have
	// to be the measure of the others.
	leastBulk = 0.1
	// mostFunctions explain a verdict.
	mostFunctions = 5
)

// judge turns a comparison into a verdict, the growth of CPU time, and the
// functions that explain it.
func judge(c *api.Changes) (api.Verdict, float64, []api.Change) {
	if !c.Enough {
		return api.TooEarly, 0, []api.Change{}
	}
	var own []api.Change // totals say again what the functions below say
	for _, one := range c.Changes {
		if one.Measure == "self" {
			own = append(own, one)
		}
	}
	scale := dilution(own)
	grown := func(one api.Change) float64 { return one.Head/scale - one.Base }
	var growth float64
	for _, one := range own {
		growth += grown(one)
	}
	var verdict api.Verdict
	switch {
	case growth >= leastGrowth:
		verdict = api.Worse
	case growth <= -leastGrowth:
		verdict = api.Better
	default:
		return api.Same, 0, []api.Change{}
	}
	explain := slices.DeleteFunc(own, func(one api.Change) bool { return grown(one)*growth <= 0 })
	slices.SortStableFunc(explain, func(a, b api.Change) int { return cmp.Compare(math.Abs(grown(b)), math.Abs(grown(a))) })
	return verdict, growth, append([]api.Change{}, explain[:min(len(explain), mostFunctions)]...)
}

// dilution is what became of the share of functions that did not change, as a
// factor: below 1 if others grew. Where these are too few, it is the median of
// the factors of all.
func dilution(own []api.Change) float64 {
	base, head := 1.0, 1.0
	var factors []float64
	for _, one := range own {
		base, head = base-one.Base, head-one.Head
		if one.Base > 0 && one.Head > 0 {
			factors = append(factors, one.Head/one.Base)
		}
	}
	switch {
	case base >= leastBulk && head > 0:
		return head / base
	case len(factors) == 0:
		return 1
	}
	slices.Sort(factors)
	return factors[(len(factors)-1)/2]
}
