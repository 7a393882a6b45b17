package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// The activity of a service is the sum of its timelines, read at once for all
// services.
func TestActivityAgreesWithTimelines(t *testing.T) {
	s := storetest.Open(t, patient)
	start := today()
	minute := func(i int) time.Time { return start.Add(time.Duration(i) * time.Minute) }
	for i, service := range []string{"cart", "login"} {
		m := newMaker(service, i)
		for at := range 6 {
			switch at {
			case 2:
				insert(t, s, m.withoutSamples(minute(at), profile.SidecarRestarted))
			case 3: // never comes
			case 4:
				insert(t, s, withoutValues(m.window(minute(at))))
			default:
				insert(t, s, m.window(minute(at)))
			}
		}
	}
	span := store.Range{From: start.Add(-time.Minute), To: start.Add(9 * time.Minute)}
	got, err := s.Overview(t.Context(), store.ServiceFilter{Range: span}, span.From, 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Services) != 2 || len(got.Activity) != 2 || got.Cost.Queries != 5 {
		t.Fatalf("%d services, %d activities, cost %+v", len(got.Services), len(got.Activity), got.Cost)
	}
	unvalued := false
	for key, activity := range got.Activity {
		var losses, unclaimed []profile.Loss
		for kind, of := range activity.Types {
			sel := selection(key.Service, kind, span.From, span.To.Sub(span.From))
			cells, whole, err := s.Timeline(t.Context(), sel, sel.From, 2*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range cells {
				unvalued = unvalued || of.Steps[i].Unvalued
				want := store.Step{Value: c.Ledger.Stored.Value, Unvalued: c.Ledger.Stored.Value == 0 && c.Ledger.Stored.Count > 0, Time: c.Time}
				if got := of.Steps[i]; got != want {
					t.Errorf("step %d of %s of %s is %+v, in the timeline %+v", i, kind, key.Service, got, want)
				}
			}
			if of.Time != whole.Time {
				t.Errorf("%s of %s is %+v, in the timeline %+v", kind, key.Service, of.Time, whole.Account)
			}
			if whole.Windows != activity.Windows {
				t.Errorf("windows of %s are %+v, by coverage of %s %+v", key.Service, activity.Windows, kind, whole.Windows)
			}
			losses, unclaimed = profile.AddLosses(losses, whole.Ledger.Losses...), whole.Losses // the same for every type
		}
		for i := range losses {
			losses[i].Value = 0
		}
		if d := cmp.Diff(losses, activity.Losses, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("losses of %s (-coverage +activity):\n%s", key.Service, d)
		}
		if d := cmp.Diff(unclaimed, activity.Unclaimed, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("unclaimed losses of %s (-coverage +activity):\n%s", key.Service, d)
		}
		if activity.WindowLength != time.Minute {
			t.Errorf("activity of %s is %+v", key.Service, activity)
		}
	}
	if !unvalued {
		t.Error("no step has samples without a value only")
	}
}

// withoutValues is a window whose samples of one type have no values.
func withoutValues(w *profile.Window) *profile.Window {
	set, ledger := &w.Sets[0], &w.Coverage[0]
	for i := range set.Stacks {
		set.Stacks[i].Value = 0
	}
	ledger.Captured.Value, ledger.Stored.Value = ledger.Captured.Value-ledger.Stored.Value, 0
	return w
}

// A type that a later version stored is in no list: nothing here knows its unit.
func TestActivityLeavesOutTypesOfLaterVersions(t *testing.T) {
	s := storetest.Open(t, patient)
	w := newMaker("cart", 0).window(today())
	insert(t, s, w)
	span := store.Range{From: today(), To: today().Add(time.Hour)}
	before, err := s.Overview(t.Context(), store.ServiceFilter{Range: span}, span.From, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, s, "INSERT INTO @.profiles SELECT * REPLACE ('later' AS type) FROM @.profiles WHERE type = 'cpu'")
	after, err := s.Overview(t.Context(), store.ServiceFilter{Range: span}, span.From, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Services) != 1 || len(after.Services[0].Types) == 0 {
		t.Fatalf("services %+v", after.Services)
	}
	if diff := cmp.Diff(before.Services, after.Services); diff != "" {
		t.Errorf("services with a later type: %s", diff)
	}
	if diff := cmp.Diff(before.Activity, after.Activity); diff != "" {
		t.Errorf("activity with a later type: %s", diff)
	}
}

func TestActivityRefusesTooManySteps(t *testing.T) {
	s := storetest.Open(t)
	span := store.Range{From: today(), To: today().Add(24 * time.Hour)}
	if _, err := s.Overview(t.Context(), store.ServiceFilter{Range: span}, span.From, time.Second); err == nil {
		t.Error("86400 steps were accepted")
	}
}
