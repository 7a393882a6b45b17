package store_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/embedded"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// ownServer starts a server that the test may kill.
func ownServer(t *testing.T) *embedded.Server {
	t.Helper()
	return startServer(t, embedded.Config{Dir: t.TempDir(), Library: storetest.Library(t)})
}

// startServer starts a server that ends with the test.
func startServer(t *testing.T, cfg embedded.Config) *embedded.Server {
	t.Helper()
	server, err := embedded.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return server
}

// insertUntil repeats an insert as a sidecar does.
func insertUntil(t *testing.T, s *store.Store, w *profile.Window) {
	deadline := time.Now().Add(4 * time.Minute) // that only a hang exceeds
	for {
		_, err := s.Insert(context.Background(), w)
		if err == nil {
			return
		}
		if !store.IsRetryable(err) || time.Now().After(deadline) {
			t.Errorf("insert of %s: %v", w.ID, err)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func count(t *testing.T, s *store.Store, table string) (rows uint64) {
	t.Helper()
	if err := s.Conn().QueryRow(context.Background(), s.SQL("SELECT count() FROM @."+table)).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestRepeatedWindowsCountOnce(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	w, later := m.window(today()), m.window(today().Add(time.Minute))
	if r := insert(t, s, w); r.Duplicate {
		t.Error("the first insert is a duplicate")
	}
	insert(t, s, later)
	for range 3 {
		if r := insert(t, s, w); !r.Duplicate {
			t.Error("a repetition is no duplicate")
		}
	}
	diff(t, "one after the other", merged(profile.CPU, w, later), read(t, s, selection("cart", profile.CPU, today(), time.Hour)))

	same := newMaker("checkout", 0).window(today())
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { insertUntil(t, s, same) })
	}
	all.Wait()
	diff(t, "16 at once", merged(profile.Lock, same), read(t, s, selection("checkout", profile.Lock, today(), time.Hour)))
	if rows := count(t, s, "profiles WHERE service = 'checkout'"); rows != headers() {
		t.Errorf("%d headers, want %d", rows, headers())
	}
}

// A backend that died between samples and headers has not acknowledged.
func TestRepetitionAfterHalfAnInsert(t *testing.T) {
	s := storetest.Open(t)
	w := newMaker("cart", 0).window(today())
	insert(t, s, w)
	if err := s.Conn().Exec(t.Context(), s.SQL("TRUNCATE TABLE @.profiles")); err != nil {
		t.Fatal(err)
	}
	if r := insert(t, s, w); r.Duplicate {
		t.Error("a window without headers counts as stored")
	}
	diff(t, "samples", merged(profile.CPU, w), read(t, s, selection("cart", profile.CPU, today(), time.Hour)))
	if rows := count(t, s, "profiles"); rows != headers() {
		t.Errorf("%d headers, want %d", rows, headers())
	}
}

func TestNothingIsLostOrDoubledWhenTheServerIsKilled(t *testing.T) {
	server := ownServer(t)
	s := storetest.OpenOn(t, server)
	const writers, each = 4, 20
	var windows []*profile.Window
	for writer := range writers {
		m := newMaker("cart", writer)
		for i := range each {
			windows = append(windows, m.window(today().Add(time.Duration(i)*time.Minute)))
		}
	}
	acknowledged := make(chan struct{}, len(windows))
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			for _, w := range windows[writer*each : (writer+1)*each] {
				insertUntil(t, s, w)
				acknowledged <- struct{}{}
			}
		})
	}
	for range 3 { // while inserts are under way
		for range len(windows) / 5 {
			<-acknowledged
		}
		pid := server.PID()
		if pid == 0 {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if server.Ends().Count == 0 {
		t.Error("the server was never restarted")
	}
	for _, typ := range profile.Types() {
		diff(t, string(typ), merged(typ, windows...), read(t, s, selection("cart", typ, today(), time.Hour)))
	}
	coverage, err := s.Coverage(t.Context(), selection("cart", profile.CPU, today(), each*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if want := (store.WindowCount{Expected: writers * each, Stored: writers * each}); coverage.Windows != want {
		t.Errorf("windows %+v, want %+v", coverage.Windows, want)
	}
	if err := coverage.Ledger.Check(); err != nil {
		t.Error(err)
	}
}

func TestFrozenServer(t *testing.T) {
	server := ownServer(t)
	var cfg store.Config
	patient := storetest.OpenOn(t, server, func(c *store.Config) { cfg = *c })
	cfg.Limits.InsertTimeout, cfg.Limits.QueryTimeout = time.Second, time.Second
	s, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	m := newMaker("cart", 0)
	first := m.window(today())
	insert(t, patient, first)
	for deadline := time.Now().Add(4 * time.Minute); s.Ping(t.Context()) != nil && time.Now().Before(deadline); { // a connection is there
		time.Sleep(10 * time.Millisecond)
	}
	if err := syscall.Kill(server.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w := m.window(today().Add(time.Minute))
	timesOut := func(what string, call func() error) {
		t.Helper()
		if err := call(); !store.IsRetryable(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want a retryable timeout", what, err)
		}
	}
	for i := range 3 { // first over a connection that is there, then over new ones
		timesOut(fmt.Sprintf("insert %d", i), func() error { _, err := s.Insert(t.Context(), w); return err })
		timesOut(fmt.Sprintf("query %d", i), func() error {
			_, err := s.Sums(t.Context(), selection("cart", profile.CPU, today(), time.Hour))
			return err
		})
	}
	if h := s.Health(t.Context()); h.Reachable || h.Error == "" {
		t.Errorf("health of a frozen server: %+v", h)
	}
	if err := syscall.Kill(server.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	insertUntil(t, patient, w)
	diff(t, "afterwards", merged(profile.CPU, first, w), read(t, patient, selection("cart", profile.CPU, today(), time.Hour)))
}

func TestErrorsWhileTheServerIsAway(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s, err := store.Open(store.Config{DSN: "clickhouse://u:p@127.0.0.1:1", RetentionDays: 7, Unscoped: true, Limits: store.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	_, err = s.Insert(t.Context(), newMaker("cart", 0).window(today()))
	if e, ok := errors.AsType[*store.Error](err); !ok || e.Class != store.Unavailable || e.RetryAfter == 0 || e.Reason() != profile.StoreUnavailable {
		t.Errorf("insert = %#v, want unavailable", err)
	}
	if _, err := s.Sums(t.Context(), selection("cart", profile.CPU, today(), time.Hour)); !store.IsRetryable(err) {
		t.Errorf("sums = %v, want retryable", err)
	}
	if err := s.Migrate(t.Context()); !store.IsRetryable(err) {
		t.Errorf("migrate = %v, want retryable", err)
	}
	if err := s.Ping(t.Context()); !store.IsRetryable(err) {
		t.Errorf("ping = %v, want retryable", err)
	}
	if h := s.Health(t.Context()); h.Reachable {
		t.Error("reachable")
	}
}

// Browsers give up queries all the time: that must not look like a ClickHouse
// that is away.
func TestGivenUpReadsAreNoErrors(t *testing.T) {
	registry := prometheus.NewRegistry()
	s, err := store.Open(store.Config{DSN: "clickhouse://u:p@127.0.0.1:1", RetentionDays: 7, Unscoped: true, Limits: store.DefaultLimits(), Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	unavailable := func(count int) {
		t.Helper()
		want := fmt.Sprintf("# HELP podflame_store_errors_total Operations on ClickHouse that failed, by class.\n"+
			"# TYPE podflame_store_errors_total counter\n"+
			"podflame_store_errors_total{class=\"bad_selection\"} 0\npodflame_store_errors_total{class=\"busy\"} 0\n"+
			"podflame_store_errors_total{class=\"id_taken\"} 0\npodflame_store_errors_total{class=\"overloaded\"} 0\npodflame_store_errors_total{class=\"refused\"} 0\n"+
			"podflame_store_errors_total{class=\"sum_too_large\"} 0\npodflame_store_errors_total{class=\"too_expensive\"} 0\npodflame_store_errors_total{class=\"unavailable\"} %d\n"+
			"podflame_store_errors_total{class=\"unknown_outcome\"} 0\npodflame_store_errors_total{class=\"unscoped\"} 0\n", count)
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "podflame_store_errors_total"); err != nil {
			t.Error(err)
		}
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if err := s.Ping(left); !errors.Is(err, context.Canceled) {
		t.Errorf("ping of a caller who left = %v", err)
	}
	unavailable(0)
	if err := s.Ping(t.Context()); !store.IsRetryable(err) {
		t.Errorf("ping = %v, want retryable", err)
	}
	unavailable(1)
}

// Whoever leaves ends the query in ClickHouse as well: it would have gone on for
// ten minutes.
func TestLeavingEndsTheQuery(t *testing.T) {
	s := storetest.Open(t, func(c *store.Config) { c.Limits.QueryTimeout = 20 * time.Minute })
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	ended := make(chan error, 1)
	go func() {
		ended <- s.Read(ctx, "SELECT sleepEachRow(1), '@.' FROM system.numbers LIMIT 600 SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0")
	}()
	waitForQueries(t, s, 1)
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the read ended with %v", err)
	}
	waitForQueries(t, s, 0)
}

// waitForQueries waits until so many queries of the store's database run, beside
// the one that asks.
func waitForQueries(t *testing.T, s *store.Store, want int64) {
	t.Helper()
	const patience = 5 * time.Minute // a slow machine is not what is tested
	statement := s.SQL("SELECT count() - 1 FROM system.processes WHERE query LIKE '%@.%'")
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var running int64
		if err := s.Conn().QueryRow(t.Context(), statement).Scan(&running); err != nil {
			t.Fatal(err)
		}
		if running == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d queries run, want %d", running, want)
		}
	}
}

// What goes on after its caller was answered shares nothing with the answer;
// the race detector watches.
func TestGivenUpReadsShareNothing(t *testing.T) {
	answered := make(chan struct{})
	s, err := store.Open(store.Config{DSN: "clickhouse://u:p@embedded:9000", RetentionDays: 7, Unscoped: true, Limits: store.DefaultLimits(),
		Dial: func(context.Context, string) (net.Conn, error) {
			<-answered // longer than the caller waits, and told by nobody
			return nil, embedded.ErrNotReady
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	list, _, _, err := s.Services(ctx, store.ServiceFilter{Range: store.Range{From: today(), To: today().Add(time.Hour)}})
	if !errors.Is(err, context.DeadlineExceeded) || list != nil {
		t.Errorf("services = %v, %v, want a timeout", list, err)
	}
	close(answered)
	if err := s.Close(); err != nil { // waits for what was given up
		t.Error(err)
	}
}

// A migration that takes too long says which flag to raise.
func TestMigrationTimeout(t *testing.T) {
	limits, answered := store.DefaultLimits(), make(chan struct{})
	limits.Migration = time.Millisecond
	s, err := store.Open(store.Config{DSN: "clickhouse://u:p@embedded:9000", RetentionDays: 7, Limits: limits,
		Dial: func(context.Context, string) (net.Conn, error) {
			<-answered
			return nil, embedded.ErrNotReady
		}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); !store.IsRetryable(err) || !strings.Contains(err.Error(), "--migration-timeout") {
		t.Errorf("migrate = %v, want a timeout that may be repeated", err)
	}
	close(answered)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStoreLeavesNoGoroutines(t *testing.T) {
	storetest.Server(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("store", func(t *testing.T) {
		s := storetest.Open(t)
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- s.Run(ctx) }()
		insert(t, s, newMaker("cart", 0).window(today()))
		canceled, cancelNow := context.WithCancel(t.Context())
		cancelNow()
		if _, err := s.Sums(canceled, selection("cart", profile.CPU, today(), time.Hour)); !errors.Is(err, context.Canceled) {
			t.Errorf("sums of a caller who left = %v", err)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}
