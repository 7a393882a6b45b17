package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Diff is the table of functions that differ most between two selections, per
// second that was recorded of a target: neither the length of a side nor what it
// lost looks like a change.
func Diff(a *api.Diff, base, head string, limit int, byTotal bool, s Style) string {
	var b strings.Builder
	heading(&b, s, "base "+base, a.Base.Range)
	heading(&b, s, "head "+head, a.Head.Range)
	seconds := [2]float64{a.Base.Coverage.RecordedSeconds, a.Head.Coverage.RecordedSeconds}
	whole := [2]float64{float64(a.Base.Total.Value), float64(a.Head.Total.Value)}
	if seconds[0] > 0 && seconds[1] > 0 {
		fmt.Fprintf(&b, "per second of a target: base %s, head %s (%s)\n",
			perTarget(a.Type, whole[0]/seconds[0]), perTarget(a.Type, whole[1]/seconds[1]), relative(whole[0]/seconds[0], whole[1]/seconds[1]))
		outside(&b, a.Type, a.Base.Outside, a.Base.Total)
		outside(&b, a.Type, a.Head.Outside, a.Head.Total)
		compared(&b, a, seconds, whole, limit, byTotal, s)
	} else {
		b.WriteString(s.in(yellow, "one side has no recording, so nothing can be compared") + "\n")
	}
	coverage(&b, s, "coverage of base", a.Base.Coverage, a.Type)
	coverage(&b, s, "coverage of head", a.Head.Coverage, a.Type)
	return b.String()
}

// compared is the table of functions, and what is not in it.
func compared(b *strings.Builder, a *api.Diff, seconds, whole [2]float64, limit int, byTotal bool, s Style) {
	rows := differences(a, seconds, byTotal)
	measure := map[bool]string{false: "SELF", true: "TOTAL"}[byTotal]
	t := table{header: []string{">BASE/s", ">HEAD/s", ">CHANGE/s", ">BASE %", ">HEAD %", "FUNCTION (" + measure + ")"}}
	for _, r := range rows[:min(len(rows), limit)] {
		t.add(plain(perTarget(a.Type, r.rate[0])), plain(perTarget(a.Type, r.rate[1])), tinted(direction(r.change()), signed(a.Type, r.change())),
			plain(percent(r.value[0], whole[0])), plain(percent(r.value[1], whole[1])), function(r.name, r.kind))
	}
	t.write(b, s)
	if n := len(rows) - limit; n > 0 {
		fmt.Fprintf(b, "omitted: %s (smaller changes)\n", plural(n, "function"))
	}
	if a.OmittedNodes > 0 {
		fmt.Fprintf(b, "omitted: %s of the tree, with %s of the base and %s of the head\n", plural(a.OmittedNodes, "node"),
			percent(float64(a.Base.Omitted.Value), whole[0]), percent(float64(a.Head.Omitted.Value), whole[1]))
	}
}

type difference struct {
	name, kind  string
	value, rate [2]float64
}

func (d difference) change() float64 { return d.rate[1] - d.rate[0] }

// differences are of every function that has samples, what changed most first.
func differences(a *api.Diff, seconds [2]float64, byTotal bool) []difference {
	list := make([]difference, len(a.Functions))
	for i := range list {
		list[i].name, list[i].kind = a.Functions[i], a.Kinds[i]
	}
	for side, values := range [2][]int64{a.Base.Values, a.Head.Values} {
		amounts := values
		if byTotal {
			amounts = totalsOf(a.Parents, values)
		}
		for node := 1; node < len(values); node++ {
			if !byTotal || outermost(a, node) {
				list[a.Frames[node]].value[side] += float64(amounts[node])
			}
		}
	}
	list = slices.DeleteFunc(list, func(d difference) bool { return d.kind == "omitted" || d.value == [2]float64{} })
	for i := range list {
		for side := range seconds {
			if seconds[side] > 0 {
				list[i].rate[side] = list[i].value[side] / seconds[side]
			}
		}
	}
	slices.SortFunc(list, func(a, b difference) int {
		return cmp.Or(cmp.Compare(math.Abs(b.change()), math.Abs(a.change())), cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
	})
	return list
}

// outermost says whether no call above is of the same function.
func outermost(a *api.Diff, node int) bool {
	for above := a.Parents[node]; above > 0; above = a.Parents[above] {
		if a.Frames[above] == a.Frames[node] {
			return false
		}
	}
	return true
}

// perTarget says a value per second of one target.
func perTarget(t profile.Type, v float64) string {
	if t.Unit() == "bytes" {
		return Bytes(v)
	}
	return span(v)
}

func signed(t profile.Type, v float64) string {
	if v > 0 {
		return "+" + perTarget(t, v)
	}
	return perTarget(t, v)
}

func relative(from, to float64) string {
	if from == 0 {
		return "from nothing"
	}
	return fmt.Sprintf("%+.1f%%", 100*(to-from)/from)
}

// direction is the colour of what costs more, or less.
func direction(change float64) colour {
	switch {
	case change > 0:
		return red
	case change < 0:
		return green
	}
	return ""
}

// Changes are the functions whose share of the profile is another one, told from
// chance.
func Changes(a *api.Changes, what string, s Style) string {
	var b strings.Builder
	heading(&b, s, "base "+side(what, a.Base), a.Base.Range)
	heading(&b, s, "head "+side(what, a.Head), a.Head.Range)
	switch {
	case !a.Enough:
		b.WriteString(s.in(yellow, "not enough data") + " to tell a change from chance: each side needs samples of more time or more pods\n")
	case len(a.Changes) == 0:
		fmt.Fprintf(&b, "no function changed its share, of %s compared (a false alarm comes in at most %.3g%% of comparisons)\n", plural(a.Tested, "share"), 100*a.Level)
	default:
		fmt.Fprintf(&b, "%s changed, of %s compared (a false alarm comes in at most %.3g%% of comparisons)\n",
			plural(len(a.Changes)+a.Omitted, "share"), plural(a.Tested, "share"), 100*a.Level)
		shares(&b, s, a.Changes)
	}
	if a.Omitted > 0 {
		fmt.Fprintf(&b, "omitted: %s (smaller)\n", plural(a.Omitted, "change"))
	}
	coverage(&b, s, "coverage of base", a.Base.Coverage, a.Type)
	coverage(&b, s, "coverage of head", a.Head.Coverage, a.Type)
	return b.String()
}

func shares(b *strings.Builder, s Style, list []api.Change) {
	t := table{header: []string{">BASE %", ">HEAD %", ">POINTS", "95% CONFIDENCE", "OF", "FUNCTION"}}
	for _, c := range list {
		t.add(plain(percent(c.Base, 1)), plain(percent(c.Head, 1)), tinted(direction(c.Head-c.Base), points(c.Head-c.Base)),
			plain(points(c.Low)+" to "+points(c.High)), plain(c.Measure), function(c.Name, c.Kind))
	}
	t.write(b, s)
}

func side(what string, c api.ChangesSide) string {
	if len(c.Versions) == 0 {
		return what
	}
	return what + " " + strings.Join(c.Versions, ", ")
}
