package store_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

var update = flag.Bool("update", false, "write the golden statements anew")

// seed makes other fleets and questions for the tests that hold roll-ups and activity
// against what they are made of.
var seed = flag.Uint64("seed", 0, "of random windows and questions")

// statements is a log that keeps the statements of reads.
type statements struct {
	slog.Handler
	mu   sync.Mutex
	seen []string
}

func (s *statements) Enabled(context.Context, slog.Level) bool { return true }

func (s *statements) Handle(_ context.Context, r slog.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "statement" {
			s.seen = append(s.seen, a.Value.String())
		}
		return true
	})
	return nil
}

// take returns the statements since it was called last, each once, sorted.
func (s *statements) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Compact(slices.Sorted(slices.Values(s.seen)))
	s.seen = nil
	return list
}

// Every statement that a read of people causes reads, of the tables with a
// namespace, the rows of its scope only: of the present, and of a day that is
// closed. The golden file shows those of the latter as ClickHouse gets them.
func TestStatementsOfAScope(t *testing.T) {
	log := &statements{Handler: slog.DiscardHandler}
	keep := func(c *store.Config) { c.Log = slog.New(log) }
	for _, end := range []time.Time{time.Now().UTC().Truncate(time.Minute), today().Add(10 * time.Minute)} {
		db, span := scopedAt(t, end, keep)
		gapInto(t, db, span.From)
		database := strings.TrimSuffix(db.SQL("@."), ".")
		log.take()
		var golden strings.Builder
		all := reads(db, span)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if _, err := all[name](access.Into(t.Context(), access.Of("shop"))); err != nil {
				t.Fatal(err)
			}
			list := log.take()
			if len(list) == 0 {
				t.Errorf("%s sends no statement", name)
			}
			for _, statement := range list {
				if tables := unnarrowed(statement, database); len(tables) > 0 {
					t.Errorf("%s reads %q past its scope:\n%s", name, tables, statement)
				}
			}
			golden.WriteString(inFile(name, list, database))
		}
		if end.Equal(today().Add(10 * time.Minute)) {
			compareGolden(t, "testdata/statements.sql", golden.String())
		}
	}
}

// gapInto stores a window without a recording that reaches into what is after a time.
func gapInto(t *testing.T, db *store.Store, from time.Time) {
	t.Helper()
	target := profiletest.Target("checkout", "pod-shop")
	target.Namespace, target.PodUID = "shop", "uid-shop"
	w := profiletest.Window(profiletest.Options{Start: from.Add(-10 * time.Minute), Target: target})
	w.End, w.Sets, w.Coverage, w.Recorded = from.Add(10*time.Minute), nil, nil, profile.Span{}
	w.Losses = []profile.Loss{{Outcome: profile.Dropped, Reason: profile.SidecarRestarted, Duration: 20 * time.Minute}}
	if _, err := db.Insert(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// inFile is how the statements of a read stand in the golden file.
func inFile(name string, list []string, database string) string {
	for i, statement := range list {
		list[i] = anyTime(strings.ReplaceAll(statement, database+".", "@."))
	}
	return "---- " + name + "\n" + strings.Join(slices.Compact(slices.Sorted(slices.Values(list))), ";\n\n") + ";\n\n"
}

// unnarrowed are the tables that a statement reads beyond the scope.
func unnarrowed(statement, database string) (tables []string) {
	narrowed := regexp.MustCompile(`\(SELECT \* FROM ` + database + `\.\w+( FINAL)? WHERE namespace IN \{readable:Array\(String\)\}\)`)
	rest := strings.ReplaceAll(narrowed.ReplaceAllString(statement, "(narrowed)"), "ARRAY JOIN", "")
	shared := regexp.MustCompile(`^` + database + `\.(functions|stacks|ingest_events|activity_known)$`)
	for _, found := range regexp.MustCompile(`(?:\b(?:FROM|JOIN) +([\w.]+))|\b((?:system|`+database+`)\.\w+)`).FindAllStringSubmatch(rest, -1) {
		if table := found[1] + found[2]; !shared.MatchString(table) {
			tables = append(tables, table)
		}
	}
	return tables
}

func TestUnnarrowedTablesAreFound(t *testing.T) {
	for statement, want := range map[string][]string{
		"SELECT 1 FROM (SELECT * FROM db.profiles FINAL WHERE namespace IN {readable:Array(String)}) AS p": nil,
		"SELECT 1 FROM db.stacks WHERE stack_id IN ids":                                                    nil,
		"SELECT 1 FROM db.profiles": {"db.profiles"},
		"SELECT 1 WHERE 1 IN (SELECT 1 FROM db.samples WHERE namespace IN {readable:Array(String)})": {"db.samples"},
		"SELECT 1 FROM a JOIN db.targets AS t":                                                       {"a", "db.targets"},
		"SELECT 1 FROM merge('db', 'samples')":                                                       {"merge"},
		"SELECT 1 FROM system.parts":                                                                 {"system.parts"},
	} {
		if diff := gocmp.Diff(want, unnarrowed(statement, "db")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", statement, diff)
		}
	}
}

// anyTime takes out what differs from run to run.
func anyTime(statement string) string {
	statement = regexp.MustCompile(`\b1\d{9}(\d{3})?\b`).ReplaceAllString(statement, "<time>")
	return regexp.MustCompile(`'\d{4}-\d\d-\d\d'`).ReplaceAllString(statement, "'<day>'")
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs; if that is meant, run this test with -update (-want +got):\n%s", path, diff)
	}
}

// Every method of the store either is tried by the tests of the scope or is
// named here.
func TestEveryReadOfTheStoreIsTried(t *testing.T) {
	tried := map[string]bool{}
	for name := range reads(nil, store.Range{}) {
		tried[strings.Fields(name)[0]] = true
	}
	others := map[string]string{
		"Insert": "writes", "PutTargets": "writes", "Record": "writes", "Migrate": "writes", "MigrateUntil": "writes",
		"Announce": "reads nothing", "Run": "the store's own work", "Close": "reads nothing", "Retention": "reads nothing", "Ping": "reads no row",
		"Health": "sizes and times of the whole installation", "Events": "sums of the whole installation",
		"Storage":    "sizes of the whole installation",
		"Namespaces": "what a scope is worked out from",
		"RollupDue":  "of tests", "SumActivity": "of tests", "MakeRoom": "of tests", "Limit": "of tests", "NoteWrite": "of tests", "SweepDue": "of tests", "MigrateTo": "of tests", "Statements": "of tests", "Through": "of tests", "Conn": "of tests", "SQL": "of tests", "ForgetStacks": "of tests", "Read": "of tests", "FlushEvents": "of tests",
	}
	methods := reflect.TypeFor[*store.Store]()
	for method := range methods.Methods() {
		if name := method.Name; !tried[name] && others[name] == "" {
			t.Errorf("Store.%s is not among the reads that the tests of the scope try", name)
		}
	}
}

// A scope costs nothing: ClickHouse reads the same rows as without one.
func TestScopeReadsNoMoreRows(t *testing.T) {
	db := storetest.Open(t)
	day := today().Truncate(24 * time.Hour)
	for _, namespace := range []string{"bank", "shop"} {
		for _, statement := range []string{
			`INSERT INTO @.samples SELECT 'c1', '%s', concat('s', toString(intDiv(number, 60000))), 'cpu', toDateTime(%d, 'UTC') + 60 * (intDiv(number, 100) %% 600), 60, 7, number %% 100 + 1, 1, 1, 0, '' FROM numbers(240000)`,
			`INSERT INTO @.profiles (cluster, namespace, service, type, window_start, duration_s, series_id, window_id, types, stored_value, stored_count, recorded_end_ns)
SELECT 'c1', '%s', concat('s', toString(intDiv(number, 600))), arrayJoin(['', 'cpu']) AS t, toDateTime(%d, 'UTC') + 60 * (number %% 600), 60, 7, toString(number), ['cpu'], if(t = '', 0, 100), if(t = '', 0, 100), 1 FROM numbers(2400)`,
		} {
			if err := db.Conn().Exec(t.Context(), db.SQL(fmt.Sprintf(statement, namespace, day.Unix()))); err != nil {
				t.Fatal(err)
			}
		}
	}
	sel := store.Selection{ServiceKey: store.ServiceKey{Cluster: "c1", Namespace: "shop", Service: "s2"}, Type: profile.CPU, Range: store.Range{From: day, To: day.Add(time.Hour)}}
	cost := func(scope access.Scope) (rows uint64) {
		sums, err := db.Sums(access.Into(t.Context(), scope), sel)
		if err != nil {
			t.Fatal(err)
		}
		if sums.Sides[0].Total != (profile.Amount{Value: 6000, Count: 6000}) || sums.Sides[0].Excess != (profile.Amount{}) {
			t.Fatalf("the sum within %v is %+v", scope, sums.Sides[0])
		}
		return sums.Cost.RowsRead
	}
	free := cost(access.Everything())
	for _, scope := range []access.Scope{access.Of("shop"), access.Of("bank", "shop", "nowhere")} {
		if rows := cost(scope); cmp.Compare(rows, free) > 0 || free > 200_000 {
			t.Errorf("%d rows are read within %v, %d without a limit, of 480000", rows, scope, free)
		}
	}
}
