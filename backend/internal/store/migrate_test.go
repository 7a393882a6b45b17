package store_test

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// The roll-up of before versions were told apart is dropped, and made anew from
// the samples.
func TestRollupFromBeforeVersions(t *testing.T) {
	now := storetest.Open(t, noSkew)
	windows := []*profile.Window{newMaker("cart", 0).window(today()), newMaker("cart", 1).window(today())}
	for _, w := range windows {
		insert(t, now, w)
	}
	old := openAt(t, 11)
	for _, table := range []string{"samples", "profiles", "stacks", "functions"} {
		columns := map[string]string{"samples": "* EXCEPT (thread)"}[table]
		exec(t, old, "INSERT INTO @."+table+now.SQL(" SELECT "+cmp.Or(columns, "*")+" FROM @."+table))
	}
	hour := today().Truncate(time.Hour).Unix()
	exec(t, old, `INSERT INTO @.samples_1h (cluster, namespace, service, type, bucket, stack_id, value, count, version)
SELECT cluster, namespace, service, type, toStartOfHour(window_start), stack_id, sum(value), sum(count), 1 FROM @.samples GROUP BY ALL`)
	exec(t, old, fmt.Sprintf("INSERT INTO @.rollups VALUES ('c1', 'shop', 'cart', toDateTime(%d, 'UTC'), now64(3))", hour))
	for range 2 { // again, as another backend does
		if err := old.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	one := selection("cart", profile.CPU, today().Truncate(time.Hour), time.Hour)
	one.Versions = []string{"v1"}
	diff(t, "before the hour is rolled up anew", merged(profile.CPU, windows[1]), read(t, old, one))
	rollUp(t, old, today(), 1)
	exec(t, old, "TRUNCATE TABLE @.samples")
	diff(t, "by version", merged(profile.CPU, windows[1]), read(t, old, one))
	one.Versions = nil
	diff(t, "of all versions", merged(profile.CPU, windows...), read(t, old, one))
}

// openAt returns a store whose tables are of an earlier version.
func openAt(t *testing.T, version int64) *store.Store {
	t.Helper()
	old := openOn(t, "t_"+strings.ToLower(rand.Text()))
	if err := old.MigrateTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	return old
}

// openOn returns a store on a database, as it is.
func openOn(t *testing.T, database string) *store.Store {
	t.Helper()
	server := storetest.Server(t)
	limits := store.DefaultLimits()
	limits.QueryTimeout, limits.InsertTimeout, limits.Migration = 5*time.Minute, time.Minute, 5*time.Minute // a slow machine is not what is tested
	limits.CommitDelay = time.Millisecond
	s, err := store.Open(store.Config{
		DSN: server.DSN() + "/" + database, Dial: server.Dial, RetentionDays: store.MaxRetentionDays, ClockSkew: time.Millisecond, Unscoped: true,
		Limits: limits,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func exec(t testing.TB, s *store.Store, statement string) {
	t.Helper()
	if err := s.Conn().Exec(t.Context(), s.SQL(statement)); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// What was stored before samples had commits is found, read and known again.
func TestDataFromBeforeCommits(t *testing.T) {
	now := storetest.Open(t)
	w := newMaker("cart", 0).window(today())
	insert(t, now, w)

	old := openAt(t, 10)
	for _, table := range []string{"samples", "profiles", "stacks", "functions"} {
		columns := map[string]string{"samples": "* EXCEPT (commit_id, thread)", "profiles": "* EXCEPT (commit_id, content)"}[table]
		statement := old.SQL("INSERT INTO @."+table) + now.SQL(" SELECT "+cmp.Or(columns, "*")+" FROM @."+table)
		exec(t, old, statement)
	}
	if err := old.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOnce(t, old, "cart", w)
	if result := insert(t, old, w); !result.Duplicate || result.Conflict {
		t.Errorf("the window again: %+v, want a duplicate", result)
	}
	next := newMaker("cart", 1).window(today())
	insert(t, old, next)
	wantOnce(t, old, "cart", w, next)
}

// Backends may start at the same moment and need not agree on who makes the tables, or
// who brings those of an earlier version up to date: nobody waits for a lock.
func TestManyBackendsMigrateAtOnce(t *testing.T) {
	const backends = 3
	want := columns(t, storetest.Open(t))
	for name, version := range map[string]int64{"new tables": 0, "tables of an earlier version": 10} {
		t.Run(name, func(t *testing.T) {
			database := "t_" + strings.ToLower(rand.Text())
			first := openOn(t, database)
			if version > 0 {
				if err := first.MigrateTo(t.Context(), version); err != nil {
					t.Fatal(err)
				}
			}
			all := make([]*store.Store, backends)
			for i := range all {
				all[i] = openOn(t, database)
			}
			var started sync.WaitGroup
			for _, s := range all {
				started.Go(func() {
					if err := s.MigrateUntil(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			started.Wait()
			if got := columns(t, first); got != want {
				t.Errorf("the columns are\n%s\nwant\n%s", got, want)
			}
			var windows []*profile.Window
			for i, s := range all {
				w := newMaker("cart", i).window(today())
				insert(t, s, w)
				windows = append(windows, w)
			}
			wantOnce(t, first, "cart", windows...)
		})
	}
}

// columns are those of all tables.
func columns(t *testing.T, s *store.Store) (list string) {
	t.Helper()
	database := strings.TrimSuffix(s.SQL("@."), ".")
	statement := "SELECT arrayStringConcat(groupArray(concat(table, '.', name, ' ', type)), '\n') FROM (SELECT * FROM system.columns WHERE database = '" + database + "' ORDER BY table, position)"
	if err := s.Conn().QueryRow(t.Context(), statement).Scan(&list); err != nil || list == "" {
		t.Fatalf("columns of %s: %q, %v", database, list, err)
	}
	return list
}
