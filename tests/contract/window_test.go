// Package contract keeps promises between versions: windows that released
// sidecars have sent must be read for ever.
package contract

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
)

// -update writes the golden window of the version in work only. Windows of
// released versions, v1 and so on, are never written again.
var update = flag.Bool("update", false, "write the golden window of the version in work")

const current = "v3"

// TestReleasedWindowsAreStillRead decodes the window of every version and
// compares it with what it meant when it was written.
func TestReleasedWindowsAreStillRead(t *testing.T) {
	if *update {
		write(t, current)
	}
	files, err := filepath.Glob("testdata/*.window")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden windows: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w, err := profile.Decode(body, profile.DefaultDecodeLimits())
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(file, ".window") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(readable(t, w))); diff != "" {
				t.Errorf("%s means something else now:\n%s", file, diff)
			}
		})
	}
}

// TestGoldenWindowIsTheExample fails when ids, hashes, normal form or fields of
// the same window are not what they were: a change that would split the history
// of every stack.
func TestGoldenWindowIsTheExample(t *testing.T) {
	body, err := os.ReadFile(filepath.Join("testdata", current+".window"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := profile.Decode(body, profile.DefaultDecodeLimits())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), w); diff != "" {
		t.Errorf("the golden window is not the example any more; add a version, do not change one:\n%s", diff)
	}
}

func write(t *testing.T, version string) {
	t.Helper()
	body, err := profile.Encode(example())
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{version + ".window": body, version + ".json": readable(t, example())} {
		if err := os.WriteFile(filepath.Join("testdata", name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readable(t *testing.T, w *profile.Window) []byte {
	t.Helper()
	b, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// example fills every field of a window.
func example() *profile.Window {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	w := &profile.Window{
		Target: profile.Target{
			Cluster: "prod", Namespace: "shop", Service: "cart", Version: "1.4.2", Pod: "cart-7d9c-x2x", PodUID: "0b7c6d8e", Node: "node-3",
			Container: "app", PID: 17, JVMStart: start.Add(-90 * time.Minute), JVMVersion: "17.0.15+6", MainClass: "shop.Main",
		},
		Session: "01JD8Q", Start: start, End: start.Add(time.Minute),
		Recorded:  profile.Span{Start: start.Add(3 * time.Millisecond), End: start.Add(time.Minute + 4*time.Millisecond)},
		KernelCPU: new(31 * time.Second),
		Settings: profile.Settings{Engine: "perf_events", CPUInterval: 10 * time.Millisecond, AllocInterval: 512 << 10, LockThreshold: 10 * time.Millisecond, WallInterval: 50 * time.Millisecond, Tick: 4 * time.Millisecond, Java: 17,
			NativeInterval: 471_859, NativeThreshold: 10 * time.Millisecond},
		Losses: []profile.Loss{
			{Outcome: profile.Dropped, Reason: profile.ProfilerSkipped, Count: 4},
			{Outcome: profile.Dropped, Reason: profile.ProfilerStall, Duration: 5 * time.Millisecond},
			{Outcome: profile.Dropped, Reason: profile.RecordingUnreadable, Bytes: 4096},
		},
	}
	for _, typ := range profile.Types() {
		b := profile.NewBuilder(typ, profile.Limits{MaxStacks: 2, MaxDepth: 3})
		main := b.Function("shop.Main.main", profile.Java)
		b.Add([]uint32{main, b.Function("shop.Cart.add", profile.Java)}, profile.Amount{Value: 30, Count: 3})
		b.Add([]uint32{main, b.Function("shop.Cart.add", profile.Java), b.Function("libc.so.6", profile.Native), b.Function("do_syscall_64", profile.Kernel)}, profile.Amount{Value: 20, Count: 2})
		b.Add([]uint32{main, b.Function("byte[]", profile.Class)}, profile.Amount{Value: 10, Count: 1})
		b.Lose(profile.Dropped, profile.StackMissing, profile.Amount{Value: 5, Count: 1})
		b.Add([]uint32{main}, profile.Amount{Count: 2})
		b.AddRaw(61)
		set, coverage := b.Build()
		coverage.AddLoss(profile.Unvalued, profile.IntervalUnknown, profile.Amount{Count: 2})
		coverage.AddLoss(profile.Noticed, profile.VirtualThreadLocks, profile.Amount{})
		w.Sets, w.Coverage = append(w.Sets, set), append(w.Coverage, coverage)
	}
	w.ID = profile.NewWindowID(w.Target.SeriesID(), w.Session, w.Start)
	return w
}
