package jfr

import (
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// BenchmarkWire encodes the window of the recording of BenchmarkDecode. Its
// metrics are what aggregation before upload is for: bytes sent per byte of
// JFR, and rows stored per sample recorded.
func BenchmarkWire(b *testing.B) {
	f, layout := benchRecording(b)
	r, err := NewDecoder().Decode(b.Context(), f, layout.Chunks, DefaultOptions())
	if err != nil {
		b.Fatal(err)
	}
	w := &profile.Window{Sets: r.Sets, Coverage: r.Coverage, Start: time.Unix(0, 0), End: time.Unix(60, 0)}
	var rows, samples int64
	for i := range r.Sets {
		rows += int64(len(r.Sets[i].Stacks))
	}
	for _, c := range r.Coverage {
		samples += c.Captured.Count
	}
	size := sizeOf(layout.Chunks)
	b.SetBytes(size)
	var wire int
	for b.Loop() {
		encoded, err := profile.Encode(w)
		if err != nil {
			b.Fatal(err)
		}
		wire = len(encoded)
	}
	b.ReportMetric(float64(wire)/float64(size), "wire-B/jfr-B")
	b.ReportMetric(float64(rows)/float64(samples), "rows/sample")
}
