package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/goleak"

	"github.com/podflame/podflame/backend/internal/store/embedded"
	"github.com/podflame/podflame/backend/internal/store/storetest"
)

// parentEnv makes the test binary a backend that starts a server in the named
// directory, prints the server's pid and waits to be killed.
const parentEnv = "PODFLAME_TEST_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentEnv); dir != "" && os.Getenv("PODFLAME_CLICKHOUSE_CHILD") == "" {
		os.Exit(beParent(dir))
	}
	storetest.Main(m)
}

func beParent(dir string) int {
	cfg := embedded.Config{Dir: dir, Library: os.Getenv("PODFLAME_CLICKHOUSE_LIBRARY")}
	server, err := embedded.Start(context.Background(), cfg)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println(server.PID())
	select {}
}

func start(t *testing.T, cfg embedded.Config) *embedded.Server {
	t.Helper()
	cfg.Library = storetest.Library(t)
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

func connect(t *testing.T, server *embedded.Server) clickhouse.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	options.DialContext = server.Dial
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 2 minutes: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestServerComesBackWithItsDataAfterKill(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("server", func(t *testing.T) {
		server := start(t, embedded.Config{Dir: t.TempDir()})
		conn := connect(t, server)
		ctx := t.Context()
		for _, query := range []string{
			"CREATE DATABASE d ENGINE = Atomic",
			"CREATE TABLE d.t (n UInt64) ENGINE = MergeTree ORDER BY n",
			"INSERT INTO d.t SELECT number FROM numbers(1000)",
		} {
			if err := conn.Exec(ctx, query); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
		}
		first := server.PID()
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another process answers", func() bool { pid := server.PID(); return pid != 0 && pid != first })
		var rows uint64
		eventually(t, "the pool connects to it", func() bool {
			return conn.QueryRow(ctx, "SELECT count() FROM d.t").Scan(&rows) == nil
		})
		if ends := server.Ends(); rows != 1000 || ends.Count != 1 || ends.How != "signal: killed" || ends.Last.IsZero() {
			t.Errorf("%d rows after %+v, want 1000 after one end by a signal", rows, ends)
		}
	})
}

// Whatever becomes of single connections, the server goes on: clients that send
// nonsense, leave, or leave without waiting for what was on its way to them.
func TestFailedConnectionsDoNotEndTheServer(t *testing.T) {
	server := start(t, embedded.Config{Dir: t.TempDir()})
	first := server.PID()
	for _, sent := range []string{"", "no hello at all, but long enough to be read as one\x00\xff", "GET / HTTP/1.1\r\n\r\n", "\x00\x05hello"} {
		for range 50 {
			conn, err := server.Dial(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte(sent))
			_ = conn.(*net.TCPConn).SetLinger(0) // a reset instead of an end
			_ = conn.Close()
		}
	}
	for range 10 {
		stranger, err := clickhouse.Open(&clickhouse.Options{Addr: []string{server.Address()}, Auth: clickhouse.Auth{Username: "podflame", Password: "wrong"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := stranger.Ping(t.Context()); err == nil {
			t.Error("a wrong password is taken")
		}
		_ = stranger.Close()
	}
	if err := connect(t, server).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if pid := server.PID(); pid != first || server.Ends().Count != 0 {
		t.Errorf("process %d after %d, ends: %+v", pid, first, server.Ends())
	}
}

// The prompt that follows the query that keeps the server up answers nobody.
func TestServerWithoutItsQueryIsReplaced(t *testing.T) {
	server := start(t, embedded.Config{Dir: t.TempDir()})
	if err := connect(t, server).Exec(t.Context(), "KILL QUERY WHERE user = ''"); err != nil {
		t.Log(err) // the server may be gone before it answers
	}
	eventually(t, "it has ended", func() bool { return server.Ends().Count > 0 })
	if ends := server.Ends(); ends.How != "exit status 92" {
		t.Errorf("ended by %q", ends.How)
	}
	eventually(t, "another process answers", func() bool { return server.PID() != 0 })
}

func TestHungServerIsReplaced(t *testing.T) {
	server := start(t, embedded.Config{Dir: t.TempDir(), HangTimeout: time.Second})
	var first int
	eventually(t, "a process is stopped", func() bool { // a busy machine may have one replaced before
		first = server.PID()
		return first != 0 && syscall.Kill(first, syscall.SIGSTOP) == nil
	})
	eventually(t, "another process answers", func() bool { pid := server.PID(); return pid != 0 && pid != first })
}

func TestStopEndsTheProcess(t *testing.T) {
	server := start(t, embedded.Config{Dir: t.TempDir()})
	pid := server.PID()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	if _, err := server.Dial(ctx, ""); !errors.Is(err, embedded.ErrNotReady) {
		t.Errorf("Dial after Stop = %v, want ErrNotReady", err)
	}
}

func TestSecondServerOnTheSameDirectory(t *testing.T) {
	dir := t.TempDir()
	server := start(t, embedded.Config{Dir: dir})
	_, err := embedded.Start(t.Context(), embedded.Config{Dir: dir, Library: storetest.Library(t)})
	if !errors.Is(err, embedded.ErrInUse) {
		t.Errorf("Start = %v, want ErrInUse", err)
	}
	if err := connect(t, server).Ping(t.Context()); err != nil {
		t.Errorf("the first server: %v", err)
	}
}

func TestStartErrors(t *testing.T) {
	notALibrary := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(notALibrary, []byte(strings.Repeat("not ELF ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, dir, library, want string }{
		{"no library", t.TempDir(), "/nonexistent/libchdb.so", "make setup"},
		{"directory as library", t.TempDir(), t.TempDir(), "not a regular file"},
		{"not a library", t.TempDir(), notALibrary, "invalid ELF header"},
		{"directory is a file", file, storetest.Library(t), "not a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			_, err := embedded.Start(t.Context(), embedded.Config{Dir: test.dir, Library: test.library})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Start = %v, want an error with %q", err, test.want)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestServerListensOnLoopbackOnlyAndStrangersMayDoNothing(t *testing.T) {
	server := start(t, embedded.Config{Dir: t.TempDir()})
	host, _, err := net.SplitHostPort(server.Address())
	if err != nil || host != "127.0.0.1" {
		t.Errorf("listens on %q (%v), want 127.0.0.1", server.Address(), err)
	}
	stranger, err := clickhouse.Open(&clickhouse.Options{Addr: []string{server.Address()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	for _, query := range []string{
		"CREATE DATABASE d",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')",
		"CREATE TEMPORARY TABLE t (line String) ENGINE = File(LineAsString, '/etc/passwd')",
		"SELECT * FROM system.processes",
		"SYSTEM SHUTDOWN",
		"KILL QUERY WHERE 1",
		"CREATE USER x",
	} {
		err := stranger.Exec(t.Context(), query)
		exception, ok := errors.AsType[*clickhouse.Exception](err)
		if !ok || (exception.Code != 497 && exception.Code != 514) {
			t.Errorf("%s: %v, want access denied", query, err)
		}
	}
}

func TestServerEndsWithItsParent(t *testing.T) {
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), parentEnv+"="+t.TempDir(), "PODFLAME_CLICKHOUSE_LIBRARY="+storetest.Library(t))
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("parent printed %q", line)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	eventually(t, "the server has ended", func() bool { return !running(pid) })
}

// running is false for zombies: in a container nobody may reap an orphan.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}
