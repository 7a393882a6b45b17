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
	s := storetest.Open(t)
	start := today()
	minute := func(i int) time.Time { return start.Add(time.Duration(i) * time.Minute) }
	for i, service := range []string{"cart", "login"} {
		m := newMaker(service, i)
		for at := range 6 {
			switch at {
			case 2:
				insert(t, s, m.withoutSamples(minute(at), profile.SidecarRestarted))
			case 3: // never comes
			default:
				insert(t, s, m.window(minute(at)))
			}
		}
	}
	span := store.Range{From: start.Add(-time.Minute), To: start.Add(9 * time.Minute)}
	got, cost, err := s.Activity(t.Context(), store.ServiceFilter{Range: span}, 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || cost.Queries != 3 {
		t.Fatalf("%d services, cost %+v", len(got), cost)
	}
	for key, activity := range got {
		var losses []profile.Loss
		untyped := map[profile.Reason]bool{}
		for kind, steps := range activity.Steps {
			sel := selection(key.Service, kind, span.From, span.To.Sub(span.From))
			cells, _, err := s.Timeline(t.Context(), sel, 2*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			var want []store.ActivityStep
			for _, c := range cells {
				want = append(want, store.ActivityStep{Stored: c.Stored, Windows: c.Windows.Stored})
			}
			if d := cmp.Diff(want, steps); d != "" {
				t.Errorf("%s of %s (-timeline +activity):\n%s", kind, key.Service, d)
			}
			c, err := s.Coverage(t.Context(), sel)
			if err != nil {
				t.Fatal(err)
			}
			if c.Windows != activity.Windows {
				t.Errorf("windows of %s are %+v, by coverage of %s %+v", key.Service, activity.Windows, kind, c.Windows)
			}
			losses = profile.AddLosses(losses, c.Ledger.Losses...)
			for _, l := range c.Losses { // these are in the coverage of every type
				if !untyped[l.Reason] {
					losses = profile.AddLosses(losses, l)
				}
				untyped[l.Reason] = true
			}
		}
		for i := range losses {
			losses[i].Value = 0
		}
		if d := cmp.Diff(losses, activity.Losses, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("losses of %s (-coverage +activity):\n%s", key.Service, d)
		}
		if activity.WindowSeconds != 60 || len(activity.Steps) == 0 {
			t.Errorf("activity of %s is %+v", key.Service, activity)
		}
	}
}

func TestActivityRefusesTooManySteps(t *testing.T) {
	s := storetest.Open(t)
	span := store.Range{From: today(), To: today().Add(24 * time.Hour)}
	if _, _, err := s.Activity(t.Context(), store.ServiceFilter{Range: span}, time.Second); err == nil {
		t.Error("86400 steps were accepted")
	}
}
