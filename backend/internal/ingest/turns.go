package ingest

import (
	"context"
	"slices"
	"sync"
)

// turns let so many uploads be worked on at a time. When several sources wait, each
// gets a turn before one gets its second.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting map[string][]chan struct{} // by source, in order of arrival; closed by who hands over a turn
	sources []string                   // that wait, the next one first
}

func newTurns(n int) *turns { return &turns{free: n, waiting: map[string][]chan struct{}{}} }

// take waits for a turn; false if ctx ends before.
func (t *turns) take(ctx context.Context, source string) bool {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return true
	}
	turn := make(chan struct{})
	if len(t.waiting[source]) == 0 {
		t.sources = append(t.sources, source)
	}
	t.waiting[source] = append(t.waiting[source], turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-turn: // at the same moment
		return true
	default:
	}
	t.leave(source, turn)
	return false
}

// leave takes one out who waits no longer.
func (t *turns) leave(source string, turn chan struct{}) {
	all := t.waiting[source]
	t.keep(source, slices.DeleteFunc(all, func(other chan struct{}) bool { return other == turn }))
	if len(t.waiting[source]) == 0 {
		t.sources = slices.DeleteFunc(t.sources, func(other string) bool { return other == source })
	}
}

func (t *turns) keep(source string, all []chan struct{}) {
	if len(all) == 0 {
		delete(t.waiting, source)
		return
	}
	t.waiting[source] = all
}

// give hands a turn over to the next source.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.sources) == 0 {
		t.free++
		return
	}
	source := t.sources[0]
	t.sources = t.sources[1:]
	all := t.waiting[source]
	close(all[0])
	t.keep(source, all[1:])
	if len(all) > 1 {
		t.sources = append(t.sources, source)
	}
}
