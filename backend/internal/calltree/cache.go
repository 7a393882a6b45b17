package calltree

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/semaphore"
)

// Cache keeps the dictionaries that were asked for last, by key. All that are kept or
// used take at most a number of bytes, those that are growing counted with what they may
// grow to. Large ones, of more than an eighth, have three quarters of that, in which there
// is room for two. It is safe for concurrent use.
//
// A little growth needs no more than that there is room. Who wants more waits for a turn,
// without a dictionary meanwhile: one at a time may grow as far as a dictionary may, and
// nobody waits for what another holds who waits.
type Cache struct {
	limit   int64
	bytes   prometheus.Gauge
	dropped *prometheus.CounterVec
	large   *semaphore.Weighted // the turn to grow as far as a dictionary may

	mu      sync.Mutex
	uses    uint64
	entries map[string]*entry
	dead    map[*entry]struct{} // dropped, and still in use
	awaited bool                // who has the turn waits, and no other large one grows
	changed chan struct{}       // closed when bytes may have come free
}

type entry struct {
	*Dictionary
	key   string
	users int
	bytes int64
	room  int64 // up to which it may grow now; 0 if it must not
	used  uint64
}

func (e *entry) size() int64 { return max(e.bytes, e.room) }

// Why a dictionary was dropped: labels of the counter.
const (
	droppedUnused = "unused" // others needed the room, and nobody had asked for it for longest
	droppedFull   = "full"   // it had no room for what was asked, and held what was not
)

// NewCache returns an empty cache. It registers its metrics.
func NewCache(limit int64, registry prometheus.Registerer) *Cache {
	with := promauto.With(registry)
	c := &Cache{
		limit: limit, large: semaphore.NewWeighted(1), entries: map[string]*entry{}, dead: map[*entry]struct{}{}, changed: make(chan struct{}),
		bytes: with.NewGauge(prometheus.GaugeOpts{
			Name: "podflame_calltree_bytes", Help: "What the call trees of services take in memory.",
		}),
		dropped: with.NewCounterVec(prometheus.CounterOpts{
			Name: "podflame_calltree_dropped_total", Help: "Call trees dropped to stay within the limit, by cause; the next query of the service reads its stacks anew.",
		}, []string{"cause"}),
	}
	for _, cause := range []string{droppedUnused, droppedFull} {
		c.dropped.WithLabelValues(cause)
	}
	with.NewGauge(prometheus.GaugeOpts{
		Name: "podflame_calltree_limit_bytes", Help: "What the call trees of services may take in memory.",
	}).Set(float64(limit))
	return c
}

// little is how much a dictionary may grow without a turn.
func (c *Cache) little() int64 { return c.limit / 16 }

func (c *Cache) isLarge(size int64) bool { return size > c.limit/8 }

// most is what one dictionary may take: a little less than three eighths, as it ends a
// little beyond.
func (c *Cache) most() int64 { return c.limit / 32 * 11 }

// ErrNoTurn says that others grew or used dictionaries all the time.
var ErrNoTurn = errors.New("no memory came free for a call tree")

// Use is a dictionary while somebody works with it.
type Use struct {
	*Dictionary
	cache *Cache
	entry *entry
	turn  bool
	grows bool
}

// Use returns the dictionary of a key, an empty one if there is none. It must be done
// with at the end. Until Grow it does not grow.
func (c *Cache) Use(key string) *Use {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := &Use{cache: c}
	u.enter(c.of(key))
	return u
}

func (u *Use) enter(e *entry) {
	e.users++
	u.Dictionary, u.entry = e.Dictionary, e
}

func (c *Cache) of(key string) *entry {
	e := c.entries[key]
	if e == nil {
		e = &entry{Dictionary: NewDictionary(c.most()), key: key}
		c.entries[key] = e
	}
	c.uses++
	e.used = c.uses
	return e
}

// GrowALittle lets the dictionary grow by little; false if there is no room for that, or
// if it grows already: two would read the same stacks.
func (u *Use) GrowALittle() bool {
	c := u.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	room := min(u.entry.bytes+c.little(), c.most())
	if c.awaited && c.isLarge(room) {
		return false
	}
	return c.grant(u, room)
}

// Grow waits for the turn to grow as far as a dictionary may. The dictionary may be
// another one after that. An error is ErrNoTurn.
func (u *Use) Grow(ctx context.Context) error {
	c, key := u.cache, u.entry.key
	u.leave()
	if !u.turn && !c.large.TryAcquire(1) && c.large.Acquire(ctx, 1) != nil {
		return ErrNoTurn
	}
	u.turn = true
	for {
		granted, changed := u.growNow(key)
		if granted {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			u.Done()
			return ErrNoTurn
		}
	}
}

// growNow grows if there is room; if not, it says when there may be.
func (u *Use) growNow(key string) (granted bool, changed <-chan struct{}) {
	c := u.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	u.enter(c.of(key))
	granted = c.grant(u, c.most())
	if c.awaited = !granted; !granted {
		u.entry.users--
		u.entry = nil
	}
	return granted, c.changed
}

// grant lets a dictionary grow up to room bytes if there is so much once those that nobody
// uses are dropped; mu is held.
func (c *Cache) grant(u *Use, room int64) bool {
	e := u.entry
	used, large := room, int64(0)
	if c.isLarge(room) {
		large = room
	}
	for other := range c.alive() {
		if other == e || other.users == 0 {
			continue
		}
		used += other.size()
		if c.isLarge(other.size()) {
			large += other.size()
		}
	}
	if e.room > 0 || used > c.limit || large > c.limit/4*3 {
		return false
	}
	e.room, u.grows = room, true
	e.allow(room)
	c.fit()
	return true
}

// Renew drops a dictionary that is crowded, and uses an empty one in its place: who works
// with the old one may go on. If somebody else has done so already, theirs is used.
func (u *Use) Renew() {
	c, old := u.cache, u.entry
	u.leave()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[old.key] == old {
		c.drop(old, droppedFull)
	}
	u.enter(c.of(old.key))
}

// Done ends the use.
func (u *Use) Done() {
	u.leave()
	if u.turn {
		u.turn = false
		u.cache.mu.Lock()
		u.cache.awaited = false
		u.cache.mu.Unlock()
		u.cache.large.Release(1)
	}
}

// leave ends the use, if it has not ended.
func (u *Use) leave() {
	c, e := u.cache, u.entry
	if e == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(u)
	if e.users--; e.users == 0 {
		delete(c.dead, e)
	}
	u.entry = nil
	c.fit()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Settle ends what Grow began: the dictionary takes what it takes.
func (u *Use) Settle() {
	u.cache.mu.Lock()
	defer u.cache.mu.Unlock()
	u.cache.settle(u)
	u.cache.fit()
}

func (c *Cache) settle(u *Use) {
	if u.grows {
		u.grows, u.entry.room = false, 0
		u.entry.allow(0)
	}
	u.entry.bytes = u.entry.Bytes()
}

// fit drops dictionaries until the rest fits; mu is held.
func (c *Cache) fit() {
	for c.total() > c.limit {
		least := c.leastWorth()
		if least == nil {
			break
		}
		c.drop(least, droppedUnused)
	}
	c.bytes.Set(float64(c.total()))
}

func (c *Cache) drop(e *entry, cause string) {
	delete(c.entries, e.key)
	if e.users > 0 {
		c.dead[e] = struct{}{}
	}
	c.dropped.WithLabelValues(cause).Inc()
}

// alive are the dictionaries that are kept or used.
func (c *Cache) alive() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, e := range c.entries {
			if !yield(e) {
				return
			}
		}
		for e := range c.dead {
			if !yield(e) {
				return
			}
		}
	}
}

func (c *Cache) total() (sum int64) {
	for e := range c.alive() {
		sum += e.size()
	}
	return sum
}

// leastWorth of those that nobody uses is the one that was not asked for for longest for
// its size: of those that are asked for in turn the small ones stay. Nil if there is none.
func (c *Cache) leastWorth() (least *entry) {
	worst := -1.0
	for _, e := range c.entries {
		if worth := float64(e.size()) * float64(c.uses-e.used+1); e.users == 0 && worth > worst {
			least, worst = e, worth
		}
	}
	return least
}
