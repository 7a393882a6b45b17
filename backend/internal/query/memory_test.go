package query

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/quota"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// However a question ends, it gives back the memory that it has.
func TestMemoryComesBack(t *testing.T) {
	for name, end := range map[string]func(context.Context) error{
		"answer": func(context.Context) error { return nil },
		"error":  func(context.Context) error { return errors.New("surprise") },
		"panic":  func(context.Context) error { panic("surprise") },
		"gone":   func(context.Context) error { return context.Canceled },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.store.windows = tenMinutes()
			most := int64(0)
			h.store.before = func(ctx context.Context) error {
				if err := quota.Of(ctx).Take(ctx, 32<<20, 1<<30); err != nil {
					t.Error(err)
				}
				most = max(most, h.query.memory.InUse())
				return end(ctx)
			}
			for path, nodes := range map[string]int64{
				"flame?nodes=1000&" + selection + hour: 1000 * 160, "export?format=pprof&nodes=10&" + selection + hour: 10 * 160, "top?" + selection + hour: 8192 * 160,
				"diff?nodes=1000&baseService=checkout&" + selection + hour: 1000 * 240, "fleet/top?type=cpu&" + hour: 8192 * 160,
			} {
				most = 0
				func() {
					defer func() { _ = recover() }() // the server does
					h.Get(t, "/api/v1/"+path)
				}()
				if most != 32<<20+nodes {
					t.Errorf("%s takes %d bytes, want %d for nodes", path, most, nodes)
				}
				if left := h.query.memory.InUse(); left != 0 {
					t.Errorf("%s leaves %d bytes in use", path, left)
				}
			}
		})
	}
}

// Who asks for more than there is while others have it is told when to come again.
func TestNoMemory(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.MemoryWait = 1 })
	_, other := h.query.memory.Begin(t.Context())
	if err := other.Take(t.Context(), 1<<40, 0); err != nil {
		t.Fatal(err)
	}
	h.store.before = func(ctx context.Context) error {
		return &store.Error{Class: store.Overloaded, Op: "sum", Err: quota.Of(ctx).Take(ctx, 1<<40, 0)}
	}
	w := h.Get(t, "/api/v1/flame?"+selection+hour)
	apitest.Refused(t, w, http.StatusTooManyRequests, profile.Overloaded)
	if w.Header().Get("Retry-After") == "" {
		t.Error("it is not told when to come again")
	}
	other.Free()
	h.store.before, h.store.windows = nil, tenMinutes()
	if w := h.Get(t, "/api/v1/flame?"+selection+hour); w.Code != http.StatusOK {
		t.Errorf("once there is memory: %d %s", w.Code, w.Body)
	}
}
