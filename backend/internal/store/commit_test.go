package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// insertTogether inserts windows at the same time and returns what became of each.
func insertTogether(s *store.Store, windows []*profile.Window) ([]store.Result, []error) {
	results, errs := make([]store.Result, len(windows)), make([]error, len(windows))
	var all sync.WaitGroup
	for i, w := range windows {
		all.Go(func() { results[i], errs[i] = s.Insert(context.Background(), w) })
	}
	all.Wait()
	return results, errs
}

// wantOnce checks that the store has these windows of a service and no others,
// each once, in graph, ledger and roll-up.
func wantOnce(t *testing.T, s *store.Store, service string, windows ...*profile.Window) {
	t.Helper()
	for _, typ := range profile.Types() {
		sel := selection(service, typ, today(), 2*time.Hour)
		diff(t, string(typ), merged(typ, windows...), read(t, s, sel))
		sums, err := s.Sums(t.Context(), sel)
		if err != nil {
			t.Fatal(err)
		}
		if side := sums.Sides[0]; side.Excess != (profile.Amount{}) || side.Total != side.Coverage.Ledger.Stored {
			t.Errorf("%s: total %+v, ledger %+v, excess %+v", typ, side.Total, side.Coverage.Ledger.Stored, side.Excess)
		}
		var blocks profile.Amount
		if _, err := s.Blocks(t.Context(), sel, 2, 2, func(b store.Block) error { blocks = blocks.Add(b.Total); return nil }); err != nil {
			t.Fatal(err)
		}
		if blocks != sums.Sides[0].Total {
			t.Errorf("%s: blocks sum to %+v, the graph to %+v", typ, blocks, sums.Sides[0].Total)
		}
	}
}

func TestWindowsThatArriveTogetherAreFewBlocks(t *testing.T) {
	var all []*profile.Window
	for pod := range 60 {
		all = append(all, newMaker("cart", pod).window(today()))
	}
	s, registry := openForGroup(t, all)
	before := gathered(t, registry, "podflame_store_blocks_total")
	results, errs := insertTogether(s, all)
	for i, r := range results {
		if errs[i] != nil || r.Duplicate || r.Rows == 0 {
			t.Errorf("window %d: %+v, %v", i, r, errs[i])
		}
	}
	wantOnce(t, s, "cart", all...)
	if blocks := gathered(t, registry, "podflame_store_blocks_total") - before; blocks > 4 {
		t.Errorf("%d windows were sent in %v blocks, want at most one for each of four tables", len(all), blocks)
	}
	var ids uint64
	if err := s.Conn().QueryRow(t.Context(), s.SQL("SELECT uniqExact(commit_id) FROM @.samples")).Scan(&ids); err != nil || ids != 1 {
		t.Errorf("%d ids for inserts without a failure, %v", ids, err)
	}
}

// Windows as ingest builds them keep what their stacks have in common once; they
// are stored whole, also where some stacks are known already.
func TestWindowsWithSharedStacks(t *testing.T) {
	s := storetest.Open(t)
	var all []*profile.Window
	for pod := range 4 {
		w := newMaker("cart", pod).window(today())
		encoded, err := profile.Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := profile.Unpack(encoded, profile.DefaultDecodeLimits())
		if err != nil {
			t.Fatal(err)
		}
		received, err := packed.Window()
		if err != nil {
			t.Fatal(err)
		}
		insert(t, s, received)
		if r := insert(t, s, w); !r.Duplicate || r.Conflict {
			t.Errorf("the window with whole stacks is another one: %+v", r)
		}
		all = append(all, w)
	}
	wantOnce(t, s, "cart", all...)
}

// openForGroup opens a store that writes these windows as one group, when all of
// them have arrived.
func openForGroup(t *testing.T, all []*profile.Window) (*store.Store, *prometheus.Registry) {
	t.Helper()
	registry, rows := prometheus.NewRegistry(), 0
	for _, w := range all {
		rows += len(allStacks(w))
	}
	s := storetest.Open(t, func(c *store.Config) {
		c.Registry, c.Limits.CommitDelay, c.Limits.CommitRows = registry, time.Hour, rows
	})
	insert(t, s, newMaker("first", 0).window(today())) // at once, as nothing came before
	return s, registry
}

func gathered(t testing.TB, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.Metric[0].GetCounter().GetValue() + family.Metric[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestGroupsAreBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	const rows, bytes = 70, 4_000 // of a block: less than a window
	s := storetest.Open(t, func(c *store.Config) {
		c.Registry, c.Limits.CommitDelay = registry, time.Hour
		c.Limits.CommitRows, c.Limits.CommitBytes, c.Limits.BlockBytes = rows, 2*bytes, bytes
	})
	insert(t, s, newMaker("cart", 0).window(today())) // at once, as nothing came before
	var all []*profile.Window
	least := 0 // blocks: of samples, headers and new stacks, which most are
	for pod := range 5 {
		w, packed := newMaker("cart", pod).window(today()), 0
		for _, stack := range allStacks(w) {
			packed += 8 * len(stack.Frames)
		}
		if all = append(all, w); pod > 0 { // that of the first is stored already
			least += (len(allStacks(w))+rows-1)/rows + 1 + packed/2/bytes
		}
	}
	before := gathered(t, registry, "podflame_store_blocks_total")
	// Each is a full group, which does not wait for the delay.
	if _, errs := insertTogether(s, all); errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	wantOnce(t, s, "cart", all...)
	if blocks := gathered(t, registry, "podflame_store_blocks_total") - before; int(blocks) < least {
		t.Errorf("%d windows were sent in %v blocks, want at least %d: some were larger than they may be", len(all), blocks, least)
	}
	if n := gathered(t, registry, "podflame_store_commit_queue_windows"); n != 0 {
		t.Errorf("%v windows in the queue", n)
	}
}

// A constraint stands for whatever ClickHouse may have against one window.
func TestOneBadWindowKeepsNoOtherOut(t *testing.T) {
	all := []*profile.Window{newMaker("bad", 0).window(today())}
	for pod := range 5 {
		all = append(all, newMaker("cart", pod).window(today()))
	}
	s, registry := openForGroup(t, all)
	if err := s.Conn().Exec(t.Context(), s.SQL("ALTER TABLE @.profiles ADD CONSTRAINT good CHECK service != 'bad'")); err != nil {
		t.Fatal(err)
	}
	_, errs := insertTogether(s, all)
	if errs[0] == nil {
		t.Error("the bad window was stored")
	}
	if err := errors.Join(errs[1:]...); err != nil {
		t.Errorf("others: %v", err)
	}
	wantOnce(t, s, "cart", all[1:]...)
	if n := gathered(t, registry, "podflame_store_isolated_total"); int(n) != len(all) {
		t.Errorf("%v windows were written one by one", n)
	}
}

func TestManyOfTheSameAtOnce(t *testing.T) {
	var cfg store.Config
	s := storetest.Open(t, func(c *store.Config) { cfg = *c })
	other, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	w := newMaker("cart", 0).window(today())
	var accepted atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			result, err := []*store.Store{s, other}[i%2].Insert(context.Background(), w)
			if err != nil || result.Conflict {
				t.Errorf("%+v, %v", result, err)
			}
			if !result.Duplicate {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	if n := accepted.Load(); n < 1 || n > 2 { // once by each, if neither knew of the other
		t.Errorf("%d of 40 were no duplicates", n)
	}
	wantOnce(t, s, "cart", w)
}

func TestIdentityOfAWindow(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	w := m.window(today())
	insert(t, s, w)
	want := map[profile.Type]profile.Amount{}
	for _, c := range w.Coverage {
		want[c.Type] = c.Stored
	}

	renamed := *w
	renamed.Target.Service = "other"
	_, err := s.Insert(t.Context(), &renamed)
	wantClass(t, "same id, other service", err, store.IDTaken, "another target, service or start")
	later := *w
	later.Start, later.End = w.Start.Add(time.Minute), w.End.Add(time.Minute)
	_, err = s.Insert(t.Context(), &later)
	wantClass(t, "same id, other time", err, store.IDTaken, "another target, service or start")

	rebuilt := m.window(today()) // of other samples
	if rebuilt.ID != w.ID {
		t.Fatal("not the same id")
	}
	result := insert(t, s, rebuilt)
	if !result.Duplicate || !result.Conflict || !cmp.Equal(result.Stored, want) {
		t.Errorf("same id, other content: %+v, want a conflict with %+v", result, want)
	}
	for pod := range 50 { // long after
		insert(t, s, newMaker("busy", pod).window(today()))
	}
	result = insert(t, s, w)
	if !result.Duplicate || result.Conflict || !cmp.Equal(result.Stored, want) {
		t.Errorf("the same again: %+v", result)
	}
	wantOnce(t, s, "cart", w)
	wantOnce(t, s, "other")
}

// Of two commits one counts, wherever it is asked for; and one that no header
// names counts nowhere.
func TestOneCommitOfAWindowCounts(t *testing.T) {
	s := storetest.Open(t, noSkew)
	m := newMaker("cart", 0)
	w, next := m.window(today()), m.window(today().Add(time.Minute))
	insert(t, s, w)
	insert(t, s, next)
	exec := func(statement string) {
		t.Helper()
		if err := s.Conn().Exec(t.Context(), s.SQL(statement)); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE @.kept AS @.profiles")
	exec("INSERT INTO @.kept SELECT * FROM @.profiles")
	exec("TRUNCATE TABLE @.profiles")
	insert(t, s, w) // as another backend that did not see the header yet
	wantOnce(t, s, "cart", w)
	exec("INSERT INTO @.profiles SELECT * FROM @.kept")
	wantOnce(t, s, "cart", w, next)
	if _, err := s.RollupDue(t.Context(), today().Add(25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	wantOnce(t, s, "cart", w, next)
	var rolled int64
	if err := s.Conn().QueryRow(t.Context(), s.SQL("SELECT sum(value) FROM @.samples_1h_by_version FINAL WHERE type = 'cpu'")).Scan(&rolled); err != nil {
		t.Fatal(err)
	}
	if want := merged(profile.CPU, w, next); rolled != want.Total().Value {
		t.Errorf("the roll-up has %d, want %d", rolled, want.Total().Value)
	}
	if rows, want := count(t, s, "samples"), len(allStacks(w))*2+len(allStacks(next)); rows != uint64(want) {
		t.Errorf("%d rows of samples, want %d: of two commits and of one", rows, want)
	}
}

func allStacks(w *profile.Window) (all []profile.Stack) {
	for i := range w.Sets {
		all = append(all, w.Sets[i].Stacks...)
	}
	return all
}

// No error is of our own making: on an engine that nobody disturbs every window is
// taken at the first try. BenchmarkInsertTogether has many more of them.
func TestNoWindowFailsOnAHealthyEngine(t *testing.T) {
	s := storetest.Open(t, patient, func(c *store.Config) { c.Limits.CommitDelay = 10 * time.Millisecond })
	const writers, each = 8, 60
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			m := newMaker("cart", writer)
			for i := range each {
				if _, err := s.Insert(context.Background(), m.window(today().Add(time.Duration(i)*time.Minute))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if rows := count(t, s, "profiles FINAL"); rows != writers*each*headers() {
		t.Errorf("%d headers, want %d", rows, writers*each*headers())
	}
}

// Two backends and an engine that is frozen beyond every timeout, so that each
// sends windows whose first insert may still happen.
func TestTwoBackendsOnAFrozenEngine(t *testing.T) {
	server := ownServer(t)
	var cfg store.Config
	patient := storetest.OpenOn(t, server, func(c *store.Config) { cfg = *c })
	another, err := store.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = another.Close() }()
	cfg.Limits.InsertTimeout = 700 * time.Millisecond
	var backends []*store.Store
	for range 2 {
		s, err := store.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		if err := s.Ping(t.Context()); err != nil { // a connection is there
			t.Fatal(err)
		}
		backends = append(backends, s)
	}
	var windows []*profile.Window
	for pod := range 6 {
		windows = append(windows, newMaker("cart", pod).window(today()))
	}
	if err := syscall.Kill(server.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, s := range backends {
			if _, errs := insertTogether(s, windows); errors.Join(errs...) == nil {
				t.Error("a frozen engine has taken windows")
			}
		}
	}
	if err := syscall.Kill(server.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, s := range []*store.Store{patient, another} {
		for _, w := range windows {
			all.Go(func() { insertUntil(t, s, w) })
		}
	}
	all.Wait()
	wantOnce(t, patient, "cart", windows...)
}

// cut is a connection that breaks after some bytes were sent, as those of a
// backend that is killed.
type cut struct {
	net.Conn
	left *atomic.Int64
}

func (c cut) Write(p []byte) (int, error) {
	if c.left.Add(-int64(len(p))) < 0 {
		_ = c.Close()
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(p)
}

// A backend may be killed at any moment of an insert; the sidecar then sends the
// window to the next one.
func TestWindowsOfAKilledBackend(t *testing.T) {
	var cfg store.Config
	next := storetest.Open(t, func(c *store.Config) { cfg = *c })
	var left atomic.Int64
	dial := cfg.Dial
	cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		return cut{conn, &left}, nil
	}
	var windows []*profile.Window
	stored, failed, whole := 0, 0, int64(0)
	for i := range 25 {
		w := newMaker("cart", i).window(today())
		windows = append(windows, w)
		left.Store(1 << 40)
		s, err := store.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Ping(t.Context()); err != nil { // the hand-shake is whole
			t.Fatal(err)
		}
		most := 200 + whole*int64(i)/20 // in the end more than an insert takes
		if whole == 0 {
			most = 1 << 40
		}
		left.Store(most)
		if _, err := s.Insert(t.Context(), w); err == nil {
			stored++
		} else if failed++; !store.IsRetryable(err) {
			t.Errorf("cut after %d bytes: %v", most, err)
		}
		if whole == 0 {
			whole = most - left.Load()
		}
		_ = s.Close()
		insertUntil(t, next, w)
	}
	if failed == 0 || stored == 0 {
		t.Errorf("%d inserts were cut, %d were not", failed, stored)
	}
	wantOnce(t, next, "cart", windows...)
}

// 20,000 stacks of 512 frames are what a sidecar sends at most by default.
func TestTheLargestWindowIsStored(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("deep", 0)
	m.types = nil
	w := m.window(today())
	limits := profile.DefaultLimits()
	b := profile.NewBuilder(profile.CPU, limits)
	frames := make([]uint32, limits.MaxDepth)
	for i := range frames {
		frames[i] = b.Function(fmt.Sprint("deep.Class.method", i), profile.Java)
	}
	for i := range limits.MaxStacks {
		frames[i%100], frames[100+i/100] = frames[100+i/100], frames[i%100]
		b.Add(frames, profile.Amount{Value: 1e7, Count: 1})
	}
	set, coverage := b.Build()
	w.Sets, w.Coverage = []profile.StackSet{set}, []profile.Coverage{coverage}
	insert(t, s, w)
	var value int64
	var stacks, bytes uint64
	err := s.Conn().QueryRow(t.Context(), s.SQL("SELECT (SELECT sum(value) FROM @.samples), count(), sum(length(frames)) FROM @.stacks")).Scan(&value, &stacks, &bytes)
	if err != nil || value != coverage.Stored.Value || stacks != uint64(limits.MaxStacks) || bytes != uint64(8*limits.MaxStacks*limits.MaxDepth) {
		t.Errorf("%d stacks of %d bytes with %d ns, %v; want %d of %d with %d", stacks, bytes, value, err, limits.MaxStacks, 8*limits.MaxStacks*limits.MaxDepth, coverage.Stored.Value)
	}
}
