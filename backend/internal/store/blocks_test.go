package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

func TestBlocksAreTheSelectionCutUp(t *testing.T) {
	s := storetest.Open(t)
	makers := []*maker{newMaker("cart", 0), newMaker("cart", 1), newMaker("cart", 2)}
	var windows []*profile.Window
	for i := range 6 {
		for _, m := range makers {
			w := m.window(today().Add(time.Duration(i) * time.Minute))
			insert(t, s, w)
			windows = append(windows, w)
		}
	}
	sel := selection("cart", profile.CPU, today(), 6*time.Minute)
	const groups, slices = 2, 3
	var sets []*profile.StackSet
	seen, previous := map[int]int{}, -1
	_, err := s.Blocks(t.Context(), sel, groups, slices, func(b store.Block) error {
		set := stacksOf(b.Tree, 0, profile.CPU)
		if set.Total() != b.Total || b.Group < previous || b.Group >= groups {
			t.Errorf("block of group %d has %+v, total %+v", b.Group, set.Total(), b.Total)
		}
		previous = b.Group
		seen[b.Group]++
		sets = append(sets, &set)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "all blocks together", merged(profile.CPU, windows...), profile.Merge(profile.CPU, sets...))
	for group, n := range seen {
		if n != slices {
			t.Errorf("group %d has %d blocks", group, n)
		}
	}
	sel.Pods = []string{makers[1].target.Pod}
	var total profile.Amount
	if _, err := s.Blocks(t.Context(), sel, 1, 1, func(b store.Block) error { total = total.Add(b.Total); return nil }); err != nil || total == (profile.Amount{}) || total.Value >= profileTotal(windows).Value {
		t.Errorf("blocks of one pod have %+v, %v", total, err)
	}
	gone := errors.New("gone")
	if _, err := s.Blocks(t.Context(), sel, 1, 1, func(store.Block) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("error of the caller became %v", err)
	}
	_, err = s.Blocks(t.Context(), sel, 1000, 1000, nil)
	wantClass(t, "many blocks", err, store.BadSelection, "1024 blocks")
}

func profileTotal(windows []*profile.Window) (sum profile.Amount) {
	for _, w := range windows {
		sum = sum.Add(w.Set(profile.CPU).Total())
	}
	return sum
}

func TestBlocksAreBounded(t *testing.T) {
	s := storetest.Open(t, func(c *store.Config) { c.Limits.BlockRows = 5 })
	insert(t, s, newMaker("cart", 0).window(today()))
	_, err := s.Blocks(t.Context(), selection("cart", profile.CPU, today(), time.Hour), 1, 1, func(store.Block) error { return nil })
	wantClass(t, "rows", err, store.TooExpensive, "more than 5 stacks")
}

func TestVersionsNewestFirst(t *testing.T) {
	s := storetest.Open(t)
	for i, version := range []string{"1.9", "1.10", "1.11"} {
		m := newMaker("cart", i)
		m.target.Version = version
		insert(t, s, m.window(today().Add(time.Duration(i)*time.Minute)))
		insert(t, s, m.window(today().Add(time.Duration(i+10)*time.Minute)))
	}
	sel := selection("cart", profile.CPU, today(), time.Hour)
	got, _, err := s.Versions(t.Context(), sel)
	if err != nil || len(got) != 3 || got[0].Version != "1.11" || got[2].Version != "1.9" || !got[2].First.Equal(today()) || !got[2].Last.Equal(today().Add(10*time.Minute)) {
		t.Errorf("versions %+v, %v", got, err)
	}
	sel.Versions = []string{"1.9"}
	if got, _, err := s.Versions(t.Context(), sel); err != nil || len(got) != 1 {
		t.Errorf("versions of one version %+v, %v", got, err)
	}
}
