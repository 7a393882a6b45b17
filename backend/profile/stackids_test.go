package profile

import (
	"testing"

	"pgregory.net/rapid"
)

// Stacks that are hashed one after the other have the ids that each has alone, whether
// or not they share their frames.
func TestStackIDsAreThoseOfEachStack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		functions := make([]uint64, 8)
		for i := range functions {
			functions[i] = FunctionID(Function{Name: string(rune('a' + i))})
		}
		whole, shared := StackSet{}, StackSet{Shared: []uint32{}}
		var before []uint32
		for range rapid.IntRange(0, 30).Draw(t, "stacks") {
			n := rapid.IntRange(0, len(before)).Draw(t, "shared")
			own := rapid.SliceOfN(rapid.Uint32Range(0, 7), 0, 40).Draw(t, "own")
			frames := append(append([]uint32{}, before[:n]...), own...)
			whole.Stacks = append(whole.Stacks, Stack{Frames: frames})
			shared.Stacks = append(shared.Stacks, Stack{Frames: own})
			shared.Shared = append(shared.Shared, uint32(n))
			before = frames
		}
		ofWhole, ofShared := whole.StackIDs(functions), shared.StackIDs(functions)
		for i, stack := range whole.Stacks {
			var ids []uint64
			for _, f := range stack.Frames {
				ids = append(ids, functions[f])
			}
			if want := StackID(ids); ofWhole[i] != want || ofShared[i] != want {
				t.Fatalf("stack %d has the ids %x and %x, alone %x", i, ofWhole[i], ofShared[i], want)
			}
		}
	})
}

// BenchmarkStackIDs hashes stacks of 70 frames, of which each shares 40.
func BenchmarkStackIDs(b *testing.B) {
	functions := make([]uint64, 1000)
	for i := range functions {
		functions[i] = FunctionID(Function{Name: string(rune('a' + i))})
	}
	set := StackSet{}
	for i := range 3300 {
		frames := make([]uint32, 70)
		for depth := range frames {
			frames[depth] = uint32(depth)
			if depth >= 40 {
				frames[depth] = uint32((i*7 + depth) % len(functions))
			}
		}
		set.Stacks = append(set.Stacks, Stack{Frames: frames})
	}
	ids := make([]uint64, 70)
	b.Run("each", func(b *testing.B) {
		for b.Loop() {
			for _, stack := range set.Stacks {
				for i, f := range stack.Frames {
					ids[i] = functions[f]
				}
				_ = StackID(ids)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(set.Stacks)), "ns/stack")
	})
	b.Run("together", func(b *testing.B) {
		for b.Loop() {
			_ = set.StackIDs(functions)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(set.Stacks)), "ns/stack")
	})
}
