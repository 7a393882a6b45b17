package calltree

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/profile"
	"pgregory.net/rapid"
)

// collapsed is the reference that trees are held against: stacks as text, root
// first, with what was measured in them. It knows nothing of nodes.
type collapsed map[string]profile.Amount

// generated is a random set of stacks of few functions, so that stacks share
// beginnings and functions call themselves.
type generated struct {
	sides  []collapsed
	ids    map[string]uint64
	frames map[string][]byte
}

func names() []string { return []string{"a.A.run", "a.A.go", "a.b.B.call", "ab.C.get", "λ.é"} }

func idOf(name string) uint64 { return profile.FunctionID(profile.Function{Name: name}) }

func draw(t *rapid.T, sides int) generated {
	g := generated{ids: map[string]uint64{}, frames: map[string][]byte{}}
	for side := range sides {
		g.sides = append(g.sides, collapsed{})
		for range rapid.IntRange(0, 25).Draw(t, "stacks") {
			path := rapid.SliceOfN(rapid.SampledFrom(names()), 0, 8).Draw(t, "path")
			key := strings.Join(path, ";")
			var packed []byte
			for _, name := range path {
				packed = binary.LittleEndian.AppendUint64(packed, idOf(name))
			}
			if g.ids[key] == 0 {
				g.ids[key], g.frames[key] = uint64(len(g.ids))+1, packed
			}
			g.sides[side][key] = g.sides[side][key].Add(profile.Amount{
				Value: rapid.Int64Range(0, 50).Draw(t, "value"), Count: rapid.Int64Range(1, 5).Draw(t, "count"),
			})
		}
	}
	return g
}

// dictionary holds the stacks, entered in a random order.
func (g generated) dictionary(t *rapid.T) *Dictionary {
	return g.entered(t, NewDictionary(1<<20))
}

func (g generated) entered(t *rapid.T, d *Dictionary) *Dictionary {
	keys := slices.Sorted(maps.Keys(g.ids))
	if len(keys) > 0 {
		keys = rapid.Permutation(keys).Draw(t, "order")
	}
	for _, key := range keys {
		d.Add(g.ids[key], g.frames[key])
	}
	for _, name := range names() {
		d.Name(idOf(name), profile.Function{Name: name})
	}
	return d
}

func (g generated) sums(side int) []Sum {
	var out []Sum
	for key, a := range g.sides[side] {
		out = append(out, Sum{g.ids[key], a})
	}
	return out
}

func (g generated) tree(t *rapid.T) *Tree {
	lists := make([][]Sum, len(g.sides))
	for side := range g.sides {
		lists[side] = g.sums(side)
	}
	tree, lacking := g.dictionary(t).Tree(lists...)
	for _, l := range lacking {
		if l != (Lacking{}) {
			t.Fatalf("the dictionary lacks %+v", l)
		}
	}
	check(t, tree.whole())
	return tree
}

func (c collapsed) total() profile.Amount {
	var sum profile.Amount
	for _, a := range c {
		sum = sum.Add(a)
	}
	return sum
}

func (c collapsed) where(keep func(path []string) bool) collapsed {
	out := collapsed{}
	for key, a := range c {
		if keep(split(key)) {
			out[key] = a
		}
	}
	return out
}

func split(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key, ";")
}

// whole has all nodes of a tree.
func (t *Tree) whole() *Graph {
	g, _ := t.Prune(t.Size())
	return g
}

// text reads a side of a tree back.
func (t *Tree) text(side int) collapsed { return t.whole().text(side) }

func (t *Graph) text(side int) collapsed {
	out := collapsed{}
	for node, a := range t.Self[side] {
		if a != (profile.Amount{}) {
			out[t.path(int32(node))] = a
		}
	}
	return out
}

func (t *Graph) path(node int32) string {
	var path []string
	for ; node > 0; node = t.Parent[node] {
		path = append(path, t.Functions[t.Function[node]].Name)
	}
	slices.Reverse(path)
	return strings.Join(path, ";")
}

// check holds a tree against what Graph promises.
func check(t interface{ Fatalf(string, ...any) }, tree *Graph) {
	if tree.Parent[0] != -1 || tree.Function[0] != noFunction {
		t.Fatalf("the root has parent %d and function %d", tree.Parent[0], tree.Function[0])
	}
	seen := map[string]bool{}
	for node := 1; node < len(tree.Parent); node++ {
		if tree.Parent[node] < 0 || int(tree.Parent[node]) >= node {
			t.Fatalf("node %d comes before its parent %d: %v", node, tree.Parent[node], tree.Parent)
		}
		key := fmt.Sprint(tree.Parent[node], tree.Functions[tree.Function[node]])
		if seen[key] {
			t.Fatalf("two siblings are %q", tree.path(int32(node)))
		}
		seen[key] = true
	}
	for side := range tree.Self {
		if len(tree.Self[side]) != len(tree.Parent) {
			t.Fatalf("side %d has %d amounts for %d nodes", side, len(tree.Self[side]), len(tree.Parent))
		}
	}
}

// checkWalk says that what is below a node follows it directly.
func checkWalk(t interface{ Fatalf(string, ...any) }, tree *Graph) {
	for node := 1; node < len(tree.Parent); node++ {
		above := int32(node) - 1
		for above > tree.Parent[node] {
			above = tree.Parent[above]
		}
		if above != tree.Parent[node] {
			t.Fatalf("node %d does not follow what is below its parent %d: %v", node, tree.Parent[node], tree.Parent)
		}
	}
}

func total(as []profile.Amount, a profile.Amount) profile.Amount {
	for _, x := range as {
		a = a.Add(x)
	}
	return a
}

// samplesOnly leaves out the stacks with amount zero, which trees cannot show.
func samplesOnly(c collapsed) collapsed {
	out := maps.Clone(c)
	maps.DeleteFunc(out, func(_ string, a profile.Amount) bool { return a == profile.Amount{} })
	return out
}

func same(t *rapid.T, what string, got, want collapsed) {
	t.Helper()
	if !maps.Equal(samplesOnly(got), samplesOnly(want)) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}
