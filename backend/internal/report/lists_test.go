package report

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

func per(v float64) api.Mean { return api.Mean{RecordedSeconds: 600, PerSecond: &v} }

// services are one that is whole, one that misses windows, and one of which only
// targets are known.
func services() *api.Services {
	return &api.Services{
		Range: api.Range{From: noon, To: noon.Add(time.Hour)}, Truncated: true,
		Services: []api.Service{
			{Namespace: "shop", Service: "cart", Versions: []string{"1", "2", "3", "4", "5"}, Targets: map[string]int{"profiled": 3},
				Windows: api.Windows{Expected: 60, Stored: 60}, Types: []api.ServiceType{{Type: profile.CPU, Mean: per(5e8)}, {Type: profile.Alloc, Mean: per(3 << 20)}}, Told: api.Tell(nil, nil)},
			{Namespace: "pay", Service: "ledger", Targets: map[string]int{"profiled": 1, api.Silent: 2},
				Windows: api.Windows{Expected: 60, Stored: 50, Lost: 4}, Types: []api.ServiceType{{Type: profile.CPU, Mean: per(15e8)}, {Type: profile.Alloc, Mean: per(1 << 20)}},
				Told: api.Tell(nil, []profile.Loss{{Outcome: profile.Dropped, Reason: profile.SidecarRestarted, Duration: time.Minute}})},
			{Namespace: "pay", Service: "fees", Targets: map[string]int{"waiting": 1}, Told: api.Tell(nil, nil)},
		},
	}
}

// targets are one of each state; those in trouble come last here.
func targets() *api.Targets {
	seen := noon.Add(-90 * time.Second)
	of := func(state profile.State, reason profile.Reason, pod string) api.Target {
		t := api.Target{Identity: profile.Target{Namespace: "shop", Pod: pod, Container: "app", Version: "2"}, State: profile.TargetState{State: state, Reason: reason}}
		if reason != "" {
			text := profile.Explain(reason)
			t.Reason = &text
		}
		return t
	}
	list := []api.Target{
		of(profile.StateGone, "", "cart-0"), of(profile.StateProfiled, "", "cart-1"), of(profile.StateWaiting, "", "cart-2"), of(profile.StateSkipped, profile.OpenJ9, "cart-3"),
		of(profile.StateProfiled, "", "cart-4"), of(profile.StateConflict, profile.Conflict, "cart-5"), of(profile.StateConflict, profile.Conflict, "cart-6"), of(profile.StateFailed, profile.AttachTimeout, "cart-7"),
	}
	list[1].State.LastWindowEnd, list[4].Silent = &seen, true
	list[4].Spool = profile.Spool{Windows: 3, OldestSeconds: 125}
	list[5].State.Detail, list[7].Identity.Version = "/opt/other\x1b[31mProfiler.so", ""
	return &api.Targets{Targets: list, Truncated: true}
}

// The last window of a JVM that has ended ends where windows do, which is still to come.
func TestLastWindowIsNeverAhead(t *testing.T) {
	end := noon.Add(35 * time.Second)
	one := api.Target{State: profile.TargetState{State: profile.StateGone, LastWindowEnd: &end}}
	if got := Targets(&api.Targets{Targets: []api.Target{one}}, noon, 1, Style{}); !strings.Contains(got, " 0s ago ") {
		t.Errorf("the last window ends in 35 s, and the list says:\n%s", got)
	}
}

// What comes with every window, or is under way, is not what a service misses.
func TestServicesMissWhatIsNoRoutine(t *testing.T) {
	told := func(r profile.Reason) api.Service {
		return api.Service{Service: string(r), Windows: api.Windows{Expected: 15, Stored: 14}, Told: api.Tell(nil, []profile.Loss{{Outcome: profile.Dropped, Reason: r, Duration: time.Minute}})}
	}
	for r, want := range map[profile.Reason]string{
		profile.ProfilerStall: "0 of 1 service", profile.WindowNotYetArrived: "0 of 1 service", profile.NoReport: "1 of 1 service", profile.SidecarRestarted: "1 of 1 service",
	} {
		if got := Services(&api.Services{Services: []api.Service{told(r)}}, Price{}, 9, Style{}); !strings.Contains(got, want+" miss something") {
			t.Errorf("%s: want %s:\n%s", r, want, got)
		}
	}
}

func fleetTop() *api.FleetTop {
	perSecond := 2e9
	return &api.FleetTop{
		Range: api.Range{From: noon, To: noon.Add(time.Hour)}, Type: profile.CPU, Unit: "ns", CountUnit: "samples", Total: amount(1000), PerSecond: &perSecond,
		Services: 9, Unread: api.FleetUnread{Services: 2, Total: amount(50)}, Outside: amount(100), Price: api.Price{PerCoreHour: 0.04, Currency: "$"},
		Functions: []api.FleetFunction{
			{Name: "shop.Price.round", Kind: "java", Self: amount(500), Total: amount(600), Services: 7, Most: api.FleetService{Namespace: "shop", Service: "cart"}},
			{Name: "libc`memcpy", Kind: "native", Self: amount(30), Total: amount(30), Services: 1, Most: api.FleetService{Namespace: "pay", Service: "fees"}},
		},
		Omitted: api.OmittedFunctions{Functions: 4, Self: amount(320)}, Truncated: true, Coverage: lossy(),
	}
}

func verdicts() *api.Regressions {
	side := api.ChangesSide{Coverage: whole(1000)}
	return &api.Regressions{Truncated: true, Regressions: []api.Regression{
		{Namespace: "shop", Service: "cart", Version: "2", Before: "1", Verdict: api.Worse, Growth: 0.123, Base: side, Head: side,
			Functions: []api.Change{{Name: "shop.Price.round", Base: 0.02, Head: 0.1}, {Name: "shop.Price.of", Base: 0.3, Head: 0.35}}},
		{Namespace: "pay", Service: "fees", Version: "7", Before: "6", Verdict: api.TooEarly, Base: side, Head: side},
		{Namespace: "pay", Service: "ledger", Version: "3", Before: "2", Verdict: api.Better, Growth: -0.2, Base: side, Head: side},
	}}
}

func comparison() *api.Changes {
	side := api.ChangesSide{Range: api.Range{From: noon, To: noon.Add(time.Hour)}, Versions: []string{"1", "2"}, Coverage: whole(1000)}
	head := side
	head.Versions = nil
	return &api.Changes{
		Type: profile.CPU, Unit: "ns", CountUnit: "samples", Base: side, Head: head, Enough: true, Level: 0.01, Tested: 40, Omitted: 1,
		Changes: []api.Change{
			{Name: "shop.Price.round", Kind: "java", Measure: "self", Base: 0.02, Head: 0.1, Low: 0.07, High: 0.09},
			{Name: "libc`memcpy", Kind: "native", Measure: "total", Base: 0.3, Head: 0.28, Low: -0.03, High: -0.01},
		},
	}
}

func topOf() *api.Top {
	return &api.Top{
		Range: api.Range{From: noon, To: noon.Add(time.Hour)}, Type: profile.Alloc, Unit: "bytes", CountUnit: "samples",
		Total: profile.Amount{Value: 10 << 20, Count: 1000}, Outside: profile.Amount{Value: 1 << 20, Count: 100},
		Functions: []api.TopFunction{
			{Name: "java.util.HashMap.resize", Kind: "java", Self: profile.Amount{Value: 6 << 20, Count: 600}, Total: profile.Amount{Value: 6 << 20, Count: 600}},
			{Name: "do_syscall_64", Kind: "kernel", Self: profile.Amount{Value: 1 << 18, Count: 25}, Total: profile.Amount{Value: 2 << 20, Count: 200}},
		},
		Omitted: api.OmittedFunctions{Functions: 12, Self: profile.Amount{Value: 2 << 20, Count: 275}}, Coverage: lossy(),
	}
}

// Golden files are the lists as people see them.
func TestLists(t *testing.T) {
	none, equal := comparison(), comparison()
	none.Enough, none.Changes, none.Omitted = false, nil, 0
	equal.Changes, equal.Omitted = nil, 0
	golden(t, map[string]string{
		"services":        Services(services(), Price{}, 50, Style{}),
		"services.cut":    Services(services(), Price{PerCoreHour: 0.04, Currency: "€"}, 1, Style{Width: 100}),
		"targets":         Targets(targets(), noon, 50, Style{}),
		"targets.cut":     Targets(targets(), noon, 1, Style{}),
		"targets.colour":  Targets(targets(), noon, 50, Style{Colour: true}),
		"fleet":           Fleet(fleetTop(), "cpu of all services", Price{}, Style{}),
		"fleet.price":     Fleet(fleetTop(), "cpu of all services", Price{PerCoreHour: 0.001}, Style{}),
		"regressions":     Regressions(verdicts(), 50, Style{}),
		"regressions.cut": Regressions(verdicts(), 1, Style{}),
		"changes":         Changes(comparison(), "cpu of shop/cart", Style{}),
		"changes.few":     Changes(none, "cpu of shop/cart", Style{}),
		"changes.none":    Changes(equal, "cpu of shop/cart", Style{}),
		"top":             Top(topOf(), "alloc of shop/cart", Style{}),
	})
}

// The shares of all services are of what all of them take, and those that are not
// listed are counted.
func TestSharesOfServicesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "services")
		a := &api.Services{}
		for i := range n {
			a.Services = append(a.Services, api.Service{Namespace: "n", Service: fmt.Sprintf("s%02d", i), Told: api.Tell(nil, nil),
				Types: []api.ServiceType{{Type: profile.CPU, Mean: per(rapid.Float64Range(1e8, 9e9).Draw(t, "cores"))}}})
		}
		limit := rapid.IntRange(1, 25).Draw(t, "limit")
		text := Services(a, Price{}, limit, Style{})
		if all := Services(a, Price{}, n, Style{}); sharesIn(t, all) < 99 || sharesIn(t, all) > 101 {
			t.Fatalf("shares add up to %g %%:\n%s", sharesIn(t, all), all)
		}
		if left := n - limit; (left > 0) != strings.Contains(text, fmt.Sprintf("omitted: %s", plural(left, "service"))) {
			t.Fatalf("%d of %d are listed, which is told as:\n%s", limit, n, text)
		}
	})
}

// sharesIn adds up the first column of shares, in percent.
func sharesIn(t *rapid.T, text string) float64 {
	var sum float64
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] != "n" {
			continue
		}
		for _, f := range fields {
			if number, isShare := strings.CutSuffix(f, "%"); isShare {
				v, err := strconv.ParseFloat(number, 64)
				if err != nil {
					t.Fatalf("share %q: %v", f, err)
				}
				sum += v
				break
			}
		}
	}
	return sum
}
