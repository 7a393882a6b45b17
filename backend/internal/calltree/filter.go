package calltree

import (
	"context"
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
	outside := make([]profile.Amount, len(t.Self))
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
	kept := t.only(func(node int) bool {
		for _, d := range demands {
			if d.nodes[node] != d.want {
				return false
			}
		}
		return true
	}, outside)
	return kept, outside, nil
}

// demand is what a filter wants of a node's entry in a list.
type demand struct {
	nodes []bool
	want  bool
}

// matchStep is how many names are matched before the context is looked at.
const matchStep = 64

// match says which functions match.
func (t *Tree) match(ctx context.Context, matches func(name string) bool) ([]bool, error) {
	out := make([]bool, len(t.Functions))
	for i, f := range t.Functions {
		if i%matchStep == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		out[i] = f.Kind != profile.Omitted && matches(f.Name)
	}
	return out, nil
}

// inPackage matches Java methods, whose names read package.Class.method, and
// classes.
func inPackage(name string) func(string) bool {
	prefix := name + "."
	return func(function string) bool { return strings.HasPrefix(function, prefix) }
}

// below says which nodes are at or below one whose function matched.
func (t *Tree) below(matched []bool) []bool {
	out := make([]bool, len(t.Parent))
	for node := 1; node < len(out); node++ {
		out[node] = matched[t.Function[node]] || out[t.Parent[node]]
	}
	return out
}

// belowPath says which nodes are at or below the end of a path of names.
func (t *Tree) belowPath(path []string) []bool {
	out := make([]bool, len(t.Parent))
	steps := make([]int, len(t.Parent)) // of the path, taken; -1 beside it
	for node := 1; node < len(out); node++ {
		up := t.Parent[node]
		out[node] = out[up]
		steps[node] = -1
		if done := steps[up]; done >= 0 && done < len(path) && t.Functions[t.Function[node]].Name == path[done] {
			steps[node] = done + 1
			out[node] = out[node] || done+1 == len(path)
		}
	}
	return out
}

// only returns the tree of what is measured in the nodes that are kept; the rest
// is added to outside.
func (t *Tree) only(keep func(node int) bool, outside []profile.Amount) *Tree {
	at := make([]int32, len(t.Parent))
	var leaves []leaf
	kept := make([]bool, len(t.Parent))
	for node := range t.Parent {
		kept[node] = keep(node)
		for side := range t.Self {
			switch a := t.Self[side][node]; {
			case a == profile.Amount{}:
			case kept[node]:
				leaves = append(leaves, leaf{node: int32(node)})
			default:
				outside[side] = outside[side].Add(a)
			}
		}
	}
	out := compact(t.Parent, t.Function, at, touch(t.Parent, at, leaves))
	out.Functions = t.Functions
	for side := range t.Self {
		self := make([]profile.Amount, len(out.Parent))
		for node, position := range at {
			if position >= 0 && kept[node] {
				self[position] = t.Self[side][node]
			}
		}
		out.Self = append(out.Self, self)
	}
	return out
}
