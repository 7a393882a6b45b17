package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

func TestRollupEqualsSamples(t *testing.T) {
	s := storetest.Open(t, noSkew)
	from := today()
	m := newMaker("cart", 0)
	m.length = 10 * time.Minute
	var windows []*profile.Window
	for i := range 24 { // four hours
		windows = append(windows, m.window(from.Add(time.Duration(i)*m.length)))
		insert(t, s, windows[i])
	}
	other := newMaker("checkout", 0).window(from)
	insert(t, s, other)

	// From a quarter past the first hour to ten past the last one.
	sel := selection("cart", profile.CPU, from.Add(15*time.Minute), 175*time.Minute)
	inside := func() (list []*profile.Window) {
		for _, w := range windows {
			if !w.Start.Before(sel.From) && w.Start.Before(sel.To) {
				list = append(list, w)
			}
		}
		return list
	}
	direct := read(t, s, sel)
	diff(t, "from samples", merged(profile.CPU, inside()...), direct)

	rollUp(t, s, from, 5)
	diff(t, "from the roll-up", direct, read(t, s, sel))
	before, err := s.Sums(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.RollupDue(t.Context(), from.Add(24*time.Hour)); n != 0 || err != nil {
		t.Errorf("%d hours (%v) rolled up again though nothing has come", n, err)
	}

	late := newMaker("cart", 9)
	late.length = m.length
	windows = append(windows, late.window(from.Add(70*time.Minute)))
	insert(t, s, windows[len(windows)-1])
	after := read(t, s, sel)
	diff(t, "with a late window", merged(profile.CPU, inside()...), after)
	rollUp(t, s, from, 1)
	diff(t, "rolled up again", after, read(t, s, sel))
	repeated, err := s.Sums(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	if repeated.Sides[0].Total == before.Sides[0].Total {
		t.Error("the late window is not in the total")
	}
	// It is the roll-up that is read: without its rows the sums do not agree with
	// the ledgers, and samples are read after all.
	if err := s.Conn().Exec(t.Context(), s.SQL("TRUNCATE TABLE @.samples_1h_by_version")); err != nil {
		t.Fatal(err)
	}
	without, err := s.Sums(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	if without.Sides[0].Total != repeated.Sides[0].Total || without.Cost.Queries <= repeated.Cost.Queries {
		t.Errorf("total %+v without the roll-up in %d queries, %+v with it in %d", without.Sides[0].Total, without.Cost.Queries, repeated.Sides[0].Total, repeated.Cost.Queries)
	}
}

// rollUp rolls up so many hours of the day.
func rollUp(t testing.TB, s *store.Store, day time.Time, want int) {
	t.Helper()
	var hours int
	deadline := time.Now().Add(time.Minute)
	for hours < want && time.Now().Before(deadline) { // an hour waits for the skew to pass
		n, err := s.RollupDue(context.Background(), day.Add(24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		hours += n
	}
	if hours != want {
		t.Fatalf("%d hours rolled up, want %d", hours, want)
	}
}

// Whatever is selected, by version or in all, the roll-up has what samples have.
func TestRollupByVersionEqualsSamples(t *testing.T) {
	s := storetest.Open(t, noSkew)
	from, random := today(), rand.New(rand.NewPCG(3+*seed, 4))
	const hours, pods = 4, 5
	for pod := range pods {
		m := newMaker("cart", pod)
		m.length, m.stacks = 10*time.Minute, 20
		for i := range hours * 6 {
			m.target.Version = fmt.Sprintf("v%d", random.IntN(3)) // even of one target
			if random.IntN(4) > 0 {
				insert(t, s, m.window(from.Add(time.Duration(i)*m.length)))
			}
		}
	}
	versions := [][]string{nil, {"v0"}, {"v1"}, {"v2", "v0"}, {"v1", "no such version"}, {"no such version"}}
	var selections []store.Selection
	for range 12 {
		first := time.Duration(random.IntN(hours * 60))
		one := selection("cart", profile.Types()[random.IntN(len(profile.Types()))], from.Add(first*time.Minute), time.Duration(1+random.IntN(hours*60))*time.Minute)
		one.Versions = versions[random.IntN(len(versions))]
		selections = append(selections, one)
	}
	for _, v := range versions {
		one := selection("cart", profile.CPU, from, hours*time.Hour)
		one.Versions = v
		selections = append(selections, one)
	}
	var want []profile.StackSet
	for _, one := range selections {
		want = append(want, read(t, s, one))
	}
	rollUp(t, s, from, hours)
	for i, one := range selections {
		diff(t, fmt.Sprintf("%+v", one), want[i], read(t, s, one))
	}
	if err := s.Conn().Exec(t.Context(), s.SQL("TRUNCATE TABLE @.samples")); err != nil {
		t.Fatal(err)
	}
	for i, one := range selections[len(selections)-len(versions):] { // whole hours need no samples
		diff(t, fmt.Sprintf("%+v without samples", one), want[len(want)-len(versions)+i], read(t, s, one))
	}
}

// An hour that cannot be rolled up keeps no other one waiting, and is tried again
// later only.
func TestRollupPassesOverWhatFails(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := storetest.Open(t, noSkew, func(c *store.Config) { c.Registry = registry })
	from := today()
	for i, service := range []string{"a", "broken", "z"} {
		m := newMaker(service, i)
		for hour := range 3 {
			insert(t, s, m.window(from.Add(time.Duration(hour)*time.Hour)))
		}
	}
	exec(t, s, "ALTER TABLE @.samples_1h_by_version ADD CONSTRAINT whole CHECK service != 'broken'")
	var done int
	var failed error
	for deadline := time.Now().Add(time.Minute); done < 6 && time.Now().Before(deadline); { // hours wait for the skew to pass
		n, err := s.RollupDue(t.Context(), from.Add(24*time.Hour))
		if done += n; err != nil {
			failed = err
		}
	}
	if done != 6 || failed == nil || !strings.Contains(failed.Error(), `of service "broken"`) {
		t.Errorf("%d hours rolled up (%v), want 6 and an error about the service that is broken", done, failed)
	}
	const failures = "podflame_store_rollup_failures_total"
	if n := gathered(t, registry, failures); n != 3 {
		t.Errorf("%v failures, want 3: each hour is tried once", n)
	}
	exec(t, s, "ALTER TABLE @.samples_1h_by_version DROP CONSTRAINT whole")
	if n, err := s.RollupDue(t.Context(), from.Add(24*time.Hour)); n != 0 || err != nil {
		t.Errorf("%d hours tried again at once (%v)", n, err)
	}
	if n, err := s.RollupDue(t.Context(), from.Add(25*time.Hour)); n != 3 || err != nil {
		t.Errorf("%d hours rolled up later (%v), want 3", n, err)
	}
}

// A target that runs for longer than data is kept has the same stacks each day. They
// are there without the day on which they were new.
func TestStacksOutliveTheirFirstDay(t *testing.T) {
	s := storetest.Open(t)
	first := newMaker("cart", 0).window(today().Add(-5 * 24 * time.Hour))
	last := *first
	last.Start, last.End = today(), today().Add(first.End.Sub(first.Start))
	last.ID = profile.NewWindowID(last.Target.SeriesID(), last.Session, last.Start)
	if a, b := insert(t, s, first), insert(t, s, &last); a.NewStacks == 0 || a.NewStacks != b.NewStacks {
		t.Errorf("%d stacks are written on the first day and %d on the last, want the same", a.NewStacks, b.NewStacks)
	}
	for _, table := range []string{"samples", "profiles", "stacks", "functions"} {
		exec(t, s, fmt.Sprintf("ALTER TABLE @.%s DROP PARTITION '%s'", table, first.Start.Format(time.DateOnly)))
	}
	diff(t, "the last day", merged(profile.CPU, &last), read(t, s, selection("cart", profile.CPU, today(), time.Hour)))
}

func TestRetention(t *testing.T) {
	database := ""
	s := storetest.Open(t, func(c *store.Config) { database = c.DSN[strings.LastIndex(c.DSN, "/")+1:] })
	old, fresh := newMaker("old", 0).window(today().Add(-9*24*time.Hour)), newMaker("fresh", 0).window(today())
	for _, w := range []*profile.Window{old, fresh} {
		w.Target.Service = "cart"
		insert(t, s, w)
	}
	if err := s.Conn().Exec(t.Context(), s.SQL("OPTIMIZE TABLE @.samples FINAL")); err != nil {
		t.Fatal(err)
	}
	want := uint64(len(profile.Types()) * 50)
	deadline := time.Now().Add(time.Minute)
	for count(t, s, "samples") > want && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if rows := count(t, s, "samples"); rows > want || rows == 0 {
		t.Errorf("%d rows are left, want those of one window (at most %d)", rows, want)
	}

	server := storetest.Server(t)
	shorter, err := store.Open(store.Config{DSN: server.DSN() + "/" + database, Dial: server.Dial, RetentionDays: 2, Unscoped: true, Limits: store.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = shorter.Close() }()
	if err := shorter.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var tables uint64
	err = s.Conn().QueryRow(t.Context(), "SELECT count() FROM system.tables WHERE database = '"+database+"' AND engine_full LIKE '%toIntervalDay(2%'").Scan(&tables)
	if err != nil || tables != 11 {
		t.Errorf("%d tables keep data for 2 days (%v), want 11", tables, err)
	}
}

func TestOpenRefusesBadConfigurations(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  store.Config
		want string
	}{
		{"no retention", store.Config{DSN: "clickhouse://h:9000"}, "retention of 0 days"},
		{"long retention", store.Config{DSN: "clickhouse://h:9000", RetentionDays: 8}, "not within 1 to 7"},
		{"HTTP", store.Config{DSN: "http://h:8123", RetentionDays: 7}, "native protocol"},
		{"not a DSN", store.Config{DSN: "h", RetentionDays: 7}, "it reads clickhouse://"},
		{"limits", store.Config{DSN: "clickhouse://h:9000", RetentionDays: 7}, "limit InsertTimeout of the store is 0"},
		{"database", store.Config{DSN: "clickhouse://h:9000/a`;DROP", RetentionDays: 7}, "not a plain name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := store.Open(test.cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Open = %v, want an error with %q", err, test.want)
			}
		})
	}
}
