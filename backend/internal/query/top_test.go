package query

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
	"pgregory.net/rapid"
)

// stackSets draws sets of up to 30 stacks over few functions, so that frames
// repeat in a stack and across stacks, with and without omitted frames.
func stackSets() *rapid.Generator[profile.StackSet] {
	return rapid.Custom(func(t *rapid.T) profile.StackSet {
		b := profile.NewBuilder(profile.CPU, profile.Limits{})
		for range rapid.IntRange(0, 30).Draw(t, "stacks") {
			var frames []uint32
			for range rapid.IntRange(0, 6).Draw(t, "depth") {
				f := rapid.IntRange(0, 8).Draw(t, "function")
				kind := profile.Java
				if f == 8 {
					kind = profile.Omitted
				}
				frames = append(frames, b.Function(fmt.Sprint("f", f), kind))
			}
			b.Add(frames, profile.Amount{Value: rapid.Int64Range(0, 9).Draw(t, "value"), Count: 1})
		}
		set, _ := b.Build()
		return set
	})
}

// whole is the tree of a set.
func whole(set profile.StackSet) *calltree.Tree {
	d := calltree.NewDictionary(1 << 20)
	tree, _ := d.Tree(enter(d, set))
	return tree
}

// The table against the definition of self and total.
func TestTopIsSelfAndTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := stackSets().Draw(t, "set")
		self, total := map[string]profile.Amount{}, map[string]profile.Amount{}
		for _, s := range set.Stacks {
			a := profile.Amount{Value: s.Value, Count: s.Count}
			in := map[string]bool{}
			for _, f := range s.Frames {
				if set.Functions[f].Kind != profile.Omitted {
					in[set.Functions[f].Name] = true
				}
			}
			for name := range in {
				total[name] = total[name].Add(a)
			}
			if n := len(s.Frames); n > 0 && set.Functions[s.Frames[n-1]].Kind != profile.Omitted {
				name := set.Functions[s.Frames[n-1]].Name
				self[name] = self[name].Add(a)
			}
		}
		got := topOf(whole(set), 1000, rapid.Bool().Draw(t, "byTotal"))
		if len(got.Functions) != len(total) {
			t.Fatalf("%d functions, want %d", len(got.Functions), len(total))
		}
		for _, f := range got.Functions {
			if f.Self != self[f.Name] || f.Total != total[f.Name] {
				t.Fatalf("%+v, want self %+v, total %+v", f, self[f.Name], total[f.Name])
			}
		}
	})
}

// Nothing disappears, however few rows are asked for.
func TestTopAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := stackSets().Draw(t, "set")
		limit := rapid.IntRange(1, 12).Draw(t, "limit")
		top := topOf(whole(set), limit, rapid.Bool().Draw(t, "byTotal"))
		sum := top.Omitted.Self
		for _, f := range top.Functions {
			sum = sum.Add(f.Self)
		}
		if sum != set.Total() {
			t.Fatalf("rows and omitted sum to %+v, total is %+v", sum, set.Total())
		}
		if len(top.Functions) > limit {
			t.Fatalf("%d rows, limit %d", len(top.Functions), limit)
		}
	})
}

func TestTopCountsRecursionOnceAndOrders(t *testing.T) {
	b := profile.NewBuilder(profile.CPU, profile.Limits{})
	mainF, loop, leaf := b.Function("main", profile.Java), b.Function("loop", profile.Java), b.Function("leaf", profile.Native)
	b.Add([]uint32{mainF, loop, loop, loop}, profile.Amount{Value: 5, Count: 1})
	b.Add([]uint32{mainF, loop, leaf}, profile.Amount{Value: 7, Count: 2})
	b.Add([]uint32{mainF, b.Function(calltree.OmittedFrames, profile.Omitted)}, profile.Amount{Value: 100, Count: 3})
	set, _ := b.Build()
	want := []api.TopFunction{
		{Name: "leaf", Kind: "native", Self: profile.Amount{Value: 7, Count: 2}, Total: profile.Amount{Value: 7, Count: 2}},
		{Name: "loop", Kind: "java", Self: profile.Amount{Value: 5, Count: 1}, Total: profile.Amount{Value: 12, Count: 3}},
		{Name: "main", Kind: "java", Total: profile.Amount{Value: 112, Count: 6}},
	}
	got := topOf(whole(set), 10, false)
	if diff := cmp.Diff(want, got.Functions); diff != "" {
		t.Errorf("by self (-want +got):\n%s", diff)
	}
	if want := (api.OmittedFunctions{Self: profile.Amount{Value: 100, Count: 3}}); got.Omitted != want {
		t.Errorf("omitted is %+v, want %+v", got.Omitted, want)
	}
	got = topOf(whole(set), 1, true)
	if diff := cmp.Diff([]api.TopFunction{want[2]}, got.Functions); diff != "" {
		t.Errorf("by total, first row (-want +got):\n%s", diff)
	}
	if got.Omitted.Functions != 2 || got.Omitted.Self.Value != 112 {
		t.Errorf("omitted is %+v", got.Omitted)
	}
}
