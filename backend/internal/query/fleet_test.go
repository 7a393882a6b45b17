package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// fleetWindows are of three services: each has a function of its own, and one
// that all have.
func fleetWindows() []*profile.Window {
	var out []*profile.Window
	for i, service := range []string{"light", "heavy", "middle"} {
		target := profiletest.Target(service, service+"-0")
		target.Namespace = "ns-" + service
		weight := []int64{10, 1000, 100}[i]
		out = append(out, profiletest.Sampled(profiletest.Options{Start: now.Truncate(time.Minute).Add(-20 * time.Minute), Target: target}, map[string]int64{
			"main;" + service + ".Own.work": 2 * weight, "main;Json.write": weight, "main;Json.write;Json.write": weight,
		}))
	}
	return out
}

func fleetOf(t *testing.T, h *harness, more string) api.FleetTop {
	t.Helper()
	return apitest.Decode[api.FleetTop](t, h.Get(t, "/api/v1/fleet/top?type=cpu&"+hour+more))
}

// Rows are sums over services; whatever is left out, it all adds up to the total.
func TestFleetTopAddsUp(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Price = api.Price{PerCoreHour: 0.04, Currency: "EUR"} })
	h.store.windows = fleetWindows()
	whole := fleetOf(t, h, "")
	if whole.Total.Count != 4440 || whole.Services != 3 || whole.Price.PerCoreHour != 0.04 || whole.Coverage.Windows.Stored != 3 || whole.Coverage.Stored != whole.Total {
		t.Errorf("whole is %+v", whole)
	}
	shared := whole.Functions[slices.IndexFunc(whole.Functions, func(f api.FleetFunction) bool { return f.Name == "Json.write" })]
	if shared.Self.Count != 2220 || shared.Total.Count != 2220 || shared.Services != 3 || shared.Most.Service != "heavy" || shared.Most.Namespace != "ns-heavy" || shared.Most.Self.Count != 2000 {
		t.Errorf("the shared function is %+v", shared)
	}
	if !slices.IsSortedFunc(whole.Functions, func(a, b api.FleetFunction) int { return cmp.Compare(b.Self.Value, a.Self.Value) }) {
		t.Errorf("functions are not in order: %+v", whole.Functions)
	}
	if got := fleetOf(t, h, "&order=total").Functions[0]; got.Name != "main" || got.Total != whole.Total {
		t.Errorf("by total, the first is %+v", got)
	}
	for _, one := range []struct {
		name   string
		change func(*Limits)
		more   string
	}{
		{"whole", func(*Limits) {}, ""},
		{"few rows", func(*Limits) {}, "&limit=1"},
		{"few services", func(l *Limits) { l.Fleet = 1 }, ""},
		{"few names", func(l *Limits) { l.FleetNames = 2 }, ""},
		{"filtered", func(*Limits) {}, "&include=Own"},
		{"of a package", func(*Limits) {}, "&package=heavy"},
		{"of nothing", func(*Limits) {}, "&include=nowhere"},
	} {
		h := newHarness(t, func(c *Config) { one.change(&c.Limits) })
		h.store.windows, h.store.omitted = fleetWindows(), profile.Amount{}
		got := fleetOf(t, h, one.more)
		sum := got.Omitted.Self.Add(got.Outside).Add(got.Unread.Total)
		for _, f := range got.Functions {
			sum = sum.Add(f.Self)
		}
		if sum != got.Total || got.Total != whole.Total || got.Services+got.Unread.Services != 3 {
			t.Errorf("%s: rows and the rest are %+v of %+v (%+v)", one.name, sum, got.Total, got)
		}
	}
}

// A service that is too much for itself hides no other; an unavailable store is
// an error.
func TestFleetTopLeavesOutWhatIsTooMuch(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = fleetWindows()
	for class, want := range map[store.Class]int{store.TooExpensive: 200, store.SumTooLarge: 200, store.Unavailable: 503} {
		reads := 0
		h.store.before = func(context.Context) error {
			if reads++; reads == 2 { // the overview is the first
				return &store.Error{Class: class, Op: "read stacks", Err: fmt.Errorf("no")}
			}
			return nil
		}
		answer := h.Get(t, "/api/v1/fleet/top?type=cpu&"+hour)
		if answer.Code != want {
			t.Fatalf("%s: answer is %d %s", class, answer.Code, answer.Body)
		}
		if want != 200 {
			continue
		}
		got := apitest.Decode[api.FleetTop](t, answer)
		if got.Services != 2 || got.Unread.Services != 1 || got.Unread.Total.Count != 4000 || got.Total.Count != 4440 {
			t.Errorf("%s: answer is %+v", class, got)
		}
	}
}

// Nothing is never shown without its reason, and a namespace narrows.
func TestFleetTopOfNothing(t *testing.T) {
	h := newHarness(t, nil)
	reasons := func(got api.FleetTop) (out []profile.Reason) {
		for _, l := range got.Coverage.NotCaptured {
			out = append(out, l.Reason)
		}
		return out
	}
	if got := fleetOf(t, h, ""); len(got.Functions) != 0 || gocmp.Diff(reasons(got), []profile.Reason{profile.NoTarget}) != "" {
		t.Errorf("of no service: %+v", got)
	}
	h.store.windows = fleetWindows()
	lock := apitest.Decode[api.FleetTop](t, h.Get(t, "/api/v1/fleet/top?type=lock&"+hour))
	if gocmp.Diff(reasons(lock), []profile.Reason{profile.NotRecorded}) != "" {
		t.Errorf("of what is not recorded: %+v", lock)
	}
}
