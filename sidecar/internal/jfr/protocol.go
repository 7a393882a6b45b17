package jfr

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// What parent and child say to each other. The child has the recording as file
// 3 and writes the number of each chunk that it begins, four bytes, to file 4.
// The request is JSON on its standard input, the answer goes to its standard
// output: the length of a JSON summary in four bytes, the summary, and a window, not
// compressed if it is short.
const (
	recordingFD = 3
	progressFD  = 4

	maxRequest = 32 << 20
	maxSummary = 1 << 20
)

// request is what the child is asked to do.
type request struct {
	Chunks         []Chunk `json:"chunks"`
	Options        Options `json:"options"`
	MemoryBytes    int64   `json:"memoryBytes"`
	CPUSeconds     uint64  `json:"cpuSeconds"`
	MaxOutputBytes int     `json:"maxOutputBytes"`
	MaxFrames      int     `json:"maxFrames"`
}

// summary is what of a Result is not in a window.
type summary struct {
	Chunks   int              `json:"chunks"`
	Events   int64            `json:"events"`
	Event    Event            `json:"event"`
	Unread   map[string]int64 `json:"unread,omitempty"`
	Problems []string         `json:"problems,omitempty"`
	// PeakBytes is what was resident of the child at most. What the kernel counts for
	// the parent begins with what the parent itself has.
	PeakBytes int64 `json:"peakBytes,omitempty"`
	Packed    bool  `json:"packed,omitempty"` // the window is compressed
}

func writeAnswer(w io.Writer, r *Result, limit, maxFrames int) error {
	window, packed, err := encodeWithin(r, limit, maxFrames)
	if err != nil {
		return err
	}
	status, err := ownStatus()
	if err != nil {
		return err
	}
	head, err := json.Marshal(summary{r.Chunks, r.Events, r.Event, r.Unread, r.Problems, int64(status.VmHWM), packed})
	if err != nil {
		return fmt.Errorf("encode summary: %w", err)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(head)))
	out = append(append(out, head...), window...)
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

func readAnswer(b []byte, limits profile.DecodeLimits) (Result, error) {
	if len(b) < 4 {
		return Result{}, fmt.Errorf("answer of the decoder has %d bytes", len(b))
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if n > maxSummary || int(n) > len(b) {
		return Result{}, fmt.Errorf("answer of the decoder claims a summary of %d bytes", n)
	}
	var s summary
	if err := json.Unmarshal(b[:n], &s); err != nil {
		return Result{}, fmt.Errorf("read summary of the decoder: %w", err)
	}
	decode := profile.DecodeMessage
	if s.Packed {
		decode = profile.Decode
	}
	w, err := decode(b[n:], limits)
	if err != nil {
		return Result{}, fmt.Errorf("read answer of the decoder: %w", err)
	}
	return Result{
		Sets: w.Sets, Coverage: w.Coverage, Losses: w.Losses, Recorded: w.Recorded, Settings: w.Settings,
		Cost: Cost{PeakBytes: s.PeakBytes}, Chunks: s.Chunks, Events: s.Events, Event: s.Event, Unread: s.Unread, Problems: s.Problems,
	}, nil
}

// asWindow wraps a result for transport. Its identity means nothing.
func (r *Result) asWindow() *profile.Window {
	w := &profile.Window{ID: profile.WindowID{1}, Start: time.Unix(1, 0).UTC(), End: time.Unix(2, 0).UTC()}
	r.AddTo(w)
	return w
}
