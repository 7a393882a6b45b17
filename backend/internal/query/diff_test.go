package query

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/profile"
)

// sideOf reads a side back out of a comparison.
func sideOf(d api.Diff, s api.DiffSide) profile.StackSet {
	g := api.Graph{Functions: d.Functions, Kinds: d.Kinds, Parents: d.Parents, Frames: d.Frames, Values: s.Values, Counts: s.Counts}
	return treeOf(g).StackSet(0, d.Type)
}

func TestDiffHoldsBothSides(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	middle := h.store.windows[4].Start
	early, late := merged(h.store.windows[:4], profile.CPU), merged(h.store.windows[4:], profile.CPU)
	span := fmt.Sprintf("from=%d&to=%d&baseFrom=%d&baseTo=%d", middle.Unix(), now.Unix(), now.Unix()-3600, middle.Unix())
	d := apitest.Decode[api.Diff](t, h.Get(t, "/api/v1/diff?nodes=262144&"+selection+span))
	for _, c := range []struct {
		name    string
		side    api.DiffSide
		want    profile.StackSet
		windows int64
	}{{"base", d.Base, early, 4}, {"head", d.Head, late, 6}} {
		if diff := cmp.Diff(c.want, sideOf(d, c.side)); diff != "" {
			t.Errorf("%s (-want +got):\n%.2000s", c.name, diff)
		}
		if seconds := float64(60 * c.windows); c.side.Total != c.want.Total() || c.side.Coverage.RecordedSeconds != seconds {
			t.Errorf("%s has %+v in %+v", c.name, c.side.Total, c.side.Coverage)
		}
		if cov := c.side.Coverage; cov.Windows.Stored != c.windows || cov.Stored != c.want.Total() {
			t.Errorf("%s has coverage %+v", c.name, cov)
		}
	}
	few := apitest.Decode[api.Diff](t, h.Get(t, "/api/v1/diff?nodes=5&"+selection+span))
	for i, side := range []api.DiffSide{few.Base, few.Head} {
		var drawn, omitted profile.Amount
		for node := range few.Parents {
			a := profile.Amount{Value: side.Values[node], Count: side.Counts[node]}
			drawn = drawn.Add(a)
			if f := few.Frames[node]; f >= 0 && few.Kinds[f] == "omitted" {
				omitted = omitted.Add(a)
			}
		}
		if drawn != side.Total || omitted != side.Omitted || few.Nodes-few.OmittedNodes != 5 {
			t.Errorf("side %d of five nodes: drawn %+v of %+v, omitted %+v, %+v", i, drawn, side.Total, omitted, side.Omitted)
		}
	}
}

// What is compared to itself has the same on both sides, across services too.
func TestDiffOfServices(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	for _, w := range tenMinutes()[:3] {
		w.Target.Service = "checkout-next"
		h.store.windows = append(h.store.windows, w)
	}
	d := apitest.Decode[api.Diff](t, h.Get(t, "/api/v1/diff?nodes=262144&baseService=checkout-next&"+selection+hour))
	if diff := cmp.Diff(merged(h.store.windows[10:], profile.CPU), sideOf(d, d.Base)); diff != "" {
		t.Errorf("base (-want +got):\n%.2000s", diff)
	}
	if diff := cmp.Diff(merged(h.store.windows[:10], profile.CPU), sideOf(d, d.Head)); diff != "" {
		t.Errorf("head (-want +got):\n%.2000s", diff)
	}
	all := merged(h.store.windows[:10], profile.CPU)
	leaf := namesOf(&all, all.Stacks[0])
	same := apitest.Decode[api.Diff](t, h.Get(t, "/api/v1/diff?baseService=checkout&exclude="+url.QueryEscape(leaf[len(leaf)-1])+"&"+selection+hour))
	if diff := cmp.Diff(same.Base, same.Head); diff != "" || same.Base.Outside == (profile.Amount{}) {
		t.Errorf("a service differs from itself:\n%.2000s", diff)
	}
	apitest.Refused(t, h.Get(t, "/api/v1/diff?baseService=nobody&"+selection+hour), 404, profile.UnknownService)
}

// A base without data is empty with the reason, and has no rate.
func TestDiffToNothing(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	d := apitest.Decode[api.Diff](t, h.Get(t, "/api/v1/diff?baseVersion=0.0.0&"+selection+hour))
	if d.Base.Total != (profile.Amount{}) || d.Base.Coverage.PerSecond != nil || len(d.Base.Coverage.NotCaptured) != 1 || d.Base.Coverage.NotCaptured[0].Reason != profile.NoTarget {
		t.Errorf("base has %+v and %+v", d.Base.Total, d.Base.Coverage)
	}
	if d.Head.Coverage.PerSecond == nil || d.Head.Total == (profile.Amount{}) {
		t.Errorf("head has %+v and %+v", d.Head.Total, d.Head.Coverage)
	}
}

func TestBadComparisons(t *testing.T) {
	h := newHarness(t, nil)
	for _, c := range []struct{ query, says string }{
		{"", "nothing says what to compare to"},
		{"&baseFrom=5", `parameter baseTo: "" is not a time`},
		{"&baseFrom=9&baseTo=5", "parameter baseFrom: 9 is not before baseTo=5"},
		{"&baseFrom=0&baseTo=999999999", "parameter baseTo - baseFrom, in s, is 999999999, the limit is 604800"},
		{"&baseService=", "parameter baseService: required"},
		{"&baseSeries=xyz", "parameter baseSeries"},
		{"&baseVersion=" + strings.Repeat("v", 257), "parameter baseVersion is 257"},
		{"&baseType=alloc", `"baseType": not known here`},
		{"&basePod=" + url.QueryEscape("\xff"), "not UTF-8"},
	} {
		e := apitest.Refused(t, h.Get(t, "/api/v1/diff?"+selection+hour+c.query), 400, profile.BadParameter)
		if !strings.Contains(e.Message, c.says) {
			t.Errorf("%s: %q does not say %q", c.query, e.Message, c.says)
		}
	}
	if h.store.asked != 0 {
		t.Errorf("the store was asked %d times", h.store.asked)
	}
}
