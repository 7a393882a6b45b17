package store_test

import (
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

func TestPartsSumToTheTimeline(t *testing.T) {
	s := storetest.Open(t)
	want := map[string]profile.Amount{}
	for i, pod := range []string{"a", "b'; --", "b'; --"} {
		m := newMaker("cart", i)
		m.target.Pod, m.target.Version = pod, "v"
		for minute := range 4 {
			w := m.window(today().Add(time.Duration(minute) * time.Minute))
			insert(t, s, w)
			want[pod] = want[pod].Add(w.Set(profile.CPU).Total())
		}
	}
	sel := selection("cart", profile.CPU, today(), 4*time.Minute)
	for by, names := range map[store.Column]int{store.ByPod: 2, store.ByVersion: 1} {
		cells, parts, _, err := s.Parts(t.Context(), sel, sel.From, 2*time.Minute, by)
		if err != nil || len(parts) != names || len(cells) != 2 {
			t.Fatalf("by %s: %d parts of %d cells, %v", by, len(parts), len(cells), err)
		}
		for i, c := range cells {
			var sum profile.Amount
			var windows int64
			for _, p := range parts {
				sum, windows = sum.Add(p.Stored[i]), windows+p.Windows[i]
			}
			if sum != c.Ledger.Stored || windows != c.Windows.Stored {
				t.Errorf("by %s: parts of cell %d sum to %+v in %d windows, the cell is %+v", by, i, sum, windows, c)
			}
		}
		if by == store.ByPod {
			for _, p := range parts {
				if p.Total != want[p.Name] {
					t.Errorf("pod %q has %+v, want %+v", p.Name, p.Total, want[p.Name])
				}
			}
		}
	}
}
