package recording

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/timeline"
	"pgregory.net/rapid"
)

// written is a recording as the profiler writes it while the clock is set: the
// true times of its borders, in seconds of the clock at its beginning.
type written struct {
	borders []float64
	steps   []timeline.Step
	moments []float64 // of the steps
	rate    float64   // ticks per second
	tsc     bool      // the rate of a chunk is measured by the wall clock
}

func (w written) wall(t float64) time.Time {
	raw := at(t)
	for i, s := range w.steps {
		if w.moments[i] < t {
			raw = raw.Add(s.By)
		}
	}
	return raw
}

const headerBytes = 68

// file has a header for each chunk, also for one that is still written.
func (w written) file(unfinished bool) ([]byte, []jfr.Chunk) {
	var b []byte
	var chunks []jfr.Chunk
	for i, start := range w.borders {
		last := i == len(w.borders)-1
		if last && !unfinished {
			break
		}
		var duration, rate = time.Duration(0), w.rate
		if !last {
			duration = w.wall(w.borders[i+1]).Sub(w.wall(start))
			if w.tsc && duration != 0 {
				rate = w.rate * (w.borders[i+1] - start) / duration.Seconds()
			}
			chunks = append(chunks, jfr.Chunk{Offset: int64(len(b)), Size: headerBytes, Start: w.wall(start), End: w.wall(w.borders[i+1])})
		}
		b = append(b, "FLR\x00\x00\x02\x00\x00"...)
		for _, v := range []int64{headerBytes, 0, 0, w.wall(start).UnixNano(), int64(duration), int64(start * w.rate), int64(rate)} {
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		}
		b = append(b, 0, 0, 0, 1)
	}
	return b, chunks
}

// However the clock is set, and wherever the reading begins: all chunks have the
// times of one clock, also the last one of a session that was stopped.
func TestOneClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := written{rate: 1e9, tsc: rapid.Bool().Draw(t, "tsc")}
		if w.tsc {
			w.rate = 2.4e9
		}
		now := 1e6
		for range rapid.IntRange(4, 12).Draw(t, "borders") {
			w.borders = append(w.borders, now)
			now += float64(rapid.IntRange(3000, 20000).Draw(t, "ms")) / 1000
		}
		end := w.borders[len(w.borders)-1]
		for range rapid.IntRange(1, 3).Draw(t, "steps") {
			from := 1e6
			if n := len(w.moments); n > 0 {
				from = w.moments[n-1] + 2
			}
			if from+2 >= end {
				break
			}
			moment := from + 1 + rapid.Float64Range(0, end-from-2).Draw(t, "moment")
			by := time.Duration(rapid.IntRange(2000, 3_600_000).Draw(t, "by")) * time.Millisecond
			if rapid.Bool().Draw(t, "back") {
				by = -by
			}
			w.moments = append(w.moments, moment)
			w.steps = append(w.steps, timeline.Step{From: at(moment - 0.5), To: at(moment + 0.5), By: by})
		}
		stopped := rapid.Bool().Draw(t, "stopped")
		consumed := rapid.IntRange(0, len(w.borders)-2).Draw(t, "consumed")
		if seen := len(w.borders) - 1 - consumed; seen <= 2*len(w.steps) { // most chunks have no step
			w.tsc = false
		}
		b, chunks := w.file(!stopped)
		p := Progress{Steps: w.steps, Possible: profile.Span{Start: at(1e6), End: at(end + 0.1)}, Alive: at(1e6)}
		next := int64(len(b) - headerBytes)
		if stopped {
			next, p.Alive = 0, at(end)
		}
		oneClock(bytes.NewReader(b), chunks[consumed:], next, p)
		for i, c := range chunks[consumed:] {
			from, to := at(w.borders[consumed+i]), at(w.borders[consumed+i+1])
			if c.Start.Sub(from).Abs() > 10*time.Millisecond || c.End.Sub(to).Abs() > 10*time.Millisecond {
				t.Fatalf("chunk %d is from %s to %s, want %s to %s", consumed+i, c.Start, c.End, from, to)
			}
		}
	})
}

// The clock was set twice while nobody looked, who knows the sum only: the chunk
// between has the time by ticks.
func TestStepsThatWereNotNoticed(t *testing.T) {
	w := written{rate: 1e9, borders: []float64{1e6, 1e6 + 10, 1e6 + 20, 1e6 + 30, 1e6 + 40}, moments: []float64{1e6 + 15, 1e6 + 35},
		steps: []timeline.Step{{By: -26 * time.Second}, {By: 29 * time.Second}}}
	b, chunks := w.file(false)
	p := Progress{Possible: span(1e6, 1e6+40.1), Alive: at(1e6 + 40), Steps: []timeline.Step{{From: at(1e6 + 5), To: at(1e6 + 40), By: 3 * time.Second}}}
	oneClock(bytes.NewReader(b), chunks, 0, p)
	for i, c := range chunks {
		if !c.Start.Equal(at(w.borders[i])) || c.End.Sub(at(w.borders[i+1])).Abs() > 100*time.Millisecond {
			t.Errorf("chunk %d is from %s to %s, want %s to %s", i, c.Start, c.End, at(w.borders[i]), at(w.borders[i+1]))
		}
	}
}

// Of a session that ended by itself it is not known when; a step that was noticed
// later than it can have ended is none of it.
func TestFirstClock(t *testing.T) {
	step := func(from, to float64, by time.Duration) timeline.Step {
		return timeline.Step{From: at(from), To: at(to), By: by}
	}
	tests := map[string]struct {
		raw   float64
		steps []timeline.Step
		in    profile.Span
		want  float64
	}{
		"no step":                  {50, nil, span(40, 60), 50},
		"before it, forward":       {50, []timeline.Step{step(55, 56, time.Hour)}, span(40, 60), 50},
		"behind it, forward":       {3657, []timeline.Step{step(55, 56, time.Hour)}, span(40, 60), 57},
		"behind it, back":          {17, []timeline.Step{step(55, 56, -40*time.Second)}, span(40, 60), 57},
		"behind one, before other": {62, []timeline.Step{step(45, 46, 10*time.Second), step(55, 56, 5*time.Second)}, span(40, 60), 52},
		"known to have been alive": {53, []timeline.Step{step(55, 56, -5*time.Second)}, span(58, 58.1), 58},
	}
	for name, test := range tests {
		if got := FirstClock(at(test.raw), test.steps, test.in); !got.Equal(at(test.want)) {
			t.Errorf("%s: %s, want %s", name, got, at(test.want))
		}
	}
}
