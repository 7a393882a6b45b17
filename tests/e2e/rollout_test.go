package e2e

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/tests/internal/freeport"
	"github.com/podflame/podflame/tests/internal/stack"
)

// rollout is how long the first version runs, and the second at most. A verdict
// takes eight slices of a minute or more, of all JVMs together, on each side.
var rollout = flag.Duration("rollout", 0, "how long each version of the shop runs in TestSlowerVersionIsWorse, e.g. 5m")

// shopsOfAVersion run at a time.
const shopsOfAVersion = 4

// The versions that are rolled out.
const oldVersion, newVersion = "2.3.0", "2.4.0"

// TestSlowerVersionIsWorse rolls out a version of the shop in which one method
// takes six times as long: the backend's own verdict calls it worse, and names
// that method first. Pictures of it are in build/screenshots.
//
//	make build && go test ./tests/e2e -run TestSlowerVersionIsWorse -rollout 5m -timeout 20m
func TestSlowerVersionIsWorse(t *testing.T) {
	if *rollout == 0 {
		t.Skip("-rollout says no time; 5m takes ten minutes")
	}
	c := &chain{t: t, paths: paths(t), started: time.Now()}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	if c.listen, err = freeport.Address(); err != nil {
		t.Fatal(err)
	}
	if c.backend, err = stack.StartBackend(ctx, c.paths, c.listen, "--regressions-every", "10s", "--regressions-warm-up", "20s"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.backend.Stop() })
	c.version(oldVersion, func(ctx context.Context) bool { return false })
	var got verdicts
	c.version(newVersion, func(ctx context.Context) bool {
		return c.backend.Get(ctx, "/api/v1/regressions", nil, &got) == nil && len(got.Regressions) == 1 && got.Regressions[0].Verdict == "worse"
	}, "-Dshop.tax=6")
	c.visit(t, "rollout", c.pictures(t), oldVersion, newVersion)
	if len(got.Regressions) != 1 {
		t.Fatalf("the verdicts are %s", text(got))
	}
	said := got.Regressions[0]
	if said.Service != "shop" || said.Before != oldVersion || said.Version != newVersion || said.Verdict != "worse" || len(said.Functions) == 0 || said.Functions[0].Name != "shop.Pricing.computeTax" {
		t.Errorf("the verdict is %s", text(said))
	}
	t.Logf("the verdict is %s", text(said))
}

// verdicts is the part of the answer of /api/v1/regressions that the test is about.
type verdicts struct {
	Regressions []struct {
		Service, Version, Before, Verdict string
		Growth                            float64
		Functions                         []struct{ Name string }
	}
}

// version runs a version of the shop under load, with a sidecar, until enough
// says so or its time is over.
func (c *chain) version(name string, enough func(context.Context) bool, javaOptions ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	load, endLoad := context.WithCancel(context.Background())
	var loads sync.WaitGroup
	defer loads.Wait()
	defer endLoad()
	others := []string{"--cpu-interval", "1ms", "--sample-rate", "0", "--service-version", name}
	for n := range shopsOfAVersion {
		shop, err := stack.StartShop(ctx, c.paths, javaOptions...)
		if err != nil {
			c.t.Fatal(err)
		}
		defer shop.Stop()
		loads.Go(func() { shop.Load(load, 5) })
		if n == 0 {
			c.shop = shop
			continue
		}
		others = append(others, "--pid", fmt.Sprint(shop.PID()))
	}
	sidecar, err := stack.StartSidecar(c.paths, "http://"+c.listen, c.shop.PID(), window, "shop", others...)
	if err != nil {
		c.t.Fatal(err)
	}
	defer sidecar.Stop()
	running, over := context.WithTimeout(c.t.Context(), *rollout)
	defer over()
	_ = stack.Poll(running, time.Second, func() (bool, error) { return enough(running), nil }, func() error { return nil }) // or its time is over
}
