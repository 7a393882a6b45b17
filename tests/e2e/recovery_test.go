package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestEverythingComesBack kills each part in mid-run. Whatever is killed, all
// comes back, no window that the recording holds is missing, and none counts
// twice.
func TestEverythingComesBack(t *testing.T) {
	c := startChain(t)
	c.storedWindows("cpu", 2)
	session := c.session(t)

	t.Run("kill the backend", func(t *testing.T) {
		before := c.stored()
		c.backend.Kill()
		c.untilSpooled(t)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c.startBackend(ctx)
		c.storedWindows("cpu", before+2)
	})
	t.Run("kill ClickHouse", func(t *testing.T) {
		before := c.stored()
		killClickHouse(t, c.backend.PID())
		c.storedWindows("cpu", before+2)
		if c.backend.Exited() {
			t.Error("the backend died with ClickHouse")
		}
	})
	t.Run("kill the sidecar", func(t *testing.T) {
		before := c.stored()
		c.sidecar.Kill()
		c.startSidecar()
		c.storedWindows("cpu", before+2)
		if again := c.session(t); again != session {
			t.Errorf("session %s was not continued, now %s", session, again)
		}
	})
	t.Run("nothing is missing or doubled", func(t *testing.T) {
		c.untilDrained(t)
		c.ledgerAddsUp(t)
		var got coverage
		c.get("/api/v1/coverage", c.span("cpu"), &got)
		if got.Dropped != (amount{}) {
			t.Errorf("samples were dropped: %s", text(got))
		}
		for _, loss := range slices.Concat(got.Losses, got.NotCaptured) {
			if !loss.Routine { // the JVM was starting, a chunk was being finished
				t.Errorf("lost for %s: %s", loss.Reason, text(got))
			}
		}
	})
	if c.shop.Exited() {
		t.Error("the shop died")
	}
	t.Run("an orderly stop leaves no session", func(t *testing.T) {
		c.sidecar.Stop()
		if code := c.sidecar.ExitCode(); code != 0 {
			t.Errorf("the sidecar's exit status is %d", code)
		}
		if threads := profilerThreads(t, c.shop.PID()); threads != 0 {
			t.Errorf("%d profiler threads are left in the shop", threads)
		}
	})
}

func (c *chain) stored() int {
	var got coverage
	c.get("/api/v1/coverage", c.span("cpu"), &got)
	return got.Windows.Stored
}

func (c *chain) session(t *testing.T) string {
	t.Helper()
	var session string
	c.until("a profiled target", func(ctx context.Context) (bool, string) {
		var got targets
		if err := c.backend.Get(ctx, "/api/v1/targets", nil, &got); err != nil {
			return false, err.Error()
		}
		if len(got.Targets) != 1 || got.Targets[0].State.State != "profiled" {
			return false, text(got)
		}
		session = got.Targets[0].State.Session
		return session != "", text(got)
	})
	return session
}

// untilSpooled waits until windows wait in the sidecar's spool.
func (c *chain) untilSpooled(t *testing.T) {
	t.Helper()
	c.until("a window in the spool", func(context.Context) (bool, string) {
		files, err := os.ReadDir(c.paths.Work + "/state/spool")
		if err != nil {
			return false, err.Error()
		}
		return len(files) >= 2, strconv.Itoa(len(files)) + " files"
	})
}

// untilDrained waits until every expected window has arrived.
func (c *chain) untilDrained(t *testing.T) {
	t.Helper()
	c.until("the arrival of every window", func(ctx context.Context) (bool, string) {
		var got coverage
		if err := c.backend.Get(ctx, "/api/v1/coverage", c.settled(), &got); err != nil {
			return false, err.Error()
		}
		return got.Windows.Stored+got.Windows.Lost >= got.Windows.Expected, text(got)
	})
}

// settled is the span whose windows have had time to end.
func (c *chain) settled() map[string][]string {
	query := c.span("cpu")
	query.Set("to", strconv.FormatInt(time.Now().Add(-2*window).Unix(), 10))
	return query
}

// killClickHouse kills the backend's child.
func killClickHouse(t *testing.T, backend int) {
	t.Helper()
	pids, err := childrenOf(backend)
	if err != nil || len(pids) != 1 {
		t.Fatalf("the backend has children %v (%v), want one: ClickHouse", pids, err)
	}
	pid, err := strconv.Atoi(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// childrenOf asks every thread of a process: each lists only what it forked.
func childrenOf(pid int) ([]string, error) {
	task := "/proc/" + strconv.Itoa(pid) + "/task/"
	threads, err := os.ReadDir(task)
	if err != nil {
		return nil, fmt.Errorf("list the threads of a process: %w", err)
	}
	var all []string
	for _, thread := range threads {
		children, err := os.ReadFile(task + thread.Name() + "/children")
		if err == nil {
			all = append(all, strings.Fields(string(children))...)
		}
	}
	return all, nil
}

// profilerThreads counts the threads that async-profiler has in a JVM while a
// session runs.
func profilerThreads(t *testing.T, pid int) int {
	t.Helper()
	task := "/proc/" + strconv.Itoa(pid) + "/task/"
	threads, err := os.ReadDir(task)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, thread := range threads {
		name, err := os.ReadFile(task + thread.Name() + "/comm")
		if err == nil && strings.HasPrefix(string(name), "Async-profiler") {
			n++
		}
	}
	return n
}
