package ingest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// claimed waits for bytes in the background, once so many others wait.
func claimed(t *testing.T, p *pool, others int, source string, bytes int64) <-chan error {
	t.Helper()
	got := make(chan error, 1)
	go func() { got <- p.take(t.Context(), source, bytes) }()
	for deadline := time.Now().Add(time.Minute); p.claims() == others && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	return got
}

func (p *pool) claims() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting.Len()
}

func TestSourceThatIsAloneMayHaveAll(t *testing.T) {
	p := newPool("bytes", 100)
	for range 10 {
		if err := p.take(t.Context(), "alone", 10); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.take(t.Context(), "alone", 101); err == nil {
		t.Error("got more than there is")
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if err := p.take(left, "alone", 10); err == nil || p.claims() != 0 {
		t.Errorf("%v, %d wait", err, p.claims())
	}
}

// What comes free is for the source that has the least, and of its claims for the
// first, even if a smaller one would fit.
func TestPoorestSourceIsNext(t *testing.T) {
	p := newPool("bytes", 100)
	if err := p.take(t.Context(), "greedy", 100); err != nil {
		t.Fatal(err)
	}
	more := claimed(t, p, 0, "greedy", 10)
	large := claimed(t, p, 1, "modest", 40)
	small := claimed(t, p, 2, "modest", 10)
	p.give("greedy", 30)
	if n := p.claims(); n != 3 {
		t.Fatalf("%d wait for 30 bytes, want all", n)
	}
	p.give("greedy", 20)
	for _, got := range []<-chan error{large, small} {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	if n := p.claims(); n != 1 {
		t.Errorf("%d wait, want the greedy one", n)
	}
	p.give("greedy", 10)
	if err := <-more; err != nil || p.inUse() != 100 {
		t.Errorf("%v, %d in use", err, p.inUse())
	}
}

// Whatever sources do, a pool is never exceeded, and all is granted in the end.
func TestPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPool("bytes", rapid.Int64Range(8, 1000).Draw(t, "limit"))
		done := make(chan struct{})
		const claims = 40
		for range claims {
			source, bytes := fmt.Sprint("s", rapid.IntRange(0, 3).Draw(t, "source")), rapid.Int64Range(1, p.limit).Draw(t, "bytes")
			go func() {
				defer func() { done <- struct{}{} }()
				if err := p.take(context.Background(), source, bytes); err != nil {
					t.Error(err)
					return
				}
				if used := p.inUse(); used > p.limit || used < bytes {
					t.Errorf("%d of %d are used by one who has %d", used, p.limit, bytes)
				}
				p.give(source, bytes)
			}()
		}
		for range claims {
			<-done
		}
		if p.used != 0 || len(p.by) != 0 || p.waiting.Len() != 0 {
			t.Fatalf("%d are used by %v in the end, %d wait", p.used, p.by, p.waiting.Len())
		}
	})
}

// brokenStore has a bug.
type brokenStore struct{ *fakeStore }

func (brokenStore) Insert(context.Context, *profile.Window) (store.Result, error) { panic("a bug") }

// A bug of ours that a window meets keeps no memory from those that come after it.
func TestPanicsKeepNoMemory(t *testing.T) {
	h := newHarness(t, nil)
	h.ingest.Store = brokenStore{h.store}
	body := encode(t, window(time.Hour))
	for what, panics := range map[string]func(){
		"in the store": func() { h.put(t, body) },
		"of the window": func() {
			_, _, _ = h.ingest.decode(t.Context(), "pod", body, func(*profile.Window) error { panic("a bug") })
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			panics()
		}()
		used, announced := h.ingest.memory.inUse()+h.ingest.bodies.inUse(), h.store.announced.Load()
		if used != 0 || announced != 0 {
			t.Errorf("%s: %d bytes are in use and %d uploads announced after a panic", what, used, announced)
		}
	}
}
