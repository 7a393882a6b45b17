package calltree

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"
)

// added adds stacks of which no two are alike, until there are n or no room.
func (u *Use) added(from, n uint64) (added uint64) {
	for added < n && u.Add(from+added, packed(from+added)) {
		added++
	}
	return added
}

func TestCacheDropsWhatWasNotAskedForForLongest(t *testing.T) {
	c := NewCache(256<<10, prometheus.NewRegistry())
	for _, key := range []string{"a", "b", "a", "c", "d"} {
		for added := uint64(0); added < 300; { // three of them fit
			u := c.Use(key)
			if !u.GrowALittle() {
				t.Fatalf("%s may not grow", key)
			}
			added += u.added(added, 300-added)
			u.Done()
		}
	}
	one := []Sum{{Stack: 1}}
	for key, want := range map[string]int{"a": 0, "b": 1, "c": 0, "d": 0} {
		u := c.Use(key)
		if got := len(u.Find(one).Missing()); got != want {
			t.Errorf("%s lacks %d stacks, want %d", key, got, want)
		}
		u.Done()
	}
	if got := testutil.ToFloat64(c.dropped.WithLabelValues(droppedUnused)); got != 1 {
		t.Errorf("%v dropped", got)
	}
	old, other := c.Use("a"), c.Use("a")
	full := old.Dictionary
	old.Renew()
	other.Renew()
	if old.Dictionary == full || other.Dictionary != old.Dictionary || testutil.ToFloat64(c.dropped.WithLabelValues(droppedFull)) != 1 {
		t.Error("a crowded dictionary is to be renewed once")
	}
	old.Done()
	other.Done()
	if got := testutil.ToFloat64(c.bytes); got <= 0 || got > float64(c.limit) {
		t.Errorf("the gauge says %v of %d bytes", got, c.limit)
	}
}

// One waits for the turn to grow as long as others use what it needs, holds nothing
// meanwhile, and gives its turn back when it has waited in vain.
func TestGrowWaitsForItsTurn(t *testing.T) {
	c := NewCache(1<<20, prometheus.NewRegistry())
	first := c.Use("a")
	if first.Grow(t.Context()) != nil {
		t.Fatal("nobody else grows")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	second := c.Use("b")
	if err := second.Grow(gone); !errors.Is(err, ErrNoTurn) {
		t.Error("two have the turn")
	}
	second.Done()
	if little := c.Use("b"); !little.GrowALittle() {
		t.Error("a little needs the turn")
	} else {
		little.Done()
	}
	third := c.Use("c")
	grown := make(chan error, 1)
	go func() { grown <- third.Grow(t.Context()) }()
	first.Done()
	if err := <-grown; err != nil {
		t.Error(err)
	}
	third.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaited || len(c.dead) > 0 || !c.large.TryAcquire(1) {
		t.Error("something is still taken")
	}
}

// One that has the turn waits, and does not spin, while others use what it needs; small
// ones do not wait for large ones.
func TestGrowWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(1<<20, prometheus.NewRegistry())
		next := uint64(0)
		var full []*Use
		for _, key := range []string{"a", "b"} {
			u := c.Use(key)
			if err := u.Grow(t.Context()); err != nil {
				t.Fatal(err)
			}
			next += u.added(next, 1<<20)
			u.Settle()
			full = append(full, u)
			if key == "a" { // it has grown, and another may
				u.turn = false
				c.large.Release(1)
			}
		}
		full[1].turn = false
		c.large.Release(1)
		third := c.Use("c")
		grown := make(chan error, 1)
		go func() { grown <- third.Grow(t.Context()) }()
		synctest.Wait() // all others are blocked: it does not spin
		if !c.awaited {
			t.Error("the third does not wait")
		}
		full[0].Done()
		if err := <-grown; err != nil || c.awaited {
			t.Errorf("%v, somebody waits: %v", err, c.awaited)
		}
		small := c.Use("d")
		if !small.GrowALittle() {
			t.Error("a small one may not grow beside two that are large")
		}
		small.Done()
		full[1].Done()
		third.Done()
	})
}

// Whatever is used, grows, is renewed and ends, all dictionaries that are alive take no
// more than the limit, and a slot array that doubles; at the end nothing is held.
func TestCacheIsBounded(t *testing.T) {
	const limit = 1 << 20
	rapid.Check(t, func(t *rapid.T) {
		c := NewCache(limit, prometheus.NewRegistry())
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		var uses []*Use
		next := uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(uses) == 0 || rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				uses = append(uses, c.Use(strconv.Itoa(rapid.IntRange(0, 5).Draw(t, "key"))))
				continue
			}
			i := rapid.IntRange(0, len(uses)-1).Draw(t, "use")
			u := uses[i]
			switch rapid.IntRange(0, 3).Draw(t, "action") {
			case 0:
				if u.GrowALittle() {
					next += u.added(next, uint64(rapid.IntRange(0, 2_000).Draw(t, "stacks")))
				}
			case 1:
				if u.Grow(gone) != nil { // it does not wait, and may get the turn all the same
					uses = append(uses[:i], uses[i+1:]...)
					u.Done()
					break
				}
				next += u.added(next, uint64(rapid.IntRange(0, 10_000).Draw(t, "stacks")))
			case 2:
				u.Settle()
			default:
				uses = append(uses[:i], uses[i+1:]...)
				u.Done()
			}
			alive := map[*Dictionary]bool{}
			for _, e := range c.entries {
				alive[e.Dictionary] = true
			}
			for _, u := range uses {
				alive[u.Dictionary] = true
			}
			var sum int64
			for d := range alive {
				sum += d.Bytes()
			}
			if sum > limit+limit/4 {
				t.Fatalf("%d dictionaries take %d bytes of %d", len(alive), sum, limit)
			}
		}
		for _, u := range uses {
			u.Done()
		}
		if len(c.dead) > 0 || c.awaited || !c.large.TryAcquire(1) {
			t.Fatal("something is still held")
		}
		for _, e := range c.entries {
			if e.users != 0 || e.room != 0 {
				t.Fatalf("%s has %d users and may grow to %d", e.key, e.users, e.room)
			}
		}
	})
}
