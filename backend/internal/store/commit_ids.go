package store

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Samples carry the id of the commit that wrote them, and a header names the
// commit whose samples count. Of several headers of a window ClickHouse keeps the
// latest, so one commit of each window is in answers however often it was written,
// and samples of a commit that no header names are in none.
//
// An id is used for many windows, as a column with few values takes no room. It
// must never stand for two versions of a window: each span of time of a target is
// written under an id at most once, and after any failure, whose outcome is never
// known, a new id begins.
type commitIDs struct {
	mu      sync.Mutex
	id      uint64
	began   time.Time
	written map[slot]struct{} // under the id
}

// slot is a span of time of a target. Samples do not tell two windows in it apart
// but by their commit.
type slot struct {
	series uint64
	start  int64 // Unix s
}

const (
	// commitIDAge is how long an id is used. It is what bounds the time at which
	// its samples were written.
	commitIDAge = time.Hour
	// slotsPerCommitID bounds the memory for the spans written under an id.
	slotsPerCommitID = 1 << 16
)

// take returns the id for windows of distinct slots.
func (c *commitIDs) take(slots []slot) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id == 0 || time.Since(c.began) > commitIDAge || len(c.written)+len(slots) > slotsPerCommitID || c.holds(slots) {
		c.began = time.Now()
		c.id = newCommitID(c.began)
		c.written = map[slot]struct{}{}
	}
	for _, s := range slots {
		c.written[s] = struct{}{}
	}
	return c.id
}

func (c *commitIDs) holds(slots []slot) bool {
	for _, s := range slots {
		if _, ok := c.written[s]; ok {
			return true
		}
	}
	return false
}

// abandon ends the use of the current id after a failure.
func (c *commitIDs) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = 0
}

// newCommitID has the second in which it begins to be used in its upper half, and
// chance in the other.
func newCommitID(began time.Time) uint64 {
	return commitIDFrom(began) | uint64(rand.Uint32())
}

// commitIDFrom is the least id of those that begin at a time.
func commitIDFrom(began time.Time) uint64 { return uint64(began.Unix()) << 32 }
