package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

func TestSamplesWithoutAHeaderAreRemoved(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	kept, lost := m.window(today()), m.window(today().Add(time.Minute))
	insert(t, s, kept)
	for range 2 { // the second time under an id of its own
		insert(t, s, lost)
		if err := s.Conn().Exec(t.Context(), s.SQL(fmt.Sprintf("DELETE FROM @.profiles WHERE window_start > toDateTime(%d)", kept.Start.Unix()))); err != nil {
			t.Fatal(err)
		}
	}
	wantOnce(t, s, "cart", kept)
	all, one := len(allStacks(kept))+2*len(allStacks(lost)), len(allStacks(kept))
	// Windows of the tests are of yesterday. Both commits began before now, which is a
	// border of what a sweep looks at: in whole seconds.
	now := time.Now().Add(time.Second)
	for _, step := range []struct {
		what    string
		at      time.Time
		removed int
		rows    int
	}{
		{"too early", now, 0, all},
		{"first sight", now.Add(4 * time.Hour), 0, all},
		{"not long after", now.Add(4*time.Hour + time.Minute), 0, all},
		{"still there an hour later", now.Add(5*time.Hour + time.Minute), 2 * len(profile.Types()), one}, // two commits
		{"nothing left", now.Add(7 * time.Hour), 0, one},
	} {
		removed, err := s.SweepDue(t.Context(), step.at)
		if err != nil || removed != step.removed {
			t.Errorf("%s: %d removed, %v; want %d", step.what, removed, err, step.removed)
		}
		if rows := count(t, s, "samples"); rows != uint64(step.rows) {
			t.Errorf("%s: %d rows, want %d", step.what, rows, step.rows)
		}
	}
	wantOnce(t, s, "cart", kept)
	insert(t, s, lost)
	wantOnce(t, s, "cart", kept, lost)
}

// A header that comes at last makes its samples count, and they stay.
func TestSamplesWhoseHeaderIsLateStay(t *testing.T) {
	s := storetest.Open(t)
	w := newMaker("cart", 0).window(today())
	insert(t, s, w)
	exec := func(statement string) {
		t.Helper()
		if err := s.Conn().Exec(t.Context(), s.SQL(statement)); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE @.kept AS @.profiles")
	exec("INSERT INTO @.kept SELECT * FROM @.profiles")
	exec("TRUNCATE TABLE @.profiles")
	if removed, err := s.SweepDue(t.Context(), time.Now().Add(4*time.Hour)); err != nil || removed != 0 {
		t.Fatalf("%d removed, %v", removed, err)
	}
	exec("INSERT INTO @.profiles SELECT * FROM @.kept")
	if removed, err := s.SweepDue(t.Context(), time.Now().Add(6*time.Hour)); err != nil || removed != 0 {
		t.Errorf("%d removed, %v", removed, err)
	}
	wantOnce(t, s, "cart", w)
}
