package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestNothingToShow looks at the screens while there is nothing to show, for each
// reason that is not the affair of another test.
func TestNothingToShow(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	c := startAlone(ctx, t)
	t.Run("nobody has reported", func(t *testing.T) { c.visit(t, "absent", "new") })
	c.startShop(ctx)
	windows := doorTo(t, c.listen)
	c.startSidecarAt(windows.URL)
	t.Cleanup(func() { c.sidecar.Stop() })
	t.Run("idle", func(t *testing.T) {
		c.storedWindows("lock", 2)
		var got coverage
		c.get("/api/v1/coverage", c.span("lock"), &got)
		if got.Captured != (amount{}) {
			t.Fatalf("threads of a shop without a load waited for each other: %s", text(got))
		}
		c.visit(t, "absent", "idle")
	})
	t.Run("pending", func(t *testing.T) {
		windows.holdUp()
		from, to := c.untilPending()
		c.visit(t, "absent", "pending", from, to)
	})
	t.Run("too expensive", func(t *testing.T) {
		c.backend.Stop()
		c.startBackend(ctx, "--query-rows", "1")
		c.visit(t, "absent", "expensive")
	})
}

// door is a way to the backend on which windows can be held up while all else
// passes.
type door struct {
	*httptest.Server
	passing sync.RWMutex // held for reading while a window passes
	shut    bool
}

func doorTo(t *testing.T, backend string) *door {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: backend}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	d := &door{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/windows" {
			d.passing.RLock()
			defer d.passing.RUnlock()
			if d.shut {
				http.Error(w, "held up", http.StatusServiceUnavailable)
				return
			}
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

// holdUp returns when every window that has come in has been answered, and lets
// no other pass.
func (d *door) holdUp() {
	d.passing.Lock()
	defer d.passing.Unlock()
	d.shut = true
}

// untilPending waits until two windows are due after the newest that is stored,
// and returns the range of them.
func (c *chain) untilPending() (from, to string) {
	c.until("two windows that are due", func(ctx context.Context) (bool, string) {
		var got series
		if err := c.backend.Get(ctx, "/api/v1/series", c.span("cpu"), &got); err != nil {
			return false, err.Error()
		}
		due := c.span("cpu")
		for _, point := range got.Points {
			if point.Windows.Stored > 0 {
				due.Set("from", strconv.FormatInt(point.Start.Add(time.Duration(got.StepSeconds)*time.Second).Unix(), 10))
			}
		}
		from, to = due.Get("from"), due.Get("to")
		var after coverage
		err := c.backend.Get(ctx, "/api/v1/coverage", due, &after)
		return err == nil && after.Windows.Stored == 0 && after.Windows.Expected >= 2, text(after)
	})
	return from, to
}
