package query

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// rollout is two hours of a service of two pods: version 1, then version 2 in
// which one method takes another share.
func rollout(from time.Time, slower float64) []*profile.Window {
	random := rand.New(rand.NewPCG(1, 1))
	var out []*profile.Window
	for minute := range 120 {
		for pod := range 2 {
			target := profiletest.Target("checkout", fmt.Sprint("checkout-", pod))
			target.Version = "1"
			factor := 1.0
			if minute >= 60 {
				target.Version, factor = "2", slower
			}
			w := profiletest.Window(profiletest.Options{Seed: uint64(minute), Start: from.Add(time.Duration(minute) * time.Minute), Target: target})
			out = append(out, withSamples(w, random, factor))
		}
	}
	return out
}

// withSamples replaces what a window holds by samples of three methods.
func withSamples(w *profile.Window, random *rand.Rand, factor float64) *profile.Window {
	b := profile.NewBuilder(profile.CPU, profile.Limits{})
	main := b.Function("shop.Main.run", profile.Java)
	for method, weight := range map[string]float64{"shop.Cart.price": 300 * factor, "shop.Cart.list": 500, "shop.Mail.send": 200} {
		n := int64(weight + random.NormFloat64()*math.Sqrt(weight))
		b.Add([]uint32{main, b.Function(method, profile.Java)}, profile.Amount{Value: n * 10_000_000, Count: n})
	}
	set, coverage := b.Build()
	w.Sets, w.Coverage, w.Losses = []profile.StackSet{set}, []profile.Coverage{coverage}, nil
	return w
}

// A version that is still warming up is not judged by how it does so, however many pods
// it has, nor is another one by such a version.
func TestNoVerdictOnAWarmUp(t *testing.T) {
	from := now.Truncate(time.Minute).Add(-2*time.Hour - time.Minute)
	key := store.ServiceKey{Cluster: "c1", Namespace: "shop", Service: "checkout"}
	for _, c := range []struct {
		first, last int // minutes of the roll-out, of which 2 begins in the middle
		enough      bool
	}{{0, 120, true}, {0, 69, false}, {0, 70, false}, {51, 120, false}, {0, 80, true}} {
		h := newHarness(t, nil)
		h.store.windows = rollout(from, 1.3)[2*c.first : 2*c.last]
		key.Cluster = h.store.windows[0].Target.Cluster
		got, err := h.query.Compare(t.Context(), key, profile.CPU, store.Range{From: from, To: now}, 10*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if got.Enough != c.enough || got.Base.Blocks < 8 || got.Head.Blocks < 8 {
			t.Errorf("minutes %d to %d: enough is %t of %d and %d blocks, want %t", c.first, c.last, got.Enough, got.Base.Blocks, got.Head.Blocks, c.enough)
		}
	}
}

func TestChangesNameTheSlowerMethod(t *testing.T) {
	from := now.Truncate(time.Minute).Add(-2*time.Hour - time.Minute)
	span := fmt.Sprintf("from=%d&to=%d", from.Unix(), now.Unix())
	for _, c := range []struct {
		slower float64
		found  bool
	}{{1, false}, {1.3, true}} {
		h := newHarness(t, nil)
		h.store.windows = rollout(from, c.slower)
		got := apitest.Decode[api.Changes](t, h.Get(t, "/api/v1/changes?"+selection+span))
		if !got.Enough || got.Tested < 4 || got.Base.Versions[0] != "1" || got.Head.Versions[0] != "2" || got.Base.Blocks < 16 || got.Base.Coverage.Windows.Stored != 120 {
			t.Errorf("%v slower: compared %+v to %+v, %d tested", c.slower, got.Base, got.Head, got.Tested)
		}
		if !c.found {
			if len(got.Changes) > 0 {
				t.Errorf("the same is called changed: %+v", got.Changes)
			}
			continue
		}
		if len(got.Changes) == 0 {
			t.Fatal("nothing is found")
		}
		first := got.Changes[0]
		if first.Name != "shop.Cart.price" || math.Abs(first.Base-0.3) > 0.01 || math.Abs(first.Head-0.358) > 0.01 || first.Low <= 0 || first.High < first.Low || first.Chance > got.Level {
			t.Errorf("first is %+v", first)
		}
		few := apitest.Decode[api.Changes](t, h.Get(t, "/api/v1/changes?limit=1&"+selection+span))
		if len(few.Changes) != 1 || few.Omitted != len(got.Changes)-1 {
			t.Errorf("limit 1: %d changes, %d omitted of %d", len(few.Changes), few.Omitted, len(got.Changes))
		}
		asked := apitest.Decode[api.Changes](t, h.Get(t, "/api/v1/changes?version=2&baseVersion=1&"+selection+span))
		if len(asked.Changes) != len(got.Changes) {
			t.Errorf("asked for by name: %d changes, want %d", len(asked.Changes), len(got.Changes))
		}
	}
}

// Shares are of what passes the filters, on both sides.
func TestChangesOfFilteredStacks(t *testing.T) {
	from := now.Truncate(time.Minute).Add(-2*time.Hour - time.Minute)
	h := newHarness(t, nil)
	h.store.windows = rollout(from, 1.3)
	ask := func(filter string) api.Changes {
		return apitest.Decode[api.Changes](t, h.Get(t, fmt.Sprintf("/api/v1/changes?%s&%sfrom=%d&to=%d", filter, selection, from.Unix(), now.Unix())))
	}
	whole, cart := ask("limit=9"), ask("package=shop")
	if whole.Base.Outside != (profile.Amount{}) || cart.Base.Outside != (profile.Amount{}) || len(cart.Changes) != len(whole.Changes) {
		t.Errorf("a filter that all pass: %+v, %d changes of %d", cart.Base, len(cart.Changes), len(whole.Changes))
	}
	// 300 of price and 500 of list, then 390 and 500: shares of the two alone.
	cart = ask("include=Cart")
	if len(cart.Changes) == 0 || cart.Base.Outside.Count < 20_000 || cart.Base.Total != whole.Base.Total {
		t.Fatalf("base %+v, changes %+v", cart.Base, cart.Changes)
	}
	for _, c := range cart.Changes {
		if c.Name == "shop.Mail.send" {
			t.Errorf("%+v is left out by the filter", c)
		}
		if c.Name == "shop.Cart.price" && (math.Abs(c.Base-0.375) > 0.01 || math.Abs(c.Head-0.438) > 0.01) {
			t.Errorf("shares of the filtered stacks are %+v", c)
		}
	}
	// Every stack that is left is of one method: nothing can change its share.
	if one := ask("exclude=Cart"); len(one.Changes) > 0 {
		t.Errorf("changes of one method alone: %+v", one.Changes)
	}
	if none := ask("include=nowhere"); none.Enough || len(none.Changes) > 0 || none.Base.Outside != none.Base.Total {
		t.Errorf("nothing passes the filter: %+v", none)
	}
	apitest.Refused(t, h.Get(t, "/api/v1/changes?include=/(/&"+selection+hour), 400, profile.BadParameter)
}

// A service of one version is compared to itself a day ago; without data then,
// the answer says that it is not enough.
func TestChangesOfOneVersion(t *testing.T) {
	from := now.Truncate(time.Minute).Add(-2*time.Hour - time.Minute)
	h := newHarness(t, nil)
	h.store.windows = rollout(from, 1)
	got := apitest.Decode[api.Changes](t, h.Get(t, fmt.Sprintf("/api/v1/changes?version=2&%sfrom=%d&to=%d", selection, from.Unix(), now.Unix())))
	if got.Enough || len(got.Changes) > 0 || got.Base.Blocks != 0 || !got.Base.Range.To.Equal(got.Head.Range.To.Add(-24*time.Hour)) {
		t.Errorf("compared %+v to %+v: %+v", got.Base, got.Head, got.Changes)
	}
	apitest.Refused(t, h.Get(t, "/api/v1/changes?namespace=shop&service=nobody&type=cpu&"+hour), 404, profile.UnknownService)
	apitest.Refused(t, h.Get(t, "/api/v1/changes?nodes=5&"+selection+hour), 400, profile.BadParameter)
}
