package profile

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// genSet draws a canonical set of few functions, so that stacks share prefixes
// and merging meets equal stacks.
func genSet(t *rapid.T, typ Type, label string) *StackSet {
	b := NewBuilder(typ, Limits{})
	for range rapid.IntRange(0, 20).Draw(t, label+" stacks") {
		b.Add(genFrames(t, b), genAmount(t))
	}
	s, _ := b.Build()
	return &s
}

func genFrames(t *rapid.T, b *Builder) []uint32 {
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"a.A.main", "b.B.run", "c.C.call", "λ.é", "read"}), 0, 6).Draw(t, "names")
	frames := make([]uint32, len(names))
	for i, name := range names {
		frames[i] = b.Function(name, Kind(rapid.IntRange(0, 1).Draw(t, "kind")))
	}
	return frames
}

func genAmount(t *rapid.T) Amount {
	return Amount{Value: rapid.Int64Range(0, 1000).Draw(t, "value"), Count: rapid.Int64Range(0, 10).Draw(t, "count")}
}

func TestMergeIsCommutativeAndAssociative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genSet(t, CPU, "a"), genSet(t, CPU, "b"), genSet(t, CPU, "c")
		ab, ba := Merge(CPU, a, b), Merge(CPU, b, a)
		if diff := cmp.Diff(ab, ba); diff != "" {
			t.Fatalf("a+b differs from b+a:\n%s", diff)
		}
		bc := Merge(CPU, b, c)
		left, right, all := Merge(CPU, &ab, c), Merge(CPU, a, &bc), Merge(CPU, a, b, c)
		if diff := cmp.Diff(left, right) + cmp.Diff(left, all); diff != "" {
			t.Fatalf("(a+b)+c differs from a+(b+c):\n%s", diff)
		}
		if got, want := all.Total(), a.Total().Add(b.Total()).Add(c.Total()); got != want {
			t.Fatalf("total of the merge is %+v, sum of totals %+v", got, want)
		}
	})
}

func TestBuilderLedgerAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{
			MaxStacks:    rapid.IntRange(0, 5).Draw(t, "max stacks"),
			MaxDepth:     rapid.IntRange(0, 5).Draw(t, "max depth"),
			MaxNameBytes: rapid.IntRange(0, 8).Draw(t, "max name"),
			MaxFunctions: rapid.IntRange(0, 4).Draw(t, "max functions"),
		}
		b := NewBuilder(Alloc, limits)
		var handed Amount
		for range rapid.IntRange(0, 60).Draw(t, "samples") {
			a := genAmount(t)
			handed = handed.Add(a)
			if rapid.IntRange(0, 9).Draw(t, "lose") == 0 {
				b.Lose(Dropped, StackMissing, a)
			} else {
				b.Add(genFrames(t, b), a)
				b.Note(Unvalued, IntervalUnknown, Amount{Count: rapid.Int64Range(0, a.Count).Draw(t, "unvalued")})
			}
		}
		set, coverage := b.Build()
		for _, l := range coverage.Losses {
			if o := l.Outcome; (o == Shortened || o == Unvalued) && (l.Value > coverage.Stored.Value || l.Count > coverage.Stored.Count) {
				t.Fatalf("%+v is said of more than is stored, %+v", l, coverage.Stored)
			}
		}
		w := Window{Sets: []StackSet{set}, Coverage: []Coverage{coverage}}
		if err := w.Check(); err != nil {
			t.Fatal(err)
		}
		if coverage.Captured != handed {
			t.Fatalf("captured %+v of %+v", coverage.Captured, handed)
		}
		checkWithin(t, &set, limits)
	})
}

func checkWithin(t *rapid.T, s *StackSet, l Limits) {
	if l.MaxStacks > 0 && len(s.Stacks) > l.MaxStacks {
		t.Fatalf("%d stacks, limit %d", len(s.Stacks), l.MaxStacks)
	}
	for _, f := range s.Functions {
		if l.MaxNameBytes > 0 && f.Kind != Omitted && len(f.Name) > l.MaxNameBytes {
			t.Fatalf("name %q longer than %d", f.Name, l.MaxNameBytes)
		}
	}
	for _, stack := range s.Stacks {
		if l.MaxDepth > 0 && len(stack.Frames) > l.MaxDepth {
			t.Fatalf("depth %d, limit %d", len(stack.Frames), l.MaxDepth)
		}
	}
}

func TestMergeCoverageAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ledgers []Coverage
		for range rapid.IntRange(0, 4).Draw(t, "ledgers") {
			b := NewBuilder(CPU, Limits{MaxStacks: 1})
			for range rapid.IntRange(0, 8).Draw(t, "samples") {
				b.Add(genFrames(t, b), genAmount(t))
			}
			_, c := b.Build()
			ledgers = append(ledgers, c)
		}
		forward := MergeCoverage(CPU, ledgers...)
		slices.Reverse(ledgers)
		if diff := cmp.Diff(forward, MergeCoverage(CPU, ledgers...)); diff != "" {
			t.Fatal(diff)
		}
		if err := forward.Check(); err != nil {
			t.Fatal(err)
		}
	})
}
