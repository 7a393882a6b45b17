// Package e2e tests the whole chain on this host with the real parts: a HotSpot
// JVM, async-profiler, the sidecar, the backend, ClickHouse and a browser. It
// runs the programs that make build has put into build/.
package e2e

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podflame/podflame/tests/internal/freeport"
	"github.com/podflame/podflame/tests/internal/keep"
	"github.com/podflame/podflame/tests/internal/stack"
)

// patience bounds each wait for something that takes seconds on an idle
// machine.
const patience = 4 * time.Minute

// window is the shortest that a sidecar records.
const window = 5 * time.Second

func paths(t *testing.T) stack.Paths {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	p := stack.Paths{Build: filepath.Join(root, "build"), Work: t.TempDir(), Java: filepath.Join(root, "tests/demo/java")}
	for _, program := range []string{"backend", "sidecar"} {
		if _, err := os.Stat(filepath.Join(p.Build, program)); err != nil {
			t.Fatalf("%v: run make build first", err)
		}
	}
	t.Cleanup(func() { keepLogs(t, p.Work) })
	return p
}

// keepLogs keeps the logs when a test has failed.
func keepLogs(t *testing.T, work string) {
	logs, _ := filepath.Glob(filepath.Join(work, "*.log"))
	keep.Logs(t, logs...)
}

// chain is a running backend, shop and sidecar.
type chain struct {
	t       *testing.T
	paths   stack.Paths
	listen  string
	backend *stack.Backend
	shop    *stack.Shop
	sidecar *stack.Process
	started time.Time
}

func startChain(t *testing.T, javaOptions ...string) *chain {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := startAlone(ctx, t)
	c.startShop(ctx, javaOptions...)
	loadContext, endLoad := context.WithCancel(context.Background())
	loadEnded := make(chan struct{})
	go func() { c.shop.Load(loadContext, 120); close(loadEnded) }()
	t.Cleanup(func() { endLoad(); <-loadEnded })
	c.startSidecar()
	t.Cleanup(func() { c.sidecar.Stop() })
	return c
}

func (c *chain) startShop(ctx context.Context, javaOptions ...string) {
	c.t.Helper()
	var err error
	if c.shop, err = stack.StartShop(ctx, c.paths, javaOptions...); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(c.shop.Stop)
}

// startAlone starts the backend, to which nothing reports yet.
func startAlone(ctx context.Context, t *testing.T) *chain {
	t.Helper()
	c := &chain{t: t, paths: paths(t), started: time.Now()}
	var err error
	if c.listen, err = freeport.Address(); err != nil {
		t.Fatal(err)
	}
	c.startBackend(ctx)
	t.Cleanup(func() { c.backend.Stop() })
	return c
}

func (c *chain) startBackend(ctx context.Context, extra ...string) {
	c.t.Helper()
	backend, err := stack.StartBackend(ctx, c.paths, c.listen, extra...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.backend = backend
}

func (c *chain) startSidecar() {
	c.t.Helper()
	c.startSidecarAt("http://" + c.listen)
}

func (c *chain) startSidecarAt(backend string) {
	c.t.Helper()
	sidecar, err := stack.StartSidecar(c.paths, backend, c.shop.PID(), window, "shop", "--cpu-interval", "1ms", "--sample-rate", "0")
	if err != nil {
		c.t.Fatal(err)
	}
	c.sidecar = sidecar
}

// span is the query for a type over the whole life of the chain.
func (c *chain) span(typ string) url.Values {
	return stack.Range("shop", typ, c.started.Add(-time.Minute), time.Now().Add(time.Minute))
}

func (c *chain) get(path string, query url.Values, out any) {
	c.t.Helper()
	if err := c.backend.Get(c.t.Context(), path, query, out); err != nil {
		c.t.Fatal(err)
	}
}

// until polls until done or the test's patience ends.
func (c *chain) until(what string, done func(ctx context.Context) (bool, string)) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	seen := ""
	err := stack.Poll(ctx, 250*time.Millisecond, func() (bool, error) {
		ok, state := done(ctx)
		seen = state
		return ok, nil
	}, func() error { return nil })
	if err != nil {
		c.t.Fatalf("%s did not come about within %s; last seen: %s", what, patience, seen)
	}
}
