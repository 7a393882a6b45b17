package ingest

import (
	"container/list"
	"context"
	"fmt"
)

// pool is bytes that all uploads share and wait for. A source that is alone may have
// all of them. What comes free goes to the source that has the least, so that one
// that sends all it can makes the others wait for what it has now, and not for more.
type pool struct {
	shares
	waiting list.List // of *claim, in order of arrival
}

// claim is bytes that a source waits for.
type claim struct {
	source  string
	bytes   int64
	granted chan struct{}
}

func newPool(what string, limit int64) *pool { return &pool{shares: newShares(what, limit)} }

// take waits until there are so many bytes.
func (p *pool) take(ctx context.Context, source string, bytes int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes > p.limit {
		return &fullError{what: p.what, limit: p.limit, actual: bytes}
	}
	c := &claim{source, bytes, make(chan struct{})}
	place := p.waiting.PushBack(c)
	p.hand()
	p.mu.Unlock()
	select {
	case <-c.granted:
	case <-ctx.Done():
	}
	p.mu.Lock()
	select {
	case <-c.granted: // perhaps at the same moment
		return nil
	default:
	}
	p.waiting.Remove(place)
	err := p.full(c)
	p.hand() // others may have waited behind it
	return err
}

// full says why a claim was not granted: others have what it wants, or its source.
func (p *pool) full(c *claim) error {
	if n := int64(len(p.by)); n > 1 && p.by[c.source] > p.limit/n {
		return &fullError{what: p.what, limit: p.limit, actual: p.by[c.source] + c.bytes, source: c.source, share: fmt.Sprintf("%d sources share %d", n, p.limit)}
	}
	return &fullError{what: p.what, limit: p.limit, actual: p.used + c.bytes}
}

// hand grants claims, those of the source that has the least first. A large one is
// not overtaken for ever: it is granted once its source has the least.
func (p *pool) hand() {
	for p.waiting.Len() > 0 {
		next := p.waiting.Front()
		for place := next.Next(); place != nil; place = place.Next() {
			if p.by[place.Value.(*claim).source] < p.by[next.Value.(*claim).source] {
				next = place
			}
		}
		c := next.Value.(*claim)
		if p.used+c.bytes > p.limit {
			return
		}
		p.enter(c.source, c.bytes)
		p.waiting.Remove(next)
		close(c.granted)
	}
}

// give returns bytes.
func (p *pool) give(source string, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enter(source, -bytes)
	p.hand()
}
