package ingest

import (
	"container/list"
	"context"
	"fmt"
	"sync"
)

// budget is an amount of bytes that all uploads share. The last quarter of it is
// kept for sources that have less than a quarter, so that one that sends all it
// can does not keep the others out.
type budget struct {
	what  string // for errors
	limit int64

	mu      sync.Mutex
	used    int64
	by      map[string]int64 // source; only those that have some
	waiting list.List        // of *claim, in order of arrival
}

// claim is bytes that a source waits for.
type claim struct {
	source  string
	bytes   int64
	granted chan struct{}
}

func newBudget(what string, limit int64) *budget {
	return &budget{what: what, limit: limit, by: map[string]int64{}}
}

// fullError says which part of a budget is used up.
type fullError struct {
	what          string
	limit, actual int64
	source        string // if it is the share of the source
}

func (e *fullError) Error() string {
	if e.source != "" {
		return fmt.Sprintf("%s of source %.80q would be %d, and the last quarter of %d is kept for others", e.what, e.source, e.actual, e.limit)
	}
	return fmt.Sprintf("%s would be %d of at most %d", e.what, e.actual, e.limit)
}

// room returns nil if a source may have more bytes now.
func (b *budget) room(source string, bytes int64) error {
	share := b.limit / 4
	switch {
	case b.used+bytes > b.limit:
		return &fullError{what: b.what, limit: b.limit, actual: b.used + bytes}
	case b.used+bytes > b.limit-share && b.by[source]+bytes > share:
		return &fullError{what: b.what, limit: b.limit, actual: b.by[source] + bytes, source: source}
	}
	return nil
}

// check returns why a source may not have so many bytes now, or nil.
func (b *budget) check(source string, bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.room(source, bytes)
}

// try takes bytes if there are so many.
func (b *budget) try(source string, bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.room(source, bytes); err != nil {
		return err
	}
	b.grant(source, bytes)
	return nil
}

// take waits until there are so many bytes.
func (b *budget) take(ctx context.Context, source string, bytes int64) error {
	b.mu.Lock()
	err := b.room(source, bytes)
	if err == nil {
		b.grant(source, bytes)
		b.mu.Unlock()
		return nil
	}
	c := &claim{source, bytes, make(chan struct{})}
	place := b.waiting.PushBack(c)
	b.mu.Unlock()
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-c.granted: // at the same moment
		return nil
	default:
	}
	b.waiting.Remove(place)
	return err
}

func (b *budget) grant(source string, bytes int64) {
	b.used += bytes
	b.by[source] += bytes
}

// give returns bytes.
func (b *budget) give(source string, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= bytes
	if b.by[source] -= bytes; b.by[source] == 0 {
		delete(b.by, source)
	}
	for place := b.waiting.Front(); place != nil; {
		next, c := place.Next(), place.Value.(*claim)
		if b.room(c.source, c.bytes) == nil {
			b.grant(c.source, c.bytes)
			b.waiting.Remove(place)
			close(c.granted)
		} else if b.used+c.bytes > b.limit {
			return // a large one is not overtaken for ever
		}
		place = next
	}
}

func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
