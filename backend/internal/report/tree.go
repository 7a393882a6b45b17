package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/api"
)

// TreeOptions bound the text of a tree.
type TreeOptions struct {
	Least float64 // share of the total, 0 to 1, that a line must have
	Lines int     // the most lines
	Depth int     // the deepest frame; 0 for any
}

// Tree is a call tree as text, the heaviest nodes of it.
func Tree(a *api.Flame, what string, o TreeOptions, s Style) string {
	var b strings.Builder
	heading(&b, s, what, a.Range)
	fmt.Fprintf(&b, "total %s in %s %s\n", Value(a.Type, a.Total.Value), Count(a.Total.Count), a.CountUnit)
	outside(&b, a.Type, a.Outside, a.Total)
	totals := totalsOf(a.Parents, a.Values)
	shown := chosen(a.Parents, totals, float64(a.Total.Value), o)
	b.WriteString("A line is called by the one above that is less indented; ↳ by the line just above, of which nothing else is shown.\n")
	t := treeText{a: a, totals: totals, shown: shown, style: s, whole: float64(a.Total.Value)}
	t.write(&b)
	cutOff(&b, a, totals, shown, o)
	coverage(&b, s, "coverage", a.Coverage, a.Type)
	return b.String()
}

// totalsOf adds up what is below each node.
func totalsOf(parents []int32, self []int64) []int64 {
	totals := slices.Clone(self)
	for node := len(totals) - 1; node > 0; node-- {
		totals[parents[node]] += totals[node]
	}
	return totals
}

// chosen says which nodes to show: the heaviest. A node is never heavier than its
// parent, which comes before it, so what is shown hangs together.
func chosen(parents []int32, totals []int64, whole float64, o TreeOptions) []bool {
	depth := make([]int, len(totals))
	var candidates []int
	for node := 1; node < len(totals); node++ {
		depth[node] = depth[parents[node]] + 1
		if totals[node] > 0 && float64(totals[node]) >= o.Least*whole && (o.Depth == 0 || depth[node] <= o.Depth) {
			candidates = append(candidates, node)
		}
	}
	slices.SortStableFunc(candidates, func(a, b int) int { return cmp.Compare(totals[b], totals[a]) })
	shown := make([]bool, len(totals))
	for _, node := range candidates[:min(len(candidates), o.Lines)] {
		shown[node] = true
	}
	return shown
}

type treeText struct {
	a      *api.Flame
	totals []int64
	shown  []bool
	style  Style
	whole  float64
}

func (t *treeText) write(b *strings.Builder) {
	children := make([]int, len(t.shown)) // shown ones
	for node := 1; node < len(t.shown); node++ {
		if t.shown[node] {
			children[t.a.Parents[node]]++
		}
	}
	indent := make([]int, len(t.shown))
	for node := 1; node < len(t.shown); node++ {
		if !t.shown[node] {
			continue
		}
		parent, arrow := t.a.Parents[node], ""
		indent[node] = indent[parent]
		switch {
		case parent == 0:
		case children[parent] == 1:
			arrow = "↳ "
		default:
			indent[node]++
		}
		t.line(b, node, strings.Repeat("  ", indent[node])+arrow)
	}
}

func (t *treeText) line(b *strings.Builder, node int, indent string) {
	f := t.a.Frames[node]
	name := function(t.a.Functions[f], t.a.Kinds[f])
	total, self := float64(t.totals[node]), float64(t.a.Values[node])
	numbers := fmt.Sprintf("%7s %9s  ", percent(total, t.whole), Value(t.a.Type, t.totals[node]))
	own := ""
	if self > 0 && self/t.whole >= 0.0005 {
		own = "  (self " + percent(self, t.whole) + ")"
	}
	text := name.text
	if t.style.Width > 0 {
		text = shorten(text, max(t.style.Width-len([]rune(numbers))-len([]rune(indent))-len(own), 24))
	}
	b.WriteString(t.style.in(heat(self, t.whole), numbers))
	b.WriteString(indent + text + t.style.in(faint, own) + "\n")
}

// cutOff says what is not in the text.
func cutOff(b *strings.Builder, a *api.Flame, totals []int64, shown []bool, o TreeOptions) {
	hidden, cut := 0, int64(0)
	for node := 1; node < len(shown); node++ {
		if !shown[node] {
			hidden++
			if parent := a.Parents[node]; parent == 0 || shown[parent] {
				cut += totals[node]
			}
		}
	}
	if hidden == 0 && a.Omitted.Nodes == 0 {
		return
	}
	fmt.Fprintf(b, "omitted: %s with %s of the total, below %.3g%%, deeper than asked for or beyond %d lines\n",
		plural(hidden+a.Omitted.Nodes, "node"), percent(float64(cut), float64(a.Total.Value)), 100*o.Least, o.Lines)
}
