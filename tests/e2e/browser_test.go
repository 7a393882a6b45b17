package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// visit runs one of the front end's own end-to-end scripts against this backend.
func (c *chain) visit(t *testing.T, script string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{"e2e/run.mjs", "e2e/" + script + ".ts", c.backend.URL}, args...)...)
	cmd.Dir = filepath.Join(filepath.Dir(c.paths.Build), "frontend")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("browser test %s: %v\n%s", script, err, out)
	}
	t.Logf("%s", out)
}

// pictures is where screenshots are kept.
func (c *chain) pictures(t *testing.T) string {
	t.Helper()
	shots := filepath.Join(c.paths.Build, "screenshots")
	if err := os.MkdirAll(shots, 0o755); err != nil {
		t.Fatal(err)
	}
	return shots
}

// withoutClickHouse kills the backend's child as often as the backend starts
// it again, until the returned function is called.
func (c *chain) withoutClickHouse(t *testing.T) (stop func()) {
	t.Helper()
	killClickHouse(t, c.backend.PID())
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
			}
			children, _ := childrenOf(c.backend.PID()) // none, if it ended
			for _, child := range children {
				if pid, err := strconv.Atoi(child); err == nil {
					_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
				}
			}
		}
	}()
	return func() { close(ended); <-done }
}
