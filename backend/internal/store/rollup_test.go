package store_test

import (
	"strings"
	"testing"
	"time"

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

	rollup := func(want int) {
		t.Helper()
		var hours int
		deadline := time.Now().Add(20 * time.Second)
		for hours < want && time.Now().Before(deadline) { // an hour waits for the skew to pass
			n, err := s.RollupDue(t.Context(), from.Add(24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			hours += n
		}
		if hours != want {
			t.Fatalf("%d hours rolled up, want %d", hours, want)
		}
	}
	rollup(5)
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
	rollup(1)
	diff(t, "rolled up again", after, read(t, s, sel))
	repeated, err := s.Sums(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	if repeated.Total == before.Total {
		t.Error("the late window is not in the total")
	}
	// It is the roll-up that is read: without its rows two hours are missing.
	if err := s.Conn().Exec(t.Context(), s.SQL("TRUNCATE TABLE @.samples_1h")); err != nil {
		t.Fatal(err)
	}
	without, err := s.Sums(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	if without.Total.Value >= repeated.Total.Value {
		t.Errorf("total %d without the roll-up, %d with it: the roll-up is not used", without.Total.Value, repeated.Total.Value)
	}
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
	want := uint64(4 * 50)
	deadline := time.Now().Add(20 * time.Second)
	for count(t, s, "samples") > want && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if rows := count(t, s, "samples"); rows > want || rows == 0 {
		t.Errorf("%d rows are left, want those of one window (at most %d)", rows, want)
	}

	server := storetest.Server(t)
	shorter, err := store.Open(store.Config{DSN: server.DSN() + "/" + database, Dial: server.Dial, RetentionDays: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = shorter.Close() }()
	if err := shorter.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var tables uint64
	err = s.Conn().QueryRow(t.Context(), "SELECT count() FROM system.tables WHERE database = '"+database+"' AND engine_full LIKE '%toIntervalDay(2%'").Scan(&tables)
	if err != nil || tables != 8 {
		t.Errorf("%d tables keep data for 2 days (%v), want 8", tables, err)
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
