package recording

import (
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
)

// group is the chunks that make one window.
type group struct {
	start, end time.Time // of the window
	span       profile.Span
	chunks     []jfr.Chunk
}

// bytesEnd is the offset behind the last chunk.
func (g group) bytesEnd() int64 {
	last := g.chunks[len(g.chunks)-1]
	return last.Offset + last.Size
}

// groupChunks assigns chunks to windows, by nothing but their headers, which
// never change: so a window that is made twice is made of the same chunks. A
// chunk belongs to the window of its middle, because one that ends at a
// boundary ends a little behind it. A chunk much longer than a window (nobody
// asked for one while the sidecar was down, or the machine slept) makes a longer
// window, up to the longest that a backend takes.
//
// The headers are the application's to forge, and those of a clock that is set
// contradict each other. Times outside of possible are replaced by the nearest
// that is possible.
func groupChunks(chunks []jfr.Chunk, grid Grid, possible profile.Span) []group {
	var groups []group
	for _, c := range chunks {
		span := within(c, possible)
		length := span.End.Sub(span.Start)
		at := span.Start.Add(length / 2)
		if length > grid.Window*3/2 {
			at = span.Start
		}
		start, end := grid.around(at)
		last := len(groups) - 1
		if last < 0 || start.After(groups[last].start) {
			groups = append(groups, group{start: start, end: end, span: span})
			last++
		}
		g := &groups[last]
		g.chunks = append(g.chunks, c)
		if span.End.After(g.span.End) {
			g.span.End = span.End
		}
		if border := grid.border(span.End); border.After(g.end) {
			g.end = border
		}
		g.bound(grid)
	}
	for i := 1; i < len(groups); i++ {
		if groups[i-1].end.After(groups[i].start) {
			groups[i-1].end = groups[i].start
		}
	}
	return groups
}

// bound makes the window no longer than a window may be. What of its chunk's time is
// beyond it is in no window.
func (g *group) bound(grid Grid) {
	longest := Floor(g.start.Add(profile.MaxWindowSeconds*time.Second), grid.Window)
	if g.end.After(longest) {
		g.end = longest
		g.span.End = earlier(g.span.End, longest)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// within is the time of a chunk as far as it is possible. One that ends before
// it begins, because the clock was set back meanwhile, ends as late as possible.
func within(c jfr.Chunk, possible profile.Span) profile.Span {
	s := profile.Span{Start: Clamp(c.Start, possible), End: Clamp(c.End, possible)}
	if c.End.Before(c.Start) {
		s.End = possible.End
	}
	if s.End.Before(s.Start) {
		s.End = s.Start
	}
	return s
}

// Clamp returns the time of the span that is nearest to t.
func Clamp(t time.Time, s profile.Span) time.Time {
	if t.After(s.End) {
		t = s.End
	}
	if t.Before(s.Start) {
		t = s.Start
	}
	return t
}
