package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/tests/internal/freeport"
	"github.com/podflame/podflame/tests/internal/stack"
)

// TestWindowsMeetWithoutAGap lets a sidecar fill its spool and reads the windows
// as they would be sent: by the headers of the recording's own chunks, each
// begins at the nanosecond at which the one before it ends.
func TestWindowsMeetWithoutAGap(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := &chain{t: t, paths: paths(t)}
	shop, err := stack.StartShop(ctx, c.paths)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shop.Stop)
	c.shop = shop
	nowhere, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	c.listen = nowhere // every upload fails, every window waits
	c.startSidecar()
	t.Cleanup(func() { c.sidecar.Stop() })

	const enoughWindows = 5
	var windows []*profile.Window
	c.until("recorded windows in the spool", func(context.Context) (bool, string) {
		windows = recorded(t, filepath.Join(c.paths.Work, "state", "spool"))
		return len(windows) >= enoughWindows, text(len(windows))
	})
	for i, w := range windows {
		if err := w.Check(); err != nil {
			t.Errorf("window %s: %v", w.Start, err)
		}
		if i == 0 {
			continue
		}
		before := windows[i-1]
		if gap := w.Recorded.Start.Sub(before.Recorded.End); gap != 0 {
			t.Errorf("recordings of windows %s and %s are %s apart", before.Start, w.Start, gap)
		}
		if !w.Start.Equal(before.End) || w.Session != before.Session || w.ID == before.ID {
			t.Errorf("window %s to %s of session %s does not follow %s to %s of %s", w.Start, w.End, w.Session, before.Start, before.End, before.Session)
		}
	}
}

// recorded decodes the windows of a spool that hold a recording, oldest first.
func recorded(t *testing.T, dir string) []*profile.Window {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.window"))
	if err != nil {
		t.Fatal(err)
	}
	var windows []*profile.Window
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(file), ".") {
			continue // being written
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w, err := profile.Decode(body, profile.DefaultDecodeLimits())
		if err != nil {
			t.Fatal(err)
		}
		if !w.Recorded.Start.IsZero() {
			windows = append(windows, w)
		}
	}
	return windows
}
