package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/podflame/podflame/backend/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func parsed(t *testing.T, arguments ...string) (*serveCmd, error) {
	t.Helper()
	var line commandLine
	parser, err := kong.New(&line, kong.Name("backend"), kong.Exit(func(int) { t.Fatal("kong exits") }))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"serve"}, arguments...))
	return &line.Serve, err
}

func TestDefaultsAreThoseOfTheDesign(t *testing.T) {
	c, err := parsed(t)
	if err != nil {
		t.Fatal(err)
	}
	if !onlyLocal(c.Listen.Listen) {
		t.Errorf("listens on %s", c.Listen.Listen)
	}
	in, q, s := c.ingestLimits(), c.queryLimits(), c.storeLimits()
	if in.Decode.MaxEncoded != 8<<20 || in.Decode.MaxDecoded != 64<<20 || in.Decode.MaxStacks != 50_000 || in.BytesInFlight != 256<<20 {
		t.Errorf("ingest limits %+v", in)
	}
	if q.Nodes != 8192 || q.MaxNodes != 262_144 || q.Concurrency != 8 {
		t.Errorf("query limits %+v", q)
	}
	if s.QueryTimeout.Seconds() != 10 || s.QueryMemory != 250_000_000 || s.QueryRows != 200_000_000 || s.InsertTimeout.Seconds() != 8 {
		t.Errorf("store limits %+v", s)
	}
}

func TestFlagsFromTheEnvironment(t *testing.T) {
	t.Setenv("PODFLAME_LISTEN", ":9999")
	t.Setenv("PODFLAME_MAX_BODY", "16MiB")
	t.Setenv("PODFLAME_RETENTION_DAYS", "3")
	c, err := parsed(t)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen.Listen != ":9999" || c.Ingest.MaxBody != 16<<20 || c.retention().Hours() != 72 {
		t.Errorf("%+v", c)
	}
}

func TestBadFlags(t *testing.T) {
	for says, arguments := range map[string][]string{
		"--retention-days=8":     {"--retention-days=8"},
		"--listen-tls=:8443":     {"--listen-tls=:8443"},
		"--max-body=536870912":   {"--max-body=512MiB"},
		"--query-concurrency=0":  {"--query-concurrency=0"},
		`"8 potatoes" is no siz`: {"--max-body=8 potatoes"},
	} {
		if _, err := parsed(t, arguments...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: error is %v, want %q", arguments, err, says)
		}
	}
}

// A sidecar that gives up first never hears why, and uploads in vain.
func TestUploadsAreAnsweredBeforeTheSidecarGivesUp(t *testing.T) {
	const sidecarWaits = 10 * time.Second // timeout of its requests
	c, err := parsed(t)
	if err != nil {
		t.Fatal(err)
	}
	turn, insert := c.ingestLimits().DecodingWait, c.storeLimits().InsertTimeout
	if turn+insert > sidecarWaits-time.Second/2 {
		t.Errorf("%s for a turn and %s for the insert leave nothing of %s for the body", turn, insert, sidecarWaits)
	}
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{"1": 1, "12B": 12, "8MiB": 8 << 20, "250MB": 250e6, "2GiB": 2 << 30, "7KB": 7000, "7KiB": 7168, "1GB": 1e9} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "1.5MiB", "MiB", "1TiB", "99999999999GiB"} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestOnlyLocal(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:8080": true, "localhost:1": true, "[::1]:8080": true, ":8080": false, "0.0.0.0:8080": false, "10.0.0.1:80": false, "nonsense": false,
	} {
		if onlyLocal(address) != want {
			t.Errorf("onlyLocal(%q) is %v", address, !want)
		}
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if err := run(context.Background(), []string{"version"}, &out, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "podflame backend dev (revision ") {
		t.Errorf("version is %q", &out)
	}
}

func TestMissingLibrarySaysHowToGetIt(t *testing.T) {
	_, err := findLibrary(filepath.Join(t.TempDir(), "libchdb.so"))
	for _, says := range []string{"libchdb.so", "setup.sh clickhouse", "--clickhouse-library", "--clickhouse DSN"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v does not say %q", err, says)
		}
	}
}

func TestLibraryIsFoundInTheCache(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("PODFLAME_CACHE", cache)
	path := filepath.Join(cache, "clickhouse-1", "libchdb.so")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if found, err := findLibrary(""); err != nil || found != path {
		t.Errorf("found %q, %v", found, err)
	}
}
