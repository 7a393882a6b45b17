package recording

import (
	"io"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/timeline"
)

// A recording that is written while the wall clock is set has times of two
// clocks. Here all become times of the clock at its beginning: its chunks follow
// each other without a gap, and their headers tell ticks, which nobody sets. Only
// the end of its last chunk has none; there it counts when each step was noticed.

// clockIn is the time of a moment that the clock showed as raw after the first k
// steps.
func clockIn(raw time.Time, steps []timeline.Step, k int) time.Time {
	for _, s := range steps[:k] {
		raw = raw.Add(-s.By)
	}
	return raw
}

// FirstClock returns the moment, on the clock before all steps, that was read as
// raw. It lies in possible, or near it.
func FirstClock(raw time.Time, steps []timeline.Step, possible profile.Span) time.Time {
	best, least := raw, time.Duration(-1)
	for k := range len(steps) + 1 {
		at, in := clockIn(raw, steps, k), possible
		if k > 0 && steps[k-1].From.After(in.Start) {
			in.Start = steps[k-1].From
		}
		if k < len(steps) && steps[k].To.Before(in.End) {
			in.End = steps[k].To
		}
		if off := at.Sub(Clamp(at, in)).Abs(); least < 0 || off < least {
			best, least = at, off
		}
	}
	return best
}

// oneClock puts right the times of the chunks, of which the last may be followed
// by one that is still written, at next; 0 for none.
func oneClock(r io.ReaderAt, chunks []jfr.Chunk, next int64, p Progress) {
	first, ok := jfr.ReadClock(r, 0)
	if !ok || len(chunks) == 0 {
		return
	}
	headers := []jfr.Clock{}
	for _, c := range chunks {
		h, ok := jfr.ReadClock(r, c.Offset)
		if !ok {
			return
		}
		headers = append(headers, h)
	}
	if h, ok := jfr.ReadClock(r, next); ok && next > 0 {
		headers = append(headers, h)
	}
	perSecond := usualRate(headers, first)
	if len(p.Steps) == 0 && !jumps(headers, first, perSecond) {
		return
	}
	k := 0
	for i, h := range headers {
		since := time.Duration(float64(h.Ticks-first.Ticks) / perSecond * float64(time.Second))
		k = stepsBefore(h.Start, first.Start.Add(since), p.Steps, k)
		start := clockIn(h.Start, p.Steps, k)
		if byTicks := first.Start.Add(since); start.Sub(byTicks).Abs() > tickError { // more steps than were noticed
			start = byTicks
		}
		if i > 0 {
			chunks[i-1].End = start
		}
		if i < len(chunks) {
			chunks[i].Start = start
		}
	}
	if len(headers) > len(chunks) {
		return
	}
	last, h := &chunks[len(chunks)-1], headers[len(chunks)-1]
	possible := profile.Span{Start: later(last.Start, p.Alive), End: p.Possible.End}
	last.End = Clamp(FirstClock(last.Start.Add(h.Duration), p.Steps[k:], possible), profile.Span{Start: last.Start, End: possible.End})
}

// jumps says whether a clock that nobody saw being set was, as it may be forth and
// back while no sidecar is there.
func jumps(headers []jfr.Clock, first jfr.Clock, perSecond float64) bool {
	for _, h := range headers {
		since := time.Duration(float64(h.Ticks-first.Ticks) / perSecond * float64(time.Second))
		if h.Start.Sub(first.Start.Add(since)).Abs() > clockDrift {
			return true
		}
	}
	return false
}

// clockDrift is more than ticks and a clock that nobody sets come apart while one
// recording is written.
const clockDrift = 10 * time.Second

// usualRate is the median of ticks per second: that of a chunk with a step in it
// was measured wrongly, if they are ticks of the processor.
func usualRate(headers []jfr.Clock, first jfr.Clock) float64 {
	var rates []int64
	if headers[0] != first {
		rates = append(rates, first.PerSecond)
	}
	for _, h := range headers {
		rates = append(rates, h.PerSecond)
	}
	slices.Sort(rates)
	return max(1, float64(rates[len(rates)/2]))
}

// tickError is by how much a time by ticks may be off.
const tickError = time.Second

// stepsBefore is how many steps, from k on, the clock had made when it showed
// raw at a moment that by ticks was at.
func stepsBefore(raw, at time.Time, steps []timeline.Step, k int) int {
	for k < len(steps) && steps[k].To.Add(tickError).Before(at) {
		k++
	}
	best := k
	for ; k <= len(steps) && (k == 0 || !at.Before(steps[k-1].From.Add(-tickError))); k++ {
		if clockIn(raw, steps, k).Sub(at).Abs() < clockIn(raw, steps, best).Sub(at).Abs() {
			best = k
		}
	}
	return best
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
