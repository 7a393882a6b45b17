package regressions_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/internal/query"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// drawn is a store with one roll-out that is drawn at random: some pods of each
// version, of which each sends blocks of Poisson samples. Pods differ, and bursts
// last from one block into the next.
type drawn struct {
	query.Samples         // what a verdict does not ask for
	seed          uint64  // of both versions
	burst         float64 // how much a block differs: standard deviation of the logarithm of a share
	slower        float64 // what a function of version 2 takes longer
	trees         *calltree.Dictionary
}

const (
	drawnFunctions = 60
	drawnPods      = 4
	drawnSamples   = 60_000 // of a version
	slowerFunction = 1      // of about 6 % of the time
)

func functionName(f int) string { return fmt.Sprintf("shop.F%03d.run", f) }

// newDrawn makes the stacks: each function is called by one of ten.
func newDrawn(seed uint64, burst, slower float64) *drawn {
	d := &drawn{seed: seed, burst: burst, slower: slower, trees: calltree.NewDictionary(1 << 24)}
	for f := range drawnFunctions {
		var packed []byte
		for _, id := range []uint64{1, uint64(10 + f%10), uint64(100 + f)} {
			packed = binary.LittleEndian.AppendUint64(packed, id)
		}
		d.trees.Add(uint64(f), packed)
		d.trees.Name(uint64(100+f), profile.Function{Name: functionName(f)})
		d.trees.Name(uint64(10+f%10), profile.Function{Name: fmt.Sprintf("shop.Caller%d.call", f%10)})
	}
	d.trees.Name(1, profile.Function{Name: "java.lang.Thread.run"})
	return d
}

// Services lists the one service.
func (d *drawn) Services(context.Context, store.ServiceFilter) ([]store.Service, bool, store.Cost, error) {
	return []store.Service{service("shop", "1", "2")}, false, store.Cost{}, nil
}

// Versions are an hour each, the newest first.
func (d *drawn) Versions(_ context.Context, sel store.Selection) ([]store.VersionSpan, store.Cost, error) {
	middle := sel.To.Add(-time.Hour)
	return []store.VersionSpan{
		{Version: "2", First: middle, Last: sel.To}, {Version: "1", First: middle.Add(-time.Hour), Last: middle},
	}, store.Cost{}, nil
}

// Coverage is that of a whole hour.
func (d *drawn) Coverage(context.Context, store.Selection) (*store.Coverage, error) {
	out := &store.Coverage{Targets: drawnPods}
	out.Windows = store.WindowCount{Expected: 60 * drawnPods, Stored: 60 * drawnPods}
	return out, nil
}

// Blocks draws those of a version.
func (d *drawn) Blocks(_ context.Context, sel store.Selection, groups, slices int, each func(store.Block) error) (store.Cost, error) {
	version := sel.Versions[0]
	random := rand.New(rand.NewPCG(d.seed, uint64(version[0])))
	for group := range groups {
		pod, burst := effects(random, 0.05), make([]float64, drawnFunctions)
		for range slices {
			fresh := effects(random, d.burst)
			weights, sum := make([]float64, drawnFunctions), 0.0
			for f := range weights {
				burst[f] = burst[f]/2 + fresh[f]
				weights[f] = math.Exp(pod[f]+burst[f]) / float64(f+3)
				sum += weights[f]
			}
			if version == "2" { // the other functions take as long as before
				weights[slowerFunction] *= d.slower
			}
			if err := each(d.block(random, group, weights, drawnSamples/float64(groups*slices)/sum)); err != nil {
				return store.Cost{}, err
			}
		}
	}
	return store.Cost{}, nil
}

func (d *drawn) block(random *rand.Rand, group int, weights []float64, scale float64) store.Block {
	var sums []calltree.Sum
	var total profile.Amount
	for f, weight := range weights {
		mean := weight * scale // a normal distribution is near enough where there are some samples
		n := max(0, int64(math.Round(mean+random.NormFloat64()*math.Sqrt(mean))))
		a := profile.Amount{Value: n * 1e7, Count: n}
		sums, total = append(sums, calltree.Sum{Stack: uint64(f), Amount: a}), total.Add(a)
	}
	tree, _ := d.trees.Tree(sums)
	return store.Block{Group: group, Total: total, Tree: tree}
}

func effects(random *rand.Rand, deviation float64) []float64 {
	out := make([]float64, drawnFunctions)
	for f := range out {
		out[f] = random.NormFloat64() * deviation
	}
	return out
}

// verdictOn is what the backend says of the roll-out.
func (d *drawn) verdictOn(t *testing.T) api.Regression {
	t.Helper()
	limits := query.DefaultLimits()
	limits.Timeout = 2 * time.Minute // a loaded machine is no failure
	read := query.New(query.Config{Samples: d, Limits: limits, Log: slog.New(slog.DiscardHandler)})
	w, _ := newWatch(t, d, read, nil)
	w.Round(t.Context())
	list := w.List(access.Everything(), "").Regressions
	if len(list) != 1 {
		t.Fatalf("seed %d: verdicts are %+v", d.seed, list)
	}
	return list[0]
}

// Of 100 roll-outs of the same code at most 3 may be called anything but the
// same. The seeds are fixed: the outcome does not change from run to run.
func TestSameCodeIsTheSame(t *testing.T) {
	t.Parallel()
	var alarms []string
	for seed := range uint64(100) {
		if r := newDrawn(seed, 0.2, 1).verdictOn(t); r.Verdict != api.Same {
			alarms = append(alarms, fmt.Sprintf("seed %d is %s by %+.3f", seed, r.Verdict, r.Growth))
		}
	}
	t.Logf("%d of 100 are alarms", len(alarms))
	if len(alarms) > 3 {
		t.Errorf("%d of 100 roll-outs of the same code are judged: %v", len(alarms), alarms)
	}
}

// Of 20 roll-outs with one function that takes twice as long, 19 are called
// worse, and that function explains it.
func TestSlowerCodeIsWorse(t *testing.T) {
	t.Parallel()
	found := 0
	for seed := range uint64(20) {
		if r := newDrawn(seed, 0.1, 2).verdictOn(t); r.Verdict == api.Worse && r.Functions[0].Name == functionName(slowerFunction) {
			found++
		}
	}
	t.Logf("%d of 20 are found", found)
	if found < 19 {
		t.Errorf("%d of 20 slower versions are called worse for the right function, 19 must be", found)
	}
}
