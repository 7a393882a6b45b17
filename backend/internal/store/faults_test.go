package store_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/embedded"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// fault is what may be wrong with a ClickHouse that is there.
type fault struct {
	name       string
	begin, end string                // statements
	meets      func(c *store.Config) // makes the backend that meets it
	code       int32
	hint       string
	class      store.Class
	oneByOne   bool // it may be about one of the windows
	queues     bool // a window may still wait behind the other one when its time is over
}

func faults() []fault {
	parameter := func(name, value string) func(*store.Config) {
		return func(c *store.Config) {
			separator := "?"
			if strings.Contains(c.DSN, "?") {
				separator = "&"
			}
			c.DSN += separator + name + "=" + value
		}
	}
	return []fault{
		{
			name: "too many parts", code: 252, hint: "cannot merge as fast",
			begin: "ALTER TABLE @.profiles MODIFY SETTING parts_to_delay_insert = 1, parts_to_throw_insert = 1",
			end:   "ALTER TABLE @.profiles RESET SETTING parts_to_delay_insert, parts_to_throw_insert",
		},
		{
			name: "no room on the disk", code: 243, hint: "disk of ClickHouse is full",
			begin: "ALTER TABLE @.samples MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000000",
			end:   "ALTER TABLE @.samples MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000",
		},
		{
			name: "read-only table", code: 774, hint: "read-only",
			begin: "ALTER TABLE @.profiles MODIFY SETTING table_readonly = 1",
			end:   "ALTER TABLE @.profiles MODIFY SETTING table_readonly = 0",
		},
		{
			name: "read-only user", code: 164, hint: "check the user, the password and the rights",
			meets: parameter("readonly", "1"),
		},
		{
			name: "no memory", code: 241, hint: "no memory to spare", oneByOne: true,
			meets: func(c *store.Config) {
				parameter("max_memory_usage", "1000")(c)
				parameter("max_untracked_memory", "1")(c)
			},
		},
		{
			name: "wrong password", code: 516, hint: "check the user, the password and the rights",
			meets: func(c *store.Config) {
				dsn, err := url.Parse(c.DSN)
				if err != nil {
					panic(err)
				}
				dsn.User = url.UserPassword(dsn.User.Username(), "wrong")
				c.DSN = dsn.String()
			},
		},
		{
			name: "slow", class: store.UnknownOutcome, queues: true,
			begin: "ALTER TABLE @.samples ADD CONSTRAINT slow CHECK sleep(2) = 0",
			end:   "ALTER TABLE @.samples DROP CONSTRAINT slow",
			meets: func(c *store.Config) { c.Limits.InsertTimeout = time.Second },
		},
	}
}

// Whatever is wrong with ClickHouse: windows are refused for now, with what is wrong
// and what to do, and counted; in the end each is there once, and those that were
// acknowledged before are duplicates.
func TestEveryWindowOnceWhateverIsWrongWithClickHouse(t *testing.T) {
	var common store.Config
	healthy := storetest.Open(t, func(c *store.Config) { common = *c })
	for i, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			cfg, registry, service := common, prometheus.NewRegistry(), fmt.Sprint("cart-", i)
			cfg.Registry = registry
			if f.meets != nil {
				f.meets(&cfg)
			}
			s, err := store.Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			windows := []*profile.Window{newMaker(service, 0).window(today()), newMaker(service, 1).window(today()), newMaker(service, 2).window(today())}
			insert(t, healthy, windows[0])
			if f.begin != "" {
				exec(t, healthy, f.begin)
			}
			_, errs := insertTogether(s, windows[1:])
			for _, err := range errs {
				wantFault(t, f, err)
			}
			queued := 0.0
			if f.queues {
				queued = failures(t, registry, store.Unavailable)
			}
			if n := failures(t, registry, f.class); n == 0 || n+queued != 2 {
				t.Errorf("%v failures of class %s are counted and %v in the queue, want 2", n, f.class, queued)
			}
			if n := exceptions(t, registry, f.code); f.code != 0 && n != 2 {
				t.Errorf("%v exceptions of code %d are counted, want 2", n, f.code)
			}
			if n := gathered(t, registry, "podflame_store_isolated_total"); (n > 0) && !f.oneByOne {
				t.Errorf("%v windows were written one by one, although none of them is at fault", n)
			}
			if f.end != "" {
				exec(t, healthy, f.end)
			}
			for _, w := range windows[1:] {
				insertUntil(t, healthy, w)
			}
			for _, w := range windows {
				if r := insert(t, healthy, w); !r.Duplicate || r.Conflict {
					t.Errorf("a stored window is no duplicate: %+v", r)
				}
			}
			wantOnce(t, healthy, service, windows...)
		})
	}
}

func wantFault(t *testing.T, f fault, err error) {
	t.Helper()
	e, ok := errors.AsType[*store.Error](err)
	if ok && f.queues && e.Class == store.Unavailable && strings.Contains(e.Error(), "still in the queue") && e.RetryAfter > 0 {
		return
	}
	if !ok || e.Class != f.class || e.Code != f.code || !strings.Contains(e.Hint, f.hint) || e.RetryAfter == 0 || e.Reason() != profile.StoreUnavailable {
		t.Errorf("refused by %+v, want class %s, code %d, %q", err, f.class, f.code, f.hint)
	}
}

// failures are the errors of a class that were counted, and exceptions those of a code.
func failures(t *testing.T, registry *prometheus.Registry, class store.Class) float64 {
	t.Helper()
	return counted(t, registry, "podflame_store_errors_total", class.String())
}

func exceptions(t *testing.T, registry *prometheus.Registry, code int32) float64 {
	t.Helper()
	return counted(t, registry, "podflame_store_exceptions_total", fmt.Sprint(code))
}

// counted is what a metric has counted under its only label.
func counted(t *testing.T, registry *prometheus.Registry, name, label string) (n float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.Metric {
			if m.Label[0].GetValue() == label {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// A disk that is full to the last byte.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("podflame-test", dir, "tmpfs", 0, "size=96m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	server := startServer(t, embedded.Config{Dir: dir, Library: storetest.Library(t), StartTimeout: 5 * time.Minute, HangTimeout: 10 * time.Minute})
	s := storetest.OpenOn(t, server)
	for _, table := range []string{"functions", "stacks", "samples", "profiles"} { // else it refuses before
		exec(t, s, fmt.Sprintf("ALTER TABLE @.%s MODIFY SETTING min_free_disk_bytes_to_perform_insert = 0", table))
	}
	m := newMaker("cart", 0)
	before, w := m.window(today()), m.window(today().Add(time.Minute))
	insert(t, s, before)
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	_, err := s.Insert(t.Context(), w)
	if e, ok := errors.AsType[*store.Error](err); !ok || e.Class != store.Unavailable || !strings.Contains(e.Hint, "disk of ClickHouse is full") {
		t.Errorf("insert = %v, want that the disk is full", err)
	}
	diff(t, "full disk", merged(profile.CPU, before), read(t, s, selection("cart", profile.CPU, today(), time.Hour)))
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	insertUntil(t, s, w)
	wantOnce(t, s, "cart", before, w)
}

// A disk that becomes read-only beneath ClickHouse, as a file system does after an
// error of its device.
func TestReadOnlyDisk(t *testing.T) {
	dir, registry := t.TempDir(), prometheus.NewRegistry()
	server := startServer(t, embedded.Config{Dir: dir, Library: storetest.Library(t), StartTimeout: 5 * time.Minute, HangTimeout: 10 * time.Minute})
	s := storetest.OpenOn(t, server, func(c *store.Config) { c.Registry = registry })
	m := newMaker("cart", 0)
	before, w := m.window(today()), m.window(today().Add(time.Minute))
	insert(t, s, before)
	writable := storetest.ReadOnly(t, filepath.Join(dir, "clickhouse"))
	_, err := s.Insert(t.Context(), w)
	wantFault(t, fault{class: store.Unavailable, code: 1001, hint: "disk of ClickHouse is read-only"}, err)
	if n, alone := failures(t, registry, store.Unavailable), gathered(t, registry, "podflame_store_isolated_total"); n != 1 || alone != 0 {
		t.Errorf("%v failures are counted, and %v windows were written one by one", n, alone)
	}
	diff(t, "read-only disk", merged(profile.CPU, before), read(t, s, selection("cart", profile.CPU, today(), time.Hour)))
	writable()
	insertUntil(t, s, w)
	wantOnce(t, s, "cart", before, w)
}

// A ClickHouse that has no memory left for anybody.
func TestServerOutOfMemory(t *testing.T) {
	cfg := embedded.Config{Dir: t.TempDir(), Library: storetest.Library(t), StartTimeout: 5 * time.Minute, HangTimeout: 10 * time.Minute}
	m, registry := newMaker("cart", 0), prometheus.NewRegistry()
	before, w := m.window(today()), m.window(today().Add(time.Minute))
	server := startServer(t, cfg)
	var common store.Config
	insert(t, storetest.OpenOn(t, server, func(c *store.Config) { common = *c }), before)
	database := common.DSN[len(server.DSN()):]
	restart := func(memory int64) *store.Store {
		t.Helper()
		if err := server.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		cfg.ServerMemory = memory
		server = startServer(t, cfg)
		common.DSN, common.Dial = server.DSN()+database, server.Dial
		s, err := store.Open(common)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	common.Registry = registry
	s := restart(1)
	_, err := s.Insert(t.Context(), w)
	wantFault(t, fault{class: store.Unavailable, code: 241, hint: "no memory to spare"}, err)
	if n, alone := failures(t, registry, store.Unavailable), gathered(t, registry, "podflame_store_isolated_total"); n != 1 || alone != 0 {
		t.Errorf("%v failures are counted, and %v windows were written one by one", n, alone)
	}
	_, err = s.Sums(t.Context(), selection("cart", profile.CPU, today(), time.Hour))
	wantClass(t, "a query", err, store.Unavailable, "no memory to spare")
	common.Registry = nil
	s = restart(0)
	insertUntil(t, s, w)
	wantOnce(t, s, "cart", before, w)
}

// fill writes a file until there is no room for a byte more.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
