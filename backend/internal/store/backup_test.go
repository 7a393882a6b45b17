package store_test

import (
	"crypto/rand"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// A database that comes back from a backup, as docs/operations.md says, answers as
// before: from samples, from roll-ups and for lists. It takes new windows, and
// knows those that it has.
func TestBackupAndRestore(t *testing.T) {
	database := "t_" + strings.ToLower(rand.Text())
	s := openOn(t, database)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := newMaker("cart", 0)
	first, second := m.window(today()), m.window(today().Add(90*time.Minute))
	insert(t, s, first)
	insert(t, s, second)
	rollUp(t, s, today(), 2)
	span := store.Range{From: today(), To: today().Add(4 * time.Hour)}
	list := func(s *store.Store) *store.Overview {
		t.Helper()
		list, err := s.Overview(t.Context(), store.ServiceFilter{Range: span}, span.From, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		list.Cost = store.Cost{}
		return list
	}
	before := list(s)

	admin := storetest.Open(t)
	for _, statement := range []string{
		"BACKUP DATABASE " + database + " TO Memory('" + database + "')",
		"DROP DATABASE " + database,
		"CREATE DATABASE " + database,
		"RESTORE DATABASE " + database + " FROM Memory('" + database + "')",
	} {
		exec(t, admin, statement)
	}

	restored := openOn(t, database)
	if err := restored.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := list(restored); len(after.Services) != 1 || !reflect.DeepEqual(before, after) {
		t.Errorf("the list was %+v, and is %+v", before, after)
	}
	third := m.window(today().Add(2 * time.Hour))
	insert(t, restored, third)
	if got := insert(t, restored, first); !got.Duplicate || got.Conflict {
		t.Errorf("a window of the backup is %+v", got)
	}
	minutes := selection("cart", profile.CPU, second.Start.Add(-time.Minute), 10*time.Minute)
	diff(t, "from samples", merged(profile.CPU, second), read(t, restored, minutes))
	exec(t, restored, "TRUNCATE TABLE @.samples")
	diff(t, "from roll-ups", merged(profile.CPU, first, second), read(t, restored, selection("cart", profile.CPU, today(), 2*time.Hour)))
}
