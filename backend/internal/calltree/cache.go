package calltree

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Cache keeps the dictionaries that were asked for last, by key, up to a number
// of bytes over all. One may take half of them, so that two which are asked for
// in turn do not drop each other. It is safe for concurrent use.
type Cache struct {
	limit   int64
	bytes   prometheus.Gauge
	dropped *prometheus.CounterVec

	mu      sync.Mutex
	uses    uint64
	entries map[string]*entry
}

type entry struct {
	*Dictionary
	bytes int64
	used  uint64
}

// Why a dictionary was dropped: labels of the counter.
const (
	droppedUnused = "unused" // others needed the room, and nobody had asked for it for longest
	droppedFull   = "full"   // it had no room for what was asked, and held what was not
)

// NewCache returns an empty cache. It registers its metrics.
func NewCache(limit int64, registry prometheus.Registerer) *Cache {
	with := promauto.With(registry)
	c := &Cache{
		limit: limit, entries: map[string]*entry{},
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

// Of returns the dictionary of a key, an empty one if there is none.
func (c *Cache) Of(key string) *Dictionary {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		e = &entry{Dictionary: NewDictionary(c.limit / 2)}
		c.entries[key] = e
	}
	c.uses++
	e.used = c.uses
	return e.Dictionary
}

// Renew drops a dictionary that is crowded and returns an empty one in its place.
// If somebody else has done so already, theirs is returned.
func (c *Cache) Renew(key string, full *Dictionary) *Dictionary {
	c.mu.Lock()
	if e := c.entries[key]; e != nil && e.Dictionary == full {
		c.drop(key, droppedFull)
	}
	c.mu.Unlock()
	return c.Of(key)
}

// Account is to be called after a dictionary has grown. It drops those that were
// not asked for for longest until the rest fits. Who works with one that was
// dropped may go on.
func (c *Cache) Account(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		e.bytes = e.Bytes()
	}
	for c.total() > c.limit {
		c.drop(c.oldest(), droppedUnused)
	}
	c.bytes.Set(float64(c.total()))
}

func (c *Cache) drop(key, cause string) {
	delete(c.entries, key)
	c.dropped.WithLabelValues(cause).Inc()
}

func (c *Cache) total() (sum int64) {
	for _, e := range c.entries {
		sum += e.bytes
	}
	return sum
}

func (c *Cache) oldest() (key string) {
	least := ^uint64(0)
	for k, e := range c.entries {
		if e.used < least {
			key, least = k, e.used
		}
	}
	return key
}
