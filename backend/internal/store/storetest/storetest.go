// Package storetest gives tests a store on a real embedded ClickHouse. The test
// binary re-executes itself as the server, so each package that uses it calls
// Main from its TestMain.
package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/embedded"
)

// shared is the server of the test binary, started by the first test that needs
// it. It is state of a package, as testing offers no other place for it.
var shared struct {
	sync.Mutex
	server *embedded.Server
	dir    string
}

// Main runs the tests, or the server if this process is the child.
func Main(m *testing.M) {
	if code, isChild := embedded.RunChild(); isChild {
		os.Exit(code)
	}
	os.Exit(Tests{m}.Run())
}

// Tests are those of a package whose TestMain does more than Main.
type Tests struct{ *testing.M }

// Run runs them, ends the server that they shared, and returns the exit code.
func (t Tests) Run() int {
	code := t.M.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

func stopShared() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := shared.server.Stop(ctx); err != nil {
		return err
	}
	return os.RemoveAll(shared.dir)
}

// Server returns the server that all tests of the binary share. Do not kill it;
// start one of your own for that.
func Server(tb testing.TB) *embedded.Server {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		return shared.server
	}
	dir, err := os.MkdirTemp("", "podflame-clickhouse-")
	if err != nil {
		tb.Fatal(err)
	}
	failures := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})) // also of its end between two tests
	server, err := embedded.Start(context.Background(), embedded.Config{
		Dir: dir, Library: Library(tb), Log: failures,
		StartTimeout: 5 * time.Minute, HangTimeout: 10 * time.Minute, // a slow machine is not what is tested
	})
	if err != nil {
		tb.Fatal(err)
	}
	shared.server, shared.dir = server, dir
	return server
}

// Open returns a store on a new database of the shared server, migrated. Both
// end with the test. Each of the changes may adapt the configuration.
func Open(tb testing.TB, changes ...func(*store.Config)) *store.Store {
	tb.Helper()
	return OpenOn(tb, Server(tb), changes...)
}

// OpenOn is Open on another server.
func OpenOn(tb testing.TB, server *embedded.Server, changes ...func(*store.Config)) *store.Store {
	tb.Helper()
	cfg := store.Config{DSN: server.DSN() + "/t_" + strings.ToLower(rand.Text()), Dial: server.Dial, RetentionDays: store.MaxRetentionDays, Unscoped: true, Limits: store.DefaultLimits()}
	cfg.Limits.CommitDelay = time.Millisecond // tests store one window after the other
	cfg.Limits.InsertTimeout = time.Minute    // and may be on a machine that is busy
	cfg.Limits.QueryTimeout = time.Minute
	cfg.Limits.Migration = 5 * time.Minute
	for _, change := range changes {
		change(&cfg)
	}
	s, err := store.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := s.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// Library returns the path of libchdb.so that `make setup` has installed. It
// ends the test if there is none: the real server is what is tested.
func Library(tb testing.TB) string {
	tb.Helper()
	path, err := findLibrary()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

func findLibrary() (string, error) {
	if path := os.Getenv("PODFLAME_CLICKHOUSE_LIBRARY"); path != "" {
		return path, nil
	}
	cache := os.Getenv("PODFLAME_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the cache of set-up: %w", err)
		}
		cache = filepath.Join(home, ".cache", "podflame")
	}
	matches, err := filepath.Glob(filepath.Join(cache, "clickhouse-*", "libchdb.so"))
	if err != nil || len(matches) == 0 {
		return "", fmt.Errorf("no libchdb.so under %s: run `make setup` first", cache)
	}
	return matches[len(matches)-1], nil
}
