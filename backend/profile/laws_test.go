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
			}
		}
		set, coverage := b.Build()
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

func TestPruneKeepsEveryTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSet(t, CPU, "set")
		n := rapid.IntRange(0, 30).Draw(t, "nodes")
		pruned, report := Prune(s, n)
		if pruned.Total() != s.Total() {
			t.Fatalf("total %+v became %+v", s.Total(), pruned.Total())
		}
		before, after := nodeTotals(s), nodeTotals(&pruned)
		if len(after) > n || len(before) != report.Nodes || len(before)-len(after) != report.OmittedNodes {
			t.Fatalf("kept %d of %d nodes, limit %d, report %+v", len(after), len(before), n, report)
		}
		lightest := int64(1) << 62
		for path, total := range after {
			if before[path] != total {
				t.Fatalf("total of %q was %d, is %d", path, before[path], total)
			}
			lightest = min(lightest, total)
		}
		for path, total := range before {
			if _, kept := after[path]; !kept && total > lightest {
				t.Fatalf("%q of total %d was cut, one of %d kept", path, total, lightest)
			}
		}
	})
}

// nodeTotals computes the tree by path, without the frames Prune adds.
func nodeTotals(s *StackSet) map[string]int64 {
	totals := map[string]int64{}
	for _, stack := range s.Stacks {
		path := ""
		for _, f := range stack.Frames {
			function := s.Functions[f]
			if function.Kind == Omitted {
				break
			}
			path += ";" + function.Name + "/" + function.Kind.String()
			totals[path] += stack.Value
		}
	}
	return totals
}

func TestDiffHoldsBothSides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genSet(t, Lock, "a"), genSet(t, Lock, "b")
		d := Diff(a, b)
		side := func(amount func(DiffStack) Amount) StackSet {
			builder := NewBuilder(Lock, Limits{})
			for _, f := range d.Functions {
				builder.Function(f.Name, f.Kind)
			}
			for _, s := range d.Stacks {
				builder.Add(s.Frames, amount(s))
			}
			set, _ := builder.Build()
			return set
		}
		nonZero := func(s StackSet) StackSet {
			s.Stacks = slices.DeleteFunc(slices.Clone(s.Stacks), func(x Stack) bool { return x.Value == 0 && x.Count == 0 })
			return Merge(Lock, &s)
		}
		before, after := side(func(s DiffStack) Amount { return s.Before }), side(func(s DiffStack) Amount { return s.After })
		if diff := cmp.Diff(nonZero(*a), nonZero(before)) + cmp.Diff(nonZero(*b), nonZero(after)); diff != "" {
			t.Fatal(diff)
		}
	})
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
