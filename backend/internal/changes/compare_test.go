package changes

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
)

// service is a made-up service: functions with shares that pods and bursts
// change.
type service struct {
	functions int
	pods      int
	slices    int
	samples   int     // of a side
	pod       float64 // how much pods differ: standard deviation of the logarithm of a share
	burst     float64 // how much a slice differs, carried on to the next by half
	moved     float64 // what the share of function 7 is multiplied with
}

// side draws a side: each function is called by main and by one of ten
// callers.
func (s service) side(random *rand.Rand) *Side {
	out := NewSide()
	for pod := range s.pods {
		podEffect, burst := s.effects(random, s.pod), make([]float64, s.functions)
		for range s.slices {
			fresh := s.effects(random, s.burst)
			weights, sum := make([]float64, s.functions), 0.0
			for f := range weights {
				burst[f] = burst[f]/2 + fresh[f]
				weights[f] = math.Exp(podEffect[f]+burst[f]) / float64(f+3)
				if f == movedFunction {
					weights[f] *= s.moved
				}
				sum += weights[f]
			}
			counts := make([]int64, s.functions)
			per := float64(s.samples) / float64(s.pods*s.slices)
			for f := range counts {
				counts[f] = poisson(random, per*weights[f]/sum)
			}
			out.draw(pod, counts)
		}
	}
	return out
}

const movedFunction = 7

func (s service) effects(random *rand.Rand, deviation float64) []float64 {
	out := make([]float64, s.functions)
	for f := range out {
		out[f] = random.NormFloat64() * deviation
	}
	return out
}

// poisson is Knuth's, and a normal distribution where that takes long.
func poisson(random *rand.Rand, mean float64) int64 {
	if mean > 50 {
		return max(0, int64(math.Round(mean+random.NormFloat64()*math.Sqrt(mean))))
	}
	n, p, limit := int64(0), random.Float64(), math.Exp(-mean)
	for ; p > limit; n++ {
		p *= random.Float64()
	}
	return n
}

func name(f int) string { return fmt.Sprintf("shop.F%03d.run", f) }

// draw enters what Add would of the tree of a block.
func (s *Side) draw(pod int, counts []int64) {
	callers := make([]int64, 10)
	var total int64
	for f, n := range counts {
		callers[f%10] += n
		total += n
	}
	s.blocks = append(s.blocks, block{pod, profile.Amount{Value: total * 10_000_000, Count: total}})
	for f, n := range counts {
		s.enter(measured{profile.Function{Name: name(f)}, Self}, n*10_000_000)
		s.enter(measured{profile.Function{Name: name(f)}, Total}, n*10_000_000)
	}
	for c, n := range callers {
		s.enter(measured{profile.Function{Name: fmt.Sprint("shop.Caller", c)}, Total}, n*10_000_000)
	}
	s.enter(measured{profile.Function{Name: "main"}, Total}, total*10_000_000)
}

// What is drawn is what trees say.
func TestAddEntersSelfAndTotal(t *testing.T) {
	counts := []int64{5, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1}
	d := calltree.NewDictionary(1 << 24)
	var sums []calltree.Sum
	var total profile.Amount
	for f, n := range counts {
		if n == 0 {
			continue
		}
		var packed []byte
		for _, id := range []uint64{0, uint64(100 + f%10), uint64(1000 + f)} {
			packed = binary.LittleEndian.AppendUint64(packed, id)
		}
		a := profile.Amount{Value: n * 10_000_000, Count: n}
		d.Add(uint64(f), packed)
		d.Name(uint64(1000+f), profile.Function{Name: name(f)})
		d.Name(uint64(100+f%10), profile.Function{Name: fmt.Sprint("shop.Caller", f%10)})
		sums, total = append(sums, calltree.Sum{Stack: uint64(f), Amount: a}), total.Add(a)
	}
	d.Name(0, profile.Function{Name: "main"})
	tree, _ := d.Tree(sums)
	got, want := NewSide(), NewSide()
	for range 2 {
		got.Add(3, total, tree)
		want.draw(3, counts)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("entered %+v, want %+v", got, want)
	}
}

// Two sides of the same service differ by chance alone. The level is for all
// functions of a comparison together.
func TestFalseAlarms(t *testing.T) {
	for label, s := range map[string]service{
		"steady":         {functions: 200, pods: 1, slices: 32, samples: 100_000, moved: 1},
		"bursts":         {functions: 200, pods: 1, slices: 32, samples: 100_000, burst: 0.3, moved: 1},
		"few samples":    {functions: 200, pods: 2, slices: 16, samples: 3_000, burst: 0.3, moved: 1},
		"pods differ":    {functions: 200, pods: 8, slices: 4, samples: 100_000, pod: 0.1, burst: 0.2, moved: 1},
		"many functions": {functions: 500, pods: 4, slices: 8, samples: 300_000, burst: 0.2, moved: 1},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			alarms := 0
			for seed := range uint64(100) {
				random := rand.New(rand.NewPCG(seed, 1))
				r := Compare(s.side(random), s.side(random))
				if !r.Enough || r.Tested < 20 {
					t.Fatalf("seed %d: %+v", seed, r)
				}
				if len(r.Changes) > 0 {
					alarms++
				}
			}
			if alarms > 3 {
				t.Errorf("%d of 100 comparisons of a service to itself are alarms, at most 3 may be", alarms)
			}
		})
	}
}

// A share that moves from 2.0 to 2.3 % is found with 300,000 samples a side.
func TestSmallChangeIsFound(t *testing.T) {
	s := service{functions: 30, pods: 2, slices: 16, samples: 300_000, moved: 1}
	share := func() float64 {
		sum := 0.0
		for f := range s.functions {
			sum += 1 / float64(f+3)
		}
		return 1 / float64(movedFunction+3) / sum
	}()
	s.moved = 0.02 * (1 - share) / (share * (1 - 0.02)) // share 2.0 %
	after := s
	after.moved *= 0.023 / 0.02 * (1 - 0.02) / (1 - 0.023)
	found := 0
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 2))
		for _, c := range Compare(s.side(random), after.side(random)).Changes {
			if c.Name != name(movedFunction) || c.Measure != Self {
				continue
			}
			if math.Abs(c.Base-0.02) > 0.002 || math.Abs(c.Head-0.023) > 0.002 || c.Low > 0.003 || c.High < 0.003 && c.High < c.Head-c.Base {
				t.Errorf("seed %d: %+v", seed, c)
			}
			if c.Chance > Level || c.Low <= 0 {
				t.Errorf("seed %d: change %+v is not as clear as it says", seed, c)
			}
			found++
		}
	}
	if found < 95 {
		t.Errorf("found in %d of 100, want 95", found)
	}
}

func TestTooLittleDataSaysSo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 3))
	enough := service{functions: 20, pods: 1, slices: 8, samples: 5_000, moved: 1}.side(random)
	for label, s := range map[string]*Side{
		"nothing":     NewSide(),
		"few blocks":  service{functions: 20, pods: 1, slices: LeastBlocks - 1, samples: 5_000, moved: 1}.side(random),
		"few samples": service{functions: 20, pods: 1, slices: 8, samples: LeastSamples / 2, moved: 1}.side(random),
	} {
		for _, r := range []Result{Compare(s, enough), Compare(enough, s)} {
			if r.Enough || r.Changes == nil || len(r.Changes) > 0 {
				t.Errorf("%s: %+v", label, r)
			}
		}
	}
	if r := Compare(enough, enough); !r.Enough || len(r.Changes) > 0 {
		t.Errorf("a side differs from itself: %+v", r)
	}
}

// Where a side follows a trend, its blocks repeat each other: that nothing was
// found then does not mean that nothing changed.
func TestTrendIsNoProofOfEqualShares(t *testing.T) {
	trend := func(from, to float64) *Side {
		out := NewSide()
		const blocks = 20
		for i := range blocks {
			share := from + (to-from)*float64(i)/(blocks-1)
			counts := make([]int64, 20)
			for f := range counts {
				counts[f] = int64(1000 * (1 - share) / 19)
			}
			counts[movedFunction] = int64(1000 * share)
			out.draw(0, counts)
		}
		return out
	}
	r := Compare(trend(0.1, 0.3), trend(0.2, 0.9))
	if r.Enough || r.Tested == 0 || len(r.Changes) > 0 {
		t.Errorf("two trends are compared as if each block were a witness: %+v", r)
	}
	steady := Compare(trend(0.2, 0.2), trend(0.5, 0.5))
	if !steady.Enough || len(steady.Changes) == 0 {
		t.Errorf("a change without trends is not found: %+v", steady)
	}
}
