package calltree

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/profile"
	"pgregory.net/rapid"
)

func TestTreeHoldsWhatWasSummed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := draw(t, 2)
		tree := g.tree(t).whole()
		for side := range g.sides {
			same(t, "stacks", tree.text(side), g.sides[side])
			totals := tree.Totals(side)
			for node := range totals {
				path := tree.path(int32(node))
				want := g.sides[side].where(func(p []string) bool { return hasPrefix(p, split(path)) }).total()
				if totals[node] != want {
					t.Fatalf("total of %q is %+v, want %+v", path, totals[node], want)
				}
			}
		}
	})
}

// A dictionary without room cuts stacks, and refuses them in the end. What it
// shows of a path above the cut, and in a function itself, is right all the same.
func TestCutStacksAreInEveryTotalAboveTheCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := draw(t, 1)
		d := g.entered(t, NewDictionary(rapid.Int64Range(300, 1500).Draw(t, "limit")))
		found := d.Find(g.sums(0))
		cut, lacking := found.Tree()
		tree, missing := cut.whole(), found.Missing()
		check(t, tree)
		held := collapsed{}
		for key, a := range g.sides[0] {
			if !slices.Contains(missing, g.ids[key]) {
				held[key] = a
			}
		}
		pruned, _ := cut.Prune(rapid.IntRange(0, 20).Draw(t, "nodes"))
		check(t, pruned)
		totals := tree.Totals(0)
		if pruned.Totals(0)[0] != totals[0] {
			t.Fatalf("pruned to %+v, want %+v", pruned.Totals(0)[0], totals[0])
		}
		if totals[0].Add(lacking[0].Amount) != g.sides[0].total() || lacking[0].Stacks != len(missing) {
			t.Fatalf("holds %+v, lacks %+v, want %+v in all", totals[0], lacking[0], g.sides[0].total())
		}
		for node := range totals {
			path := split(tree.path(int32(node)))
			if slices.Contains(path, OmittedFrames) {
				continue
			}
			if want := held.where(func(p []string) bool { return hasPrefix(p, path) }).total(); totals[node] != want {
				t.Fatalf("total of %q is %+v, want %+v", path, totals[node], want)
			}
		}
		list, _ := cut.Top()
		for _, f := range list {
			if want := held.where(func(p []string) bool { return len(p) > 0 && p[len(p)-1] == f.Name }).total(); f.Self[0] != want {
				t.Fatalf("self of %q is %+v, want %+v", f.Name, f.Self[0], want)
			}
		}
	})
}

// Nothing is computed for nodes of which each has nothing in it but the next one.
func TestRunsEndWhereStacksEndOrPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := draw(t, 1).tree(t)
		below := make([]int, len(tree.up))
		for _, up := range tree.up[1:] {
			below[up]++
		}
		for run := 1; run < len(tree.up); run++ {
			if len(tree.chain(run)) == 0 || below[run] < 2 && tree.self[0][run] == (profile.Amount{}) {
				t.Fatalf("run %d of %d nodes has %d runs below, and no stack ends there", run, len(tree.chain(run)), below[run])
			}
		}
	})
}

func hasPrefix(path, prefix []string) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

func TestTopCountsASampleOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := draw(t, 2)
		list, rest := g.tree(t).Top()
		for side, stacks := range g.sides {
			var selfs []profile.Amount
			for _, f := range list {
				self := stacks.where(func(p []string) bool { return len(p) > 0 && p[len(p)-1] == f.Name }).total()
				all := stacks.where(func(p []string) bool { return slices.Contains(p, f.Name) }).total()
				if f.Self[side] != self || f.Total[side] != all {
					t.Fatalf("%s has self %+v and total %+v, want %+v and %+v", f.Name, f.Self[side], f.Total[side], self, all)
				}
				selfs = append(selfs, self)
			}
			if got := total(selfs, rest[side]); got != stacks.total() {
				t.Fatalf("selfs and rest sum to %+v, want %+v", got, stacks.total())
			}
		}
	})
}

func TestPruneKeepsTheHeaviestAndEveryTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := draw(t, 1)
		tree := g.tree(t)
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		pruned, report := tree.Prune(limit)
		check(t, pruned)
		checkWalk(t, pruned)
		before, after := totalsByPath(tree.whole()), totalsByPath(pruned)
		kept := maps.Clone(after)
		maps.DeleteFunc(kept, func(path string, _ profile.Amount) bool { return strings.Contains(path, OmittedFrames) })
		if len(kept)-1 > limit || report.Nodes != tree.Size() || len(before)-len(kept) != report.OmittedNodes {
			t.Fatalf("kept %d of %d nodes, limit %d, report %+v", len(kept)-1, tree.Size(), limit, report)
		}
		lightest := int64(1) << 62
		for path, a := range kept {
			if before[path] != a {
				t.Fatalf("total of %q was %+v, is %+v", path, before[path], a)
			}
			lightest = min(lightest, a.Value)
		}
		for path, a := range before {
			if _, ok := kept[path]; !ok && a.Value > lightest {
				t.Fatalf("%q of total %d was cut, one of %d kept", path, a.Value, lightest)
			}
		}
		var omitted profile.Amount
		for path, a := range pruned.text(0) {
			if strings.HasSuffix(path, OmittedFrames) {
				omitted = omitted.Add(a)
			}
		}
		if omitted != report.Omitted[0] {
			t.Fatalf("frames of kind omitted hold %+v, report %+v", omitted, report)
		}
	})
}

func totalsByPath(t *Graph) map[string]profile.Amount {
	out := map[string]profile.Amount{}
	for node, a := range t.Totals(0) {
		out[t.path(int32(node))] = a
	}
	return out
}

// An answer must not depend on what was asked before.
func TestPruneDoesNotDependOnTheOrderOfArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := draw(t, rapid.IntRange(1, 2).Draw(t, "sides"))
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		one, _ := g.tree(t).Prune(limit)
		two, _ := g.tree(t).Prune(limit)
		if diff := cmp.Diff(one, two); diff != "" {
			t.Fatal(diff)
		}
		weights := weights(one.Parent, one.Self)
		for node := 2; node < len(one.Parent); node++ {
			previous := int32(node) - 1
			for one.Parent[previous] > one.Parent[node] {
				previous = one.Parent[previous]
			}
			if one.Parent[previous] == one.Parent[node] && weights[previous] < weights[node] {
				t.Fatalf("%q comes before the heavier %q", one.path(previous), one.path(int32(node)))
			}
		}
	})
}

func TestFilterKeepsWhatMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := draw(t, 2)
		pattern := func(label string) (Pattern, func(string) bool) {
			text := rapid.SampledFrom([]string{"", "A.", "a.a", "É", "/^a\\./", "/A\\.GO/i", "/x/", "/.*/"}).Draw(t, label)
			p, err := ParsePattern(text)
			if err != nil {
				t.Fatal(err)
			}
			return p, p.Match
		}
		var f Filter
		var include, exclude func(string) bool
		f.Include, include = pattern("include")
		f.Exclude, exclude = pattern("exclude")
		f.Package = rapid.SampledFrom([]string{"", "a", "a.b", "b"}).Draw(t, "package")
		f.Path = rapid.SliceOfN(rapid.SampledFrom(names()), 0, 2).Draw(t, "path")
		tree, outside, err := g.tree(t).Filter(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		check(t, tree.whole())
		for side, stacks := range g.sides {
			want := stacks.where(func(p []string) bool {
				return (f.Include.IsZero() || slices.ContainsFunc(p, include)) && !slices.ContainsFunc(p, exclude) &&
					hasPrefix(p, f.Path) &&
					(f.Package == "" || slices.ContainsFunc(p, func(n string) bool { return strings.HasPrefix(n, f.Package+".") }))
			})
			same(t, fmt.Sprintf("%+v", f), tree.text(side), want)
			if got := want.total().Add(outside[side]); got != stacks.total() {
				t.Fatalf("inside and outside are %+v, the total %+v", got, stacks.total())
			}
		}
	})
}

func TestSandwich(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := draw(t, 2)
		tree := g.tree(t)
		name := rapid.SampledFrom(names()).Draw(t, "function")
		callers, outside := tree.Callers(name)
		callees, outside2 := tree.Callees(name)
		check(t, callers.whole())
		check(t, callees.whole())
		for side, stacks := range g.sides {
			up, down := collapsed{}, collapsed{}
			for key, a := range stacks {
				p := split(key)
				at := slices.Index(p, name)
				if at < 0 {
					continue
				}
				above := slices.Clone(p[:at+1])
				slices.Reverse(above)
				up[strings.Join(above, ";")] = up[strings.Join(above, ";")].Add(a)
				down[strings.Join(p[at:], ";")] = down[strings.Join(p[at:], ";")].Add(a)
			}
			same(t, "callers", callers.text(side), up)
			same(t, "callees", callees.text(side), down)
			if outside[side] != outside2[side] || outside[side].Add(up.total()) != stacks.total() {
				t.Fatalf("%+v and %+v are outside, %+v of %+v inside", outside, outside2, up.total(), stacks.total())
			}
		}
	})
}

func TestJoinPutsTreesSideBySide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, 1), draw(t, 2)
		joined := Join(a.tree(t), b.tree(t))
		check(t, joined.whole())
		same(t, "first", joined.text(0), a.sides[0])
		same(t, "second", joined.text(1), b.sides[0])
		same(t, "third", joined.text(2), b.sides[1])
	})
}
