package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestAnotherProfilerIsLeftAlone starts the shop with a profiler of its own. The
// sidecar must stay away from it, and every answer must say why there is
// nothing to see.
func TestAnotherProfilerIsLeftAlone(t *testing.T) {
	library, recording := foreignProfiler(t)
	c := startChain(t, "-agentpath:"+library+"=start,event=cpu,jfr,file="+recording+",log="+recording+".log")
	c.until("a target in conflict", func(ctx context.Context) (bool, string) {
		var got targets
		if err := c.backend.Get(ctx, "/api/v1/targets", nil, &got); err != nil {
			return false, err.Error()
		}
		return len(got.Targets) == 1 && got.Targets[0].State.State == "conflict" && got.Targets[0].State.Reason == "conflict", text(got)
	})
	c.until("a window that says conflict", func(ctx context.Context) (bool, string) {
		var got series
		if err := c.backend.Get(ctx, "/api/v1/series", c.span("cpu"), &got); err != nil {
			return false, err.Error()
		}
		for _, point := range got.Points {
			if point.Status == "lost" && len(point.NotCaptured) > 0 && point.NotCaptured[0].Reason == "conflict" {
				return true, ""
			}
		}
		return false, text(got)
	})
	var graph flame
	c.get("/api/v1/flame", c.span("cpu"), &graph)
	reasons := make([]string, 0, len(graph.Coverage.NotCaptured))
	for _, loss := range graph.Coverage.NotCaptured {
		reasons = append(reasons, loss.Reason)
	}
	if graph.Total != (amount{}) || !slices.Contains(reasons, "conflict") {
		t.Errorf("flame graph of %+v with losses %v, want none, for conflict", graph.Total, reasons)
	}
	c.visit(t, "absent", "conflict")
	if threads := profilerThreads(t, c.shop.PID()); threads != 1 {
		t.Errorf("%d profilers run in the shop, want the one it came with", threads)
	}
	if c.shop.Exited() {
		t.Error("the shop died")
	}
	c.shop.Stop()
	c.until("a target that is gone", func(ctx context.Context) (bool, string) {
		var got targets
		err := c.backend.Get(ctx, "/api/v1/targets", nil, &got)
		return err == nil && len(got.Targets) == 1 && got.Targets[0].State.State == "gone", text(got)
	})
	c.visit(t, "absent", "lost")
}

// foreignProfiler copies the profiler library to a path that is not ours.
func foreignProfiler(t *testing.T) (library, recording string) {
	t.Helper()
	cache := os.Getenv("PODFLAME_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(home, ".cache", "podflame")
	}
	data, err := os.ReadFile(filepath.Join(cache, "async-profiler-4.5", "linux-x64", "libasyncProfiler.so"))
	if err != nil {
		t.Fatalf("%v: run make setup first", err)
	}
	dir := t.TempDir()
	library = filepath.Join(dir, "libasyncProfiler.so")
	if err := os.WriteFile(library, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return library, filepath.Join(dir, "theirs.jfr")
}
