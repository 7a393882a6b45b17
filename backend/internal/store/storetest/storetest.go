// Package storetest gives tests a real embedded ClickHouse. The test binary
// re-executes itself as the server, so each package that uses it calls Main
// from its TestMain.
package storetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/podflame/podflame/backend/internal/store/embedded"
)

// Main runs the tests, or the server if this process is the child.
func Main(m *testing.M) {
	if code, isChild := embedded.RunChild(); isChild {
		os.Exit(code)
	}
	os.Exit(m.Run())
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
