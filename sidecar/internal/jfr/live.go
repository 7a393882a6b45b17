package jfr

import "github.com/podflame/podflame/backend/profile"

// collections are the garbage collections of a recording, as far as the profiler
// tells of them: once a second it looks whether there was one, and then writes its
// number. Times are ticks of the profiler's clock.
type collections struct {
	this, before uint64 // when it looked last, and the time before
	number       uint64 // of the collection that it told last
	seen         bool
	border       uint64 // when it looked before it found the newest one
}

// second enters that the profiler looks.
func (c *collections) second(at uint64) { c.before, c.this = c.this, at }

// told enters what it has found. The first one may be of a time before the recording.
func (c *collections) told(number uint64) {
	if c.seen && number != c.number {
		c.border = c.before
	}
	c.seen, c.number = true, number
}

// passed says whether what was allocated then was there at a collection.
func (c *collections) passed(at uint64) bool { return at < c.border }

// LiveTable is how many objects the profiler can follow at a time (objectSampler.cpp).
const LiveTable = 1024

// noticeLive enters into the ledger of live objects what it cannot show.
func (s *state) noticeLive(c *profile.Coverage) {
	if c == nil {
		return
	}
	if s.undecided.Count > 0 {
		c.AddLoss(profile.Noticed, profile.LiveUndecided, s.undecided)
	}
	if s.allocations > LiveTable {
		c.AddLoss(profile.Noticed, profile.LiveTableFull, profile.Amount{Count: s.allocations})
	}
}
