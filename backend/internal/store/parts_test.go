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

// Thread groups take the sums of a selection apart: as parts of its timeline, and
// as what of it is of chosen threads and what is not.
func TestThreadsSumToTheSelection(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	want, total := map[string]profile.Amount{}, profile.Amount{}
	for minute := range 4 {
		w := m.window(today().Add(time.Duration(minute) * time.Minute))
		if minute > 0 { // the first is of a sidecar that does not tell threads
			w = threaded(w)
		}
		insert(t, s, w)
		for _, stack := range w.Set(profile.CPU).Stacks {
			one := profile.Amount{Value: stack.Value, Count: stack.Count}
			want[stack.Thread], total = want[stack.Thread].Add(one), total.Add(one)
		}
	}
	if len(want) != 4 {
		t.Fatalf("threads %v", want)
	}
	sel := selection("cart", profile.CPU, today(), 4*time.Minute)
	cells, parts, _, err := s.Parts(t.Context(), sel, sel.From, 2*time.Minute, store.ByThread)
	if err != nil || len(parts) != len(want) || len(cells) != 2 {
		t.Fatalf("%d parts of %d cells, %v", len(parts), len(cells), err)
	}
	for i, c := range cells {
		var sum profile.Amount
		for _, p := range parts {
			sum = sum.Add(p.Stored[i])
			if p.Total != want[p.Name] {
				t.Errorf("thread group %q has %+v, want %+v", p.Name, p.Total, want[p.Name])
			}
		}
		if sum != c.Ledger.Stored {
			t.Errorf("parts of cell %d sum to %+v, the cell has %+v", i, sum, c.Ledger.Stored)
		}
	}
	for _, test := range []struct {
		threads, not []string
		want         profile.Amount
	}{
		{[]string{"main"}, nil, want["main"]},
		{[]string{"main", "'; --"}, nil, want["main"].Add(want["'; --"])},
		{[]string{""}, nil, want[""]},
		{nil, []string{"", "main"}, want["pool-#"].Add(want["'; --"])},
		{[]string{"main", "pool-#"}, []string{"main"}, want["pool-#"]},
		{[]string{"nobody"}, nil, profile.Amount{}},
	} {
		sel := sel
		sel.Threads, sel.NotThreads = test.threads, test.not
		sums, err := s.Sums(t.Context(), sel)
		if err != nil {
			t.Fatalf("threads %q without %q: %v", test.threads, test.not, err)
		}
		side, inside := sums.Sides[0], sums.Tree.Totals()[0]
		if inside != test.want || side.Total != total || side.Elsewhere.Add(inside) != total || side.Omitted != (profile.Amount{}) || side.Excess != (profile.Amount{}) {
			t.Errorf("threads %q without %q: %+v in the tree, want %+v; %+v", test.threads, test.not, inside, test.want, side)
		}
	}
}

// threaded is the window with the samples of each stack divided among threads.
func threaded(w *profile.Window) *profile.Window {
	for i := range w.Sets {
		set := &w.Sets[i]
		b := profile.NewBuilder(set.Type, profile.Limits{})
		for _, f := range set.Functions {
			b.Function(f.Name, f.Kind)
		}
		for j, stack := range set.Stacks {
			part := profile.Amount{Value: stack.Value / 3, Count: stack.Count / 3}
			b.AddIn("main", stack.Frames, part)
			b.AddIn([]string{"pool-#", "'; --"}[j%2], stack.Frames, profile.Amount{Value: stack.Value - part.Value, Count: stack.Count - part.Count})
		}
		*set, _ = b.Build()
	}
	return w
}
