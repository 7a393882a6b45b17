package e2e

import (
	"context"
	"math"
	"testing"
	"time"
)

// enough samples make a deviation of 10 % from a ratio of 3 : 1 or 4 : 1 more
// than five standard deviations.
const enough = 12_000

// ofTheJVM is how far the sampler of Java 17 itself may be off between pages and lines:
// 15 % on a busy machine when pages had 16 KiB (JDK-8356372, alloc_shares_estimated).
const ofTheJVM = 0.25

func TestFromTheJVMToTheBrowser(t *testing.T) {
	c := startChain(t)
	c.storedWindows("cpu", 10)
	t.Run("cpu is 3 to 1", func(t *testing.T) {
		c.ratio(t, "cpu", "shop.Pricing.applyDiscounts", "shop.Pricing.computeTax", 3, 0.1, enough)
	})
	t.Run("allocation is 4 to 1", func(t *testing.T) {
		c.ratio(t, "alloc", "shop.Receipt.page", "shop.Receipt.line", 4, ofTheJVM, enough/2)
	})
	t.Run("both locks are seen", c.bothLocks)
	t.Run("frames reach main", c.framesReachMain)
	t.Run("the ledger adds up", c.ledgerAddsUp)
	t.Run("windows are contiguous", c.windowsAreContiguous)
	t.Run("the target is shown as profiled", c.targetIsProfiled)
	t.Run("the browser shows it", func(t *testing.T) { c.visit(t, "live", c.pictures(t)) })
	t.Run("the browser says that the store is away", func(t *testing.T) {
		defer c.withoutClickHouse(t)()
		c.visit(t, "absent", "store")
	})
}

// ratio checks the values of two functions, once both have enough samples.
func (c *chain) ratio(t *testing.T, typ, heavy, light string, want, within float64, samples int64) {
	var got top
	c.until("enough samples of "+heavy, func(ctx context.Context) (bool, string) {
		if err := c.backend.Get(ctx, "/api/v1/top", c.span(typ), &got); err != nil {
			return false, err.Error()
		}
		both := got.total(heavy).add(got.total(light))
		return both.Count >= samples, text(both)
	})
	a, b := got.total(heavy).Value, got.total(light).Value
	if ratio := float64(a) / float64(b); math.Abs(ratio/want-1) > within {
		t.Errorf("%s : %s is %d : %d = %.2f, want %.0f within %.0f %%", heavy, light, a, b, ratio, want, 100*within)
	}
}

func (c *chain) bothLocks(t *testing.T) {
	var got flame
	c.get("/api/v1/flame", c.span("lock"), &got)
	for _, site := range []string{"shop.Stock.reserve", "shop.Ledger.append"} {
		if !got.hasPath("shop.Shop.reserve", site) {
			t.Errorf("no lock sample below shop.Shop.reserve in %s", site)
		}
	}
}

func (c *chain) framesReachMain(t *testing.T) {
	var got flame
	c.get("/api/v1/flame", c.span("cpu"), &got)
	if !got.hasPath("shop.Shop.main", "shop.Shop.forecast", "shop.Pricing.price", "shop.Pricing.applyDiscounts") {
		t.Error("no stack leads from main to applyDiscounts")
	}
	if !got.hasPath("java.lang.Thread.run", "shop.Shop.checkout", "shop.Pricing.price") {
		t.Error("no stack leads from a thread's start to a request")
	}
}

func (c *chain) ledgerAddsUp(t *testing.T) {
	for _, typ := range []string{"cpu", "alloc", "lock"} {
		query := c.span(typ)
		var graph flame
		c.get("/api/v1/flame", query, &graph)
		ledger := graph.Coverage
		if sum := ledger.Stored.add(ledger.Truncated).add(ledger.Dropped); sum != ledger.Captured || sum.Count == 0 {
			t.Errorf("%s: captured %+v, stored + truncated + dropped %+v", typ, ledger.Captured, sum)
		}
		var drawn amount
		for i := range graph.Values {
			drawn = drawn.add(amount{graph.Values[i], graph.Counts[i]})
		}
		// The ledgers come from the windows' headers, the stacks from the
		// samples: a window counted twice in either shows here.
		if drawn != ledger.Stored || drawn != graph.Total {
			t.Errorf("%s: stacks sum to %+v, total %+v, ledger stored %+v", typ, drawn, graph.Total, ledger.Stored)
		}
	}
}

func (c *chain) windowsAreContiguous(t *testing.T) {
	var got series
	c.get("/api/v1/series", c.span("cpu"), &got)
	stored := 0
	for i, point := range got.Points {
		if point.Windows.Stored == 0 {
			continue
		}
		stored++
		if got.StepSeconds == int(window/time.Second) && point.Windows.Stored > 1 {
			t.Errorf("window at %s is stored %d times", point.Start, point.Windows.Stored)
		}
		if stored > 1 && got.Points[i-1].Windows.Stored == 0 {
			t.Errorf("no window before %s", point.Start)
		}
	}
	if stored < 4 {
		t.Errorf("%d windows stored", stored)
	}
}

func (c *chain) targetIsProfiled(t *testing.T) {
	var got targets
	c.get("/api/v1/targets", nil, &got)
	if len(got.Targets) != 1 {
		t.Fatalf("%d targets: %s", len(got.Targets), text(got))
	}
	target := got.Targets[0]
	if target.State.State != "profiled" || target.State.Reason != "" || target.Silent || target.Identity.MainClass != "shop.Shop" || target.Identity.Pid != c.shop.PID() {
		t.Errorf("target: %s", text(target))
	}
}
