package quota

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Memory is bytes that answers share and wait for in turn. A quarter of it is for light
// ones, which take at most an eighth: they never wait behind heavy ones. It is safe for
// concurrent use.
type Memory struct {
	limit        int64
	wait         time.Duration
	light, heavy *semaphore.Weighted
	inUse        atomic.Int64
}

// InUse is what answers have now.
func (m *Memory) InUse() int64 { return m.inUse.Load() }

// NewMemory returns bytes for which an answer waits so long, all in all.
func NewMemory(limit int64, wait time.Duration) *Memory {
	return &Memory{limit: limit, wait: wait, light: semaphore.NewWeighted(limit / 4), heavy: semaphore.NewWeighted(limit - limit/4)}
}

// FullError says that no memory came free in time.
type FullError struct {
	What  string
	Limit int64
	Wait  time.Duration
}

// Error implements error.
func (e *FullError) Error() string {
	return fmt.Sprintf("%s, of %d bytes, is in use by others, and not enough came free within %s", e.What, e.Limit, e.Wait)
}

// Share is what one answer has. It takes once at a time, so that no two wait for what
// the other has.
type Share struct {
	of    *Memory
	until time.Time

	mu    sync.Mutex
	from  *semaphore.Weighted
	size  int64
	nodes int   // that the answer has at most
	each  int64 // bytes of one of them
	ended bool
}

type key struct{}

// Begin returns a context with a share that is empty as yet, which must be ended.
func (m *Memory) Begin(ctx context.Context) (context.Context, *Share) {
	s := &Share{of: m, until: time.Now().Add(m.wait)}
	return context.WithValue(ctx, key{}, s), s
}

// Of returns the share of a context; nil if it has none, as for work that nobody asked
// for: that is not counted.
func Of(ctx context.Context) *Share {
	s, _ := ctx.Value(key{}).(*Share)
	return s
}

// Answers says that the answer has so many nodes at most, of so many bytes each.
func (s *Share) Answers(nodes int, each int64) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes, s.each = nodes, each
}

// Waiting returns a context that ends when the answer has waited long enough.
func (s *Share) Waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	if s == nil {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, s.until)
}

// Full is the error of one that has waited for something in vain.
func (s *Share) Full(what string, limit int64) error {
	e := &FullError{What: what, Limit: limit}
	if s != nil {
		e.Wait = s.of.wait
	}
	return e
}

// Take frees what the share has and waits for what work on a tree of so many bytes and
// nodes takes, or for as much as there is if that is less.
func (s *Share) Take(ctx context.Context, bytes int64, nodes int) error {
	if s == nil {
		return nil
	}
	s.Free()
	bytes += s.ofNodes(nodes)
	from := s.of.light
	if bytes > s.of.limit/8 {
		from, bytes = s.of.heavy, min(bytes, s.of.limit-s.of.limit/4)
	}
	if !from.TryAcquire(bytes) {
		wait, cancel := s.Waiting(ctx)
		defer cancel()
		switch err := from.Acquire(wait, bytes); {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return s.Full("memory for answers", s.of.limit)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended { // a read that was given up goes on for a while
		from.Release(bytes)
		return errEnded
	}
	s.from, s.size = from, bytes
	s.of.inUse.Add(bytes)
	return nil
}

var errEnded = errors.New("the answer has been given")

func (s *Share) ofNodes(nodes int) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(min(nodes, s.nodes)) * s.each
}

// Keep frees all but so many bytes.
func (s *Share) Keep(bytes int64) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if more := s.size - max(bytes, 0); more > 0 {
		s.from.Release(more)
		s.size -= more
		s.of.inUse.Add(-more)
	}
}

// Free frees all.
func (s *Share) Free() { s.Keep(0) }

// End frees all for good.
func (s *Share) End() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.Free()
}
