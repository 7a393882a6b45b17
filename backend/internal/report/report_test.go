package report

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func amount(count int64) profile.Amount { return profile.Amount{Value: count * 1e7, Count: count} }

// lossy is a range with every kind of loss.
func lossy() api.Coverage {
	return api.Coverage{
		Windows: api.Windows{Expected: 20, Stored: 17, Lost: 1}, Captured: amount(1000), Stored: amount(990), Truncated: amount(4), Dropped: amount(6),
		Told: api.Tell([]profile.Loss{
			{Outcome: profile.Truncated, Reason: profile.StackLimit, Value: 4e7, Count: 4},
			{Outcome: profile.Dropped, Reason: profile.ProfilerSkipped, Value: 6e7, Count: 6},
			{Outcome: profile.Shortened, Reason: profile.StorageOverflow, Value: 1e7, Count: 1},
		}, []profile.Loss{{Outcome: profile.Dropped, Reason: profile.SidecarRestarted, Duration: time.Minute}}),
		Mean: api.Mean{RecordedSeconds: 1020},
	}
}

func whole(count int64) api.Coverage {
	return api.Coverage{
		Windows: api.Windows{Expected: 10, Stored: 10}, Captured: amount(count), Stored: amount(count), Told: api.Tell(nil, nil), Mean: api.Mean{RecordedSeconds: 600},
	}
}

// graph is main → serve → (pay → round, list), and something omitted.
func graph() api.Graph {
	return api.Graph{
		Functions: []string{"main", "shop.Server.serve", "shop.Checkout.pay", "shop.Price.round", "libc`memcpy", "(omitted)"},
		Kinds:     []string{"java", "java", "java", "java", "native", "omitted"},
		Parents:   []int32{-1, 0, 1, 2, 3, 2, 1}, Frames: []int32{-1, 0, 1, 2, 3, 4, 5},
		Values: []int64{0, 0, 0, 50e7, 30e7, 19e7, 1e7}, Counts: []int64{0, 0, 0, 50, 30, 19, 1},
	}
}

func flame() *api.Flame {
	return &api.Flame{
		Range: api.Range{From: noon, To: noon.Add(15 * time.Minute)}, Type: profile.CPU, Unit: "ns", CountUnit: "samples", Graph: graph(),
		Total: amount(110), Outside: amount(10), Nodes: 9, Omitted: api.OmittedNodes{Nodes: 3, Value: 1e7, Count: 1}, Coverage: lossy(),
	}
}

func diff() *api.Diff {
	g, r := graph(), api.Range{From: noon, To: noon.Add(10 * time.Minute)}
	side := func(values []int64) api.DiffSide {
		var sum int64
		for _, v := range values {
			sum += v
		}
		return api.DiffSide{Range: r, Values: values, Total: amount(sum / 1e7), Coverage: whole(sum / 1e7)}
	}
	return &api.Diff{
		Type: profile.CPU, Unit: "ns", CountUnit: "samples", Functions: g.Functions, Kinds: g.Kinds, Parents: g.Parents, Frames: g.Frames,
		Base: side(g.Values), Head: side([]int64{0, 0, 0, 50e7, 60e7, 10e7, 1e7}), Nodes: 9, OmittedNodes: 3,
	}
}

// Golden files are the texts as people see them.
func TestTexts(t *testing.T) {
	broken := diff()
	broken.Head.Coverage.Windows, broken.Head.Coverage.RecordedSeconds = api.Windows{Expected: 10}, 0
	golden(t, map[string]string{
		"tree":         Tree(flame(), "cpu of shop/shop", TreeOptions{Least: 0.005, Lines: 50}, Style{}),
		"tree.cut":     Tree(flame(), "cpu of shop/shop", TreeOptions{Least: 0.25, Lines: 3}, Style{Width: 60}),
		"tree.colour":  Tree(flame(), "cpu of shop/shop", TreeOptions{Lines: 50}, Style{Colour: true}),
		"diff":         Diff(diff(), "version 1", "version 2", 2, false, Style{}),
		"diff.total":   Diff(diff(), "version 1", "version 2", 10, true, Style{}),
		"diff.nothing": Diff(broken, "version 1", "version 2", 10, false, Style{}),
		"health.away": Health(&api.IngestHealth{Since: noon, Store: api.StoreHealth{Mode: "external", Reason: profile.StoreUnavailable, Message: "connection refused", Ended: &api.StoreEnded{Count: 2, Last: noon, How: "signal: killed"}},
			Rejected: []api.ReasonCount{{ReasonText: profile.Explain(profile.BodyTooLarge), Count: 3}}}, Style{}),
		"flame.svg": SVG(flame(), `cpu of "shop" <&>`),
		"threads": Threads(&api.Series{
			Range: api.Range{From: noon, To: noon.Add(15 * time.Minute)}, Type: profile.CPU, Unit: "ns", CountUnit: "samples", By: "thread", OtherParts: 2,
			Parts: []api.Part{{Name: "http-nio-8080-exec-#", Total: amount(900)}, {Name: "GC Thread#", Total: amount(89)}, {Name: profile.UnknownThreads, Total: amount(1)}}, Coverage: lossy(),
		}, "cpu of shop/shop", 2, Style{}),
	})
}

// golden holds texts against their files.
func golden(t *testing.T, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		path := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), text); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// A part is never said to be all or nothing, and a number keeps three digits.
func TestNumbers(t *testing.T) {
	for want, got := range map[string]string{
		"<0.01%": percent(1, 1e6), ">99.99%": percent(999_999, 1e6), "100.0%": percent(5, 5), "0.0%": percent(0, 5), "-": percent(0, 0), "0.50%": percent(1, 200), "99.96%": percent(9996, 10000),
		"1,234,567": Count(1234567), "-1,000": Count(-1000), "999": Count(999),
		"1.50 KiB": Bytes(1536), "512 B": Bytes(512), "2.00 GiB": Bytes(2 << 30),
		"10.0 ms": span(1e7), "12 µs": span(12e3), "1,200 s": span(1.2e12), "0 s": span(0), "1.50 s": span(1.5e9),
	} {
		if got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	if got := shorten("shop.very.long.package.Checkout.pay", 20); len([]rune(got)) != 20 || !strings.HasSuffix(got, "Checkout.pay") {
		t.Errorf("shortened to %q", got)
	}
}

// Names come from other programs: none steers a terminal or breaks out of a
// picture.
func TestNamesAreHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := flame()
		hostile := rapid.String().Draw(t, "name") + "\x1b]0;owned\x07\u202e</text><script>"
		f.Functions[1], f.Coverage.Losses[0].Text = hostile, hostile
		for _, text := range []string{Tree(f, hostile, TreeOptions{Lines: 10}, Style{}), SVG(f, hostile)} {
			if strings.ContainsAny(text, "\x1b\x07\u202e") {
				t.Fatalf("%q", text)
			}
		}
		if svg := SVG(f, hostile); strings.Contains(svg, "<script") {
			t.Fatal(svg)
		}
		for d := xml.NewDecoder(strings.NewReader(SVG(f, hostile))); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What is shown hangs together, is within its limits, and with what is said to be omitted
// it is the whole.
func TestTreeKeepsItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "nodes")
		parents, self := []int32{-1}, []int64{0}
		for node := 1; node < n; node++ {
			parents = append(parents, int32(rapid.IntRange(0, node-1).Draw(t, "parent")))
			self = append(self, rapid.Int64Range(0, 100).Draw(t, "self"))
		}
		o := TreeOptions{Least: rapid.Float64Range(0, 0.3).Draw(t, "least"), Lines: rapid.IntRange(1, 30).Draw(t, "lines"), Depth: rapid.IntRange(0, 5).Draw(t, "depth")}
		totals := totalsOf(parents, self)
		shown := chosen(parents, totals, float64(totals[0]), o)
		lines := 0
		for node := 1; node < n; node++ {
			if !shown[node] {
				continue
			}
			lines++
			if parents[node] != 0 && !shown[parents[node]] {
				t.Fatalf("node %d is shown without its parent %d", node, parents[node])
			}
			if float64(totals[node]) < o.Least*float64(totals[0]) {
				t.Fatalf("node %d is too light", node)
			}
		}
		if lines > o.Lines {
			t.Fatalf("%d lines, at most %d may be", lines, o.Lines)
		}
	})
}
