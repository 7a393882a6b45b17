package ingest

import (
	"fmt"
	"sync"
)

// shares are what sources have of an amount. Who may have more is for budget and
// pool to say.
type shares struct {
	what  string // for errors
	limit int64

	mu   sync.Mutex
	used int64
	by   map[string]int64 // source; only those that have some
}

func newShares(what string, limit int64) shares {
	return shares{what: what, limit: limit, by: map[string]int64{}}
}

// enter changes what a source has; mu is held.
func (s *shares) enter(source string, change int64) {
	s.used += change
	if s.by[source] += change; s.by[source] == 0 {
		delete(s.by, source)
	}
}

func (s *shares) inUse() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// budget is an amount that all uploads share and nobody waits for. The last quarter
// of it is kept for sources that have less than a quarter, so that one that sends
// all it can does not keep the others out.
type budget struct{ shares }

func newBudget(what string, limit int64) *budget { return &budget{newShares(what, limit)} }

// fullError says which part of a budget is used up.
type fullError struct {
	what          string
	limit, actual int64
	source        string // if it is the share of the source
	share         string // of it
}

func (e *fullError) Error() string {
	if e.source != "" {
		return fmt.Sprintf("%s of source %.80q would be %d, and %s", e.what, e.source, e.actual, e.share)
	}
	return fmt.Sprintf("%s would be %d of at most %d", e.what, e.actual, e.limit)
}

// room returns nil if a source may have more now.
func (b *budget) room(source string, amount int64) error {
	share := b.limit / 4
	switch {
	case b.used+amount > b.limit:
		return &fullError{what: b.what, limit: b.limit, actual: b.used + amount}
	case b.used+amount > b.limit-share && b.by[source]+amount > share:
		return &fullError{what: b.what, limit: b.limit, actual: b.by[source] + amount, source: source, share: fmt.Sprintf("the last quarter of %d is kept for others", b.limit)}
	}
	return nil
}

// check returns why a source may not have so much now, or nil.
func (b *budget) check(source string, amount int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.room(source, amount)
}

// try takes an amount if there is so much.
func (b *budget) try(source string, amount int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.room(source, amount); err != nil {
		return err
	}
	b.enter(source, amount)
	return nil
}

// give returns an amount.
func (b *budget) give(source string, amount int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.enter(source, -amount)
}
