package query

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/profile"
)

// subset is the part of a set whose stacks are wanted.
func subset(set profile.StackSet, want func(names []string) bool) profile.StackSet {
	set.Stacks = slices.DeleteFunc(slices.Clone(set.Stacks), func(s profile.Stack) bool { return !want(namesOf(&set, s)) })
	return profile.Merge(set.Type, &set)
}

func namesOf(set *profile.StackSet, s profile.Stack) []string {
	names := make([]string, len(s.Frames))
	for i, f := range s.Frames {
		names[i] = set.Functions[f].Name
	}
	return names
}

func TestFiltersChooseSamples(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	all := merged(h.store.windows, profile.CPU)
	first := namesOf(&all, all.Stacks[len(all.Stacks)/2])
	name := first[len(first)-1]
	part := strings.ToUpper(name[:len(name)-1])
	contains := func(names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(strings.ToUpper(n), part) })
	}
	for _, c := range []struct {
		query string
		want  func(names []string) bool
	}{
		{"include=" + url.QueryEscape(part), contains},
		{"exclude=" + url.QueryEscape(part), func(names []string) bool { return !contains(names) }},
		{"include=/.*/&exclude=/no.such/i", func(names []string) bool { return len(names) > 0 }},
		{"include=" + url.QueryEscape("'; DROP TABLE samples; --"), func([]string) bool { return false }},
		{"package=no.such.package", func([]string) bool { return false }},
		{"path=" + url.QueryEscape(first[0]) + "&path=" + url.QueryEscape(first[1]), func(names []string) bool {
			return len(names) > 1 && slices.Equal(names[:2], first[:2])
		}},
	} {
		want := subset(all, c.want)
		f := apitest.Decode[api.Flame](t, h.Get(t, "/api/v1/flame?nodes=262144&"+selection+hour+"&"+c.query))
		if diff := cmp.Diff(want, setOf(f)); diff != "" {
			t.Errorf("%s (-want +got):\n%.2000s", c.query, diff)
		}
		if f.Total != all.Total() || f.Outside.Add(want.Total()) != f.Total {
			t.Errorf("%s: total %+v, outside %+v, inside %+v", c.query, f.Total, f.Outside, want.Total())
		}
		top := apitest.Decode[api.Top](t, h.Get(t, "/api/v1/top?limit=10000&"+selection+hour+"&"+c.query))
		sum := top.Omitted.Self.Add(top.Outside)
		for _, f := range top.Functions {
			sum = sum.Add(f.Self)
		}
		if sum != all.Total() || top.Outside != f.Outside {
			t.Errorf("%s: rows, omitted and outside of the table sum to %+v, total %+v", c.query, sum, all.Total())
		}
	}
}

func TestCallersAndCallees(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	all := merged(h.store.windows, profile.CPU)
	names := namesOf(&all, all.Stacks[len(all.Stacks)/2])
	name := names[len(names)/2]
	inside := subset(all, func(names []string) bool { return slices.Contains(names, name) })
	query := selection + hour + "&function=" + url.QueryEscape(name)
	for _, side := range []string{"callers", "callees"} {
		f := apitest.Decode[api.Flame](t, h.Get(t, "/api/v1/"+side+"?nodes=262144&"+query))
		tree := treeOf(f.Graph)
		for node := 1; node < len(tree.Parent); node++ {
			if tree.Parent[node] == 0 && tree.Functions[tree.Function[node]].Name != name {
				t.Errorf("%s: below the root is %q", side, tree.Functions[tree.Function[node]].Name)
			}
		}
		if got := tree.Totals(0)[0]; got != inside.Total() || got.Add(f.Outside) != all.Total() {
			t.Errorf("%s: %+v inside, want %+v, %+v outside of %+v", side, got, inside.Total(), f.Outside, all.Total())
		}
		few := apitest.Decode[api.Flame](t, h.Get(t, "/api/v1/"+side+"?nodes=2&"+query))
		if got := treeOf(few.Graph).Totals(0)[0]; got != inside.Total() || few.Nodes != f.Nodes {
			t.Errorf("%s: two nodes have %+v of %d nodes, want %+v of %d", side, got, few.Nodes, inside.Total(), f.Nodes)
		}
		e := apitest.Refused(t, h.Get(t, fmt.Sprintf("/api/v1/%s?%s%s&function=no.Such.method", side, selection, hour)), 404, profile.NotFound)
		if !strings.Contains(e.Message, "no.Such.method") {
			t.Errorf("%s of nobody: %+v", side, e)
		}
	}
}
