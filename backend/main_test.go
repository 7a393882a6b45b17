package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/podflame/podflame/backend/internal/injection"
	"github.com/podflame/podflame/backend/internal/server"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
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
	if !onlyLocal(c.Doors.Listen) {
		t.Errorf("listens on %s", c.Doors.Listen)
	}
	in, q, s := c.ingestLimits(), c.queryLimits(), c.storeLimits()
	if in.Decode.MaxEncoded != 8<<20 || in.Decode.MaxDecoded != 64<<20 || in.Decode.MaxStacks != 50_000 || in.BytesInFlight != 128<<20 || in.Memory != 128<<20 {
		t.Errorf("ingest limits %+v", in)
	}
	if q.Nodes != 8192 || q.MaxNodes != 262_144 || q.Concurrency != 8 {
		t.Errorf("query limits %+v", q)
	}
	if s.QueryTimeout.Seconds() != 10 || s.QueryMemory != 250_000_000 || s.QueryRows != 200_000_000 || s.InsertTimeout.Seconds() != 6 || s.CommitDelay.Seconds() != 0.8 {
		t.Errorf("store limits %+v", s)
	}
}

// No limit is 0, which one package might take for none and another for nothing.
func TestNoLimitIsZero(t *testing.T) {
	c, err := parsed(t)
	if err != nil {
		t.Fatal(err)
	}
	var check func(name string, limits reflect.Value)
	check = func(name string, limits reflect.Value) {
		for field, value := range limits.Fields() {
			if value.Kind() == reflect.Struct {
				check(name+"."+field.Name, value)
			} else if value.Int() <= 0 {
				t.Errorf("%s.%s is %d", name, field.Name, value.Int())
			}
		}
	}
	for name, limits := range map[string]any{
		"ingest": c.ingestLimits(), "query": c.queryLimits(), "store": c.storeLimits(), "auth": c.Access.limits(), "regressions": c.regressionLimits(),
		"server": server.DefaultLimits(), "injection": injection.DefaultLimits(), "profile": profile.DefaultLimits(), "decode": profile.DefaultDecodeLimits(),
	} {
		check(name, reflect.ValueOf(limits))
	}
}

// What is bounded by bytes must fit the memory that the collector keeps to, all at once,
// with the rest of the process; the bodies of uploads and garbage have what that leaves.
func TestBudgetsFitTheMemory(t *testing.T) {
	const (
		rest  = 16 << 20 // goroutines, connections, lists
		files = 40 << 20 // the program itself, which the collector knows nothing of
		most  = 512 << 20
	)
	c, err := parsed(t)
	if err != nil {
		t.Fatal(err)
	}
	in, q, s := c.ingestLimits(), c.queryLimits(), c.storeLimits()
	sum := in.Memory + q.Memory + s.Footprint() + rest
	if left := int64(c.Memory) - sum; left < 24<<20 {
		t.Errorf("windows of %d bytes, answers of %d, and %d of the store leave %d of --memory=%d", in.Memory, q.Memory, s.Footprint(), left, c.Memory)
	}
	if int64(c.Memory)+files > most-20<<20 {
		t.Errorf("--memory=%d leaves less than 20 MiB of %d", c.Memory, most)
	}
}

func TestFlagsFromTheEnvironment(t *testing.T) {
	t.Setenv("PODFLAME_LISTEN", "127.0.0.1:9999")
	t.Setenv("PODFLAME_MAX_BODY", "16MiB")
	t.Setenv("PODFLAME_RETENTION_DAYS", "3")
	c, err := parsed(t)
	if err != nil {
		t.Fatal(err)
	}
	if c.Doors.Listen != "127.0.0.1:9999" || c.Ingest.MaxBody != 16<<20 || c.retention().Hours() != 72 {
		t.Errorf("%+v", c)
	}
}

func TestBadFlags(t *testing.T) {
	for says, arguments := range map[string][]string{
		"--retention-days=8":      {"--retention-days=8"},
		"--max-body=536870912":    {"--max-body=512MiB"},
		"--query-concurrency=0":   {"--query-concurrency=0"},
		"--query-rows=0":          {"--query-rows=0"},
		"--query-timeout=0s":      {"--query-timeout=0"},
		"--insert-timeout=0s":     {"--insert-timeout=0"},
		"--body-timeout=-1s":      {"--body-timeout=-1s"},
		"--drain-timeout=0s":      {"--drain-timeout=0"},
		"--migration-timeout=0s":  {"--migration-timeout=0"},
		"--max-ahead=-1s":         {"--max-ahead=-1s"},
		"--commit-delay=7s":       {"--commit-delay=7s"},
		"--max-decoded=12582912":  {"--max-decoded=120MiB", "--max-windows-memory=128MiB"},
		`"8 potatoes" is no siz`:  {"--max-body=8 potatoes"},
		"needs --clickhouse: the": {"--clickhouse-cluster=main"},
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
	if l := c.ingestLimits(); l.Answer > sidecarWaits-time.Second/2 || l.DecodingWait >= l.Answer {
		t.Errorf("%s for the answer, with %s for a turn, leave nothing of %s for the body or the insert", l.Answer, l.DecodingWait, sidecarWaits)
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

// What would let in more than it says is refused at the start, with what to do.
func TestDoorsThatAreTooOpen(t *testing.T) {
	own := []string{"--listen-sidecars=127.0.0.1:8443", "--listen-operations=:8081", "--cert-dir=/certs"}
	for says, arguments := range map[string][]string{
		"give sidecars and probes doors of their own":      {"--listen=:8080", "--auth=kubernetes"},
		"--listen=:8080 is not on loopback, so it speaks":  {"--listen=:8080", "--auth=kubernetes", "--listen-sidecars=127.0.0.1:8443", "--listen-operations=:8081"},
		"--auth=none would show every profile":             append([]string{"--listen=:8080"}, own...),
		"--listen-sidecars=:8443 is not on loopback, so":   {"--listen-sidecars=:8443", "--write-auth=kubernetes"},
		"--write-auth=none would let whoever":              {"--listen-sidecars=0.0.0.0:8443", "--cert-dir=/certs"},
		"--auth=token needs --read-token-file":             {"--auth=token"},
		"--remember-token=6m0s":                            {"--remember-token=6m"},
		"--remember-access=0s":                             {"--remember-access=0s"},
		"--proxies needs --proxy-secret-file":              {"--proxies=10.0.0.1/32", "--auth=kubernetes"},
		"--proxies needs --proxy-secret-file and":          {"--proxies=10.0.0.1/32", "--proxy-secret-file=/x"},
		"--proxy-secret-file needs --proxies":              {"--proxy-secret-file=/x"},
		`--proxies has "10.0.0.1"`:                         {"--proxies=10.0.0.1", "--auth=kubernetes", "--proxy-secret-file=/x"},
		"every pod could log in as a reader":               {"--read-audience=podflame-backend"},
		"--kubernetes-ca-file and --kubernetes-token-file": {"--kubernetes-ca-file=/x"},
		"--reviews=0":    {"--reviews=0"},
		"--cert-poll=0s": {"--cert-poll=0s"},
	} {
		if _, err := parsed(t, arguments...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: error is %v, want %q", arguments, err, says)
		}
	}
	for _, arguments := range [][]string{
		append([]string{"--listen=:8080", "--auth=kubernetes"}, own...),
		append([]string{"--listen=:8080", "--let-everybody-read"}, own...),
		{"--listen=[::1]:8080", "--listen-sidecars=:8443", "--cert-dir=/certs", "--write-auth=kubernetes"},
	} {
		if _, err := parsed(t, arguments...); err != nil {
			t.Errorf("%v: %v", arguments, err)
		}
	}
}
