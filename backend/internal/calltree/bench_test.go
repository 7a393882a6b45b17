package calltree

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/podflame/podflame/backend/profile"
)

// The service of the comparison with the peer: 30,000 stacks of up to 120
// frames, 15,000 functions, about 285,000 nodes.
const (
	benchStacks    = 30_000
	benchFunctions = 15_000
	benchNodes     = 8_192
)

func benchSet() *profile.StackSet {
	random := rand.New(rand.NewPCG(1, 2))
	set := &profile.StackSet{Type: profile.CPU}
	for i := range benchFunctions {
		set.Functions = append(set.Functions, profile.Function{Name: fmt.Sprintf("com.example.shop.module%02d.internal.ServiceImpl%03d.handleRequest%d", i%50, i%500, i)})
	}
	var frames []uint32
	for i := range benchStacks {
		shared := min(len(frames), 12+random.IntN(100))
		frames = append([]uint32(nil), frames[:shared]...)
		for range 1 + random.IntN(18) {
			frames = append(frames, uint32(random.IntN(benchFunctions)))
		}
		set.Stacks = append(set.Stacks, profile.Stack{Frames: frames, Value: int64(1+benchStacks/(i+1)) * 10_000_000, Count: int64(1 + benchStacks/(i+1))})
	}
	return set
}

func fill(d *Dictionary, set *profile.StackSet) []Sum {
	ids := make([]uint64, len(set.Functions))
	for i, f := range set.Functions {
		ids[i] = profile.FunctionID(f)
	}
	sums := make([]Sum, len(set.Stacks))
	var frames []byte
	for i, s := range set.Stacks {
		frames = frames[:0]
		for _, f := range s.Frames {
			frames = binary.LittleEndian.AppendUint64(frames, ids[f])
		}
		sums[i] = Sum{uint64(i) + 1, profile.Amount{Value: s.Value, Count: s.Count}}
		d.Add(sums[i].Stack, frames)
	}
	for i, f := range set.Functions {
		d.Name(ids[i], f)
	}
	return sums
}

// BenchmarkFlame is what an answer costs beside the sums. It is compared to
// merging the stacks as a stack set alone.
func BenchmarkFlame(b *testing.B) {
	set := benchSet()
	d := NewDictionary(1 << 30)
	sums := fill(d, set)
	b.Run("tree", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t, _ := d.Tree(sums)
			t.Prune(benchNodes)
		}
		t, _ := d.Tree(sums)
		b.ReportMetric(float64(t.Size()), "nodes")
		b.ReportMetric(float64(d.Bytes()), "dictionary-bytes")
	})
	b.Run("diff", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t, _ := d.Tree(sums, sums)
			t.Prune(benchNodes)
		}
	})
	b.Run("top", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t, _ := d.Tree(sums)
			t.Top()
		}
	})
	b.Run("merge", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			profile.Merge(set.Type, set)
		}
	})
}

// BenchmarkDictionary is what the first query after a start costs.
func BenchmarkDictionary(b *testing.B) {
	set := benchSet()
	b.ReportAllocs()
	for b.Loop() {
		fill(NewDictionary(1<<30), set)
	}
}
