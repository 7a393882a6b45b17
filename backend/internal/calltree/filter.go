package calltree

import (
	"context"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/profile"
)

// Filter chooses samples by the functions in their stacks. The zero Filter
// chooses all.
type Filter struct {
	Include Pattern  // a function of the stack matches
	Exclude Pattern  // no function of the stack matches
	Package string   // a function of the stack is in this package or in one below it
	Path    []string // the stack begins with functions of these names
}

// IsZero reports whether the filter chooses all samples.
func (f Filter) IsZero() bool {
	return f.Include.IsZero() && f.Exclude.IsZero() && f.Package == "" && len(f.Path) == 0
}

// Filter returns the tree of the samples that the filter chooses and the sum of
// the others, by side. An error is that of the context.
func (t *Tree) Filter(ctx context.Context, f Filter) (*Tree, []profile.Amount, error) {
	outside := make([]profile.Amount, len(t.self))
	if f.IsZero() {
		return t, outside, nil
	}
	var demands []demand
	for _, wanted := range []struct {
		functions func(string) bool
		used      bool
		refuse    bool
	}{
		{f.Include.Match, !f.Include.IsZero(), false},
		{f.Exclude.Match, !f.Exclude.IsZero(), true},
		{inPackage(f.Package), f.Package != "", false},
	} {
		if !wanted.used {
			continue
		}
		matched, err := t.match(ctx, wanted.functions)
		if err != nil {
			return nil, nil, err
		}
		demands = append(demands, demand{t.below(matched), !wanted.refuse})
	}
	if len(f.Path) > 0 {
		demands = append(demands, demand{t.belowPath(f.Path), true})
	}
	kept := t.only(func(run int) bool {
		for _, d := range demands {
			if d.runs[run] != d.want {
				return false
			}
		}
		return true
	}, outside)
	return kept, outside, nil
}

// demand is what a filter wants of a run's entry in a list.
type demand struct {
	runs []bool
	want bool
}

// matchStep is how many names are matched before the context is looked at.
const matchStep = 64

// match says which functions of the tree match.
func (t *Tree) match(ctx context.Context, matches func(name string) bool) ([]bool, error) {
	out := t.occurring()
	looked := 0
	for f, occurs := range out {
		if !occurs {
			continue
		}
		if looked++; looked%matchStep == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		out[f] = t.names[f].Kind != profile.Omitted && matches(t.names[f].Name)
	}
	return out, ctx.Err()
}

// occurring says which functions are in the tree.
func (t *Tree) occurring() []bool {
	out := make([]bool, len(t.names))
	for run := range t.up {
		for _, f := range t.chain(run) {
			out[f] = true
		}
	}
	return out
}

// inPackage matches Java methods, whose names read package.Class.method, and
// classes.
func inPackage(name string) func(string) bool {
	prefix := name + "."
	return func(function string) bool { return strings.HasPrefix(function, prefix) }
}

// below says which runs end at or below a node whose function matched.
func (t *Tree) below(matched []bool) []bool {
	out := make([]bool, len(t.up))
	for run := 1; run < len(out); run++ {
		out[run] = out[t.up[run]] || slices.ContainsFunc(t.chain(run), func(f int32) bool { return matched[f] })
	}
	return out
}

// belowPath says which runs end at or below the end of a path of names.
func (t *Tree) belowPath(path []string) []bool {
	out := make([]bool, len(t.up))
	steps := make([]int, len(t.up)) // of the path, taken; -1 beside it
	for run := 1; run < len(out); run++ {
		done := steps[t.up[run]]
		for _, f := range t.chain(run) {
			if done < 0 || done == len(path) {
				break
			}
			if t.names[f].Name != path[done] {
				done = -1
				break
			}
			done++
		}
		steps[run], out[run] = done, done == len(path)
	}
	return out
}

// only returns the tree of what is measured in the runs that are kept; the rest
// is added to outside.
func (t *Tree) only(keep func(run int) bool, outside []profile.Amount) *Tree {
	marks := make([]int32, len(t.up))
	kept := make([]bool, len(t.up))
	for run := range t.up {
		kept[run] = keep(run)
		for side := range t.self {
			switch a := t.self[side][run]; {
			case a == profile.Amount{}:
			case kept[run]:
				marks[run] = 1
			default:
				outside[side] = outside[side].Add(a)
			}
		}
	}
	out := &Tree{functions: t.functions, runs: t.part(marks)}
	to := marks
	for run := range to {
		if !kept[run] {
			to[run] = -1
		}
	}
	for _, self := range t.self {
		out.self = append(out.self, moved(self, to, len(out.up)))
	}
	return out
}
