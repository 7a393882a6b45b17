package agent

import (
	"time"

	"github.com/podflame/podflame/sidecar/internal/jfr"
)

// group is the chunks that make one window.
type group struct {
	start, end time.Time // of the window
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
// asked for one while the sidecar was down) makes a longer window.
//
// The headers are the application's to forge. Times outside of [oldest, newest]
// are replaced by the nearest that is possible.
func groupChunks(chunks []jfr.Chunk, window time.Duration, oldest, newest time.Time) []group {
	var groups []group
	for _, c := range chunks {
		from, to := clamp(c.Start, oldest, newest), clamp(c.End, oldest, newest)
		if to.Before(from) {
			to = from
		}
		start := floor(from.Add(to.Sub(from)/2), window)
		if to.Sub(from) > window*3/2 {
			start = floor(from, window)
		}
		last := len(groups) - 1
		if last < 0 || start.After(groups[last].start) {
			groups = append(groups, group{start: start, end: start.Add(window)})
			last++
		}
		g := &groups[last]
		g.chunks = append(g.chunks, c)
		if end := floor(to.Add(window/2), window); end.After(g.end) {
			g.end = end
		}
	}
	for i := 1; i < len(groups); i++ {
		if groups[i-1].end.After(groups[i].start) {
			groups[i-1].end = groups[i].start
		}
	}
	return groups
}

func clamp(t, low, high time.Time) time.Time {
	if t.Before(low) {
		return low
	}
	if t.After(high) {
		return high
	}
	return t
}

// floor is the boundary of windows at or before t. Boundaries are multiples of
// the window's length since 1970, the same in every pod.
func floor(t time.Time, window time.Duration) time.Time {
	step := int64(window / time.Second)
	seconds := t.Unix()
	return time.Unix(seconds-seconds%step, 0).UTC()
}

// ceil is the boundary of windows after t.
func ceil(t time.Time, window time.Duration) time.Time { return floor(t, window).Add(window) }
