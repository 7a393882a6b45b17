package recording

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"pgregory.net/rapid"
)

func at(seconds float64) time.Time { return time.UnixMilli(int64(seconds * 1000)).UTC() }

func chunk(from, to float64) jfr.Chunk { return jfr.Chunk{Start: at(from), End: at(to), Size: 1} }

func span(from, to float64) profile.Span { return profile.Span{Start: at(from), End: at(to)} }

func TestGroupChunks(t *testing.T) {
	type window struct {
		From, To float64
		Chunks   int
	}
	minute := Grid{Window: time.Minute}
	tests := []struct {
		name   string
		chunks []jfr.Chunk
		want   []window
		grid   Grid
	}{
		{"none", nil, nil, minute},
		{"one window each", []jfr.Chunk{chunk(60.1, 120.1), chunk(120.1, 180.2)}, []window{{60, 120, 1}, {120, 180, 1}}, minute},
		{"first chunk of a session", []jfr.Chunk{chunk(75, 75.1), chunk(75.1, 120.1)}, []window{{60, 120, 2}}, minute},
		{"a slow dump", []jfr.Chunk{chunk(60, 124), chunk(124, 180)}, []window{{60, 120, 1}, {120, 180, 1}}, minute},
		{"large chunks", []jfr.Chunk{chunk(60, 80), chunk(80, 100), chunk(100, 120.1)}, []window{{60, 120, 3}}, minute},
		{"no sidecar, chunks by themselves", []jfr.Chunk{chunk(0, 75), chunk(75, 150), chunk(150, 225), chunk(225, 300)},
			[]window{{0, 60, 1}, {60, 180, 1}, {180, 240, 1}, {240, 300, 1}}, minute},
		{"no sidecar, one chunk", []jfr.Chunk{chunk(60, 310), chunk(310, 360)}, []window{{60, 300, 1}, {300, 360, 1}}, minute},
		{"long before short", []jfr.Chunk{chunk(75, 150), chunk(150, 190)}, []window{{60, 120, 1}, {120, 180, 1}}, minute},
		{"times out of range", []jfr.Chunk{chunk(-1000, -900), chunk(120, 1e6)}, []window{{0, 60, 1}, {120, 1020, 1}}, minute},
		{"clock set back", []jfr.Chunk{chunk(120, 180), chunk(60, 119)}, []window{{120, 180, 2}}, minute},
		{"a short first window", []jfr.Chunk{chunk(71, 71.1), chunk(71.1, 80.1), chunk(80.1, 120.1), chunk(120.1, 180)},
			[]window{{60, 80, 2}, {80, 120, 1}, {120, 180, 1}}, Grid{Window: time.Minute, Cut: at(80)}},
		{"a cut at a border", []jfr.Chunk{chunk(71, 120.1)}, []window{{60, 120, 1}}, Grid{Window: time.Minute, Cut: at(120)}},
		{"windows have become longer", []jfr.Chunk{chunk(80.1, 90.1), chunk(90.1, 120.1)}, []window{{80, 120, 2}}, Grid{Window: time.Minute, Through: at(80)}},
		{"a chunk before the last window's end", []jfr.Chunk{chunk(70, 75), chunk(80.1, 120)}, []window{{80, 120, 2}}, Grid{Window: time.Minute, Through: at(80)}},
		{"no times at all", []jfr.Chunk{{Size: 1}}, []window{{0, 60, 1}}, minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []window
			for _, g := range groupChunks(test.chunks, test.grid, span(0, 1000)) {
				got = append(got, window{float64(g.start.Unix()), float64(g.end.Unix()), len(g.chunks)})
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("windows (-want +got):\n%s", diff)
			}
		})
	}
}

// A chunk that lasts for days, as the machine slept, makes the longest window that a
// backend takes.
func TestNoWindowIsTooLong(t *testing.T) {
	chunks := []jfr.Chunk{chunk(60, 200_000), chunk(200_000, 200_040)}
	groups := groupChunks(chunks, Grid{Window: time.Minute}, span(0, 300_000))
	if len(groups) != 2 || !groups[0].start.Equal(at(60)) || !groups[0].end.Equal(at(65_580)) || groups[0].span != span(60, 65_580) {
		t.Errorf("%+v, want a window from 60 to 65580 s and one behind it", groups)
	}
}

func onGrid(g Grid, t time.Time) bool {
	return Floor(t, g.Window).Equal(t) || t.Equal(g.Cut) || t.Equal(g.Through)
}

// However chunks lie: each is in one window, in order; windows are aligned and
// do not overlap; and a window that is made from the chunks known so far has
// the same chunks as when it is made again later.
func TestGroupsAreStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grid := Grid{Window: time.Duration(rapid.IntRange(5, 90).Draw(t, "window")) * time.Second}
		now := at(1_000_000)
		if rapid.Bool().Draw(t, "cut?") {
			grid.Cut = now.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "cut")) * time.Second)
		}
		if rapid.Bool().Draw(t, "through?") {
			grid.Through = Floor(now, 5*time.Second)
		}
		var chunks []jfr.Chunk
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			next := now.Add(time.Duration(rapid.IntRange(1, 200_000).Draw(t, "ms")) * time.Millisecond)
			chunks = append(chunks, jfr.Chunk{Offset: int64(len(chunks)), Size: 1, Start: now, End: next})
			now = next
		}
		all := groupChunks(chunks, grid, profile.Span{Start: at(0), End: now})
		offset := int64(0)
		for i, g := range all {
			for _, c := range g.chunks {
				if c.Offset != offset {
					t.Fatalf("chunk %d comes at the place of %d", c.Offset, offset)
				}
				offset++
			}
			if !onGrid(grid, g.start) || !onGrid(grid, g.end) || !g.start.Before(g.end) || g.start.Before(grid.Through) {
				t.Fatalf("window %s to %s", g.start, g.end)
			}
			if i > 0 && g.start.Before(all[i-1].end) {
				t.Fatalf("window of %s overlaps the one before", g.start)
			}
		}
		if offset != int64(len(chunks)) {
			t.Fatalf("%d of %d chunks are in windows", offset, len(chunks))
		}
		known := rapid.IntRange(1, len(chunks)).Draw(t, "known")
		end := chunks[known-1].End
		for i, g := range groupChunks(chunks[:known], grid, profile.Span{Start: at(0), End: end}) {
			complete := !end.Before(g.end)
			if complete && len(g.chunks) != len(all[i].chunks) {
				t.Fatalf("window of %s had %d chunks when it was complete, later %d", g.start, len(g.chunks), len(all[i].chunks))
			}
		}
	})
}
