// Package recording reads what a profiler session has recorded, one window
// after the other. It keeps no state: how far a recording is read stands in the
// session's marker.
package recording

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/timeline"
)

// Decoder reads chunks of a recording.
type Decoder interface {
	Decode(ctx context.Context, f *os.File, chunks []jfr.Chunk, o jfr.Options) (jfr.Result, error)
}

// Progress is how far a recording is read, and what is known of the rest.
type Progress struct {
	Consumed int64        // bytes of the file
	Grid     Grid         // of its windows
	Possible profile.Span // in which the rest was written
	Ended    bool         // nothing more is written: the last window may be shorter, and what is no chunk is lost
	// Steps of the clock while the recording was written. Times are of the clock
	// before them, also those of what is returned.
	Steps []timeline.Step
	Alive time.Time // when it was last known to be written
}

// Part is what one window holds of a recording.
type Part struct {
	Start, End time.Time      // of the window
	Span       profile.Span   // of the chunks, as far as their headers are possible
	Chunks     []jfr.Chunk    // finished; none where only bytes are lost
	Last       bool           // nothing follows
	Bytes      int64          // offset in the file behind the part
	Unfinished int64          // bytes of a chunk that its JVM did not live to finish
	Losses     []profile.Loss // bytes that are no chunk
}

// Parts returns the parts of the windows that have ended at now, and the size of
// the first chunk if that is not consumed yet: it holds the settings.
func Parts(r io.ReaderAt, size int64, p Progress, now time.Time) (parts []Part, first int64, err error) {
	layout, err := jfr.Scan(r, p.Consumed, size)
	if err != nil {
		return nil, 0, err
	}
	if len(layout.Chunks) > 0 && layout.Chunks[0].Offset == 0 {
		first = layout.Chunks[0].Size
	}
	oneClock(r, layout.Chunks, layout.Unfinished.Offset, p)
	groups := groupChunks(layout.Chunks, p.Grid, p.Possible)
	from := p.Consumed
	for i, g := range groups {
		if !p.Ended && now.Before(g.end) {
			break
		}
		part := Part{Start: g.start, End: g.end, Span: g.span, Chunks: g.chunks, Bytes: g.bytesEnd()}
		if p.Ended && i == len(groups)-1 {
			part.Bytes, part.Last = size, true
		}
		if err := part.account(r, from); err != nil {
			return nil, 0, err
		}
		parts, from = append(parts, part), part.Bytes
	}
	if !p.Ended || len(groups) > 0 {
		return parts, first, nil
	}
	rest := Part{Bytes: size, Span: profile.Span{Start: p.Possible.Start, End: p.Possible.Start}}
	rest.Start, rest.End = p.Grid.around(p.Possible.Start)
	if err := rest.account(r, p.Consumed); err != nil {
		return nil, 0, err
	}
	if len(rest.Losses) > 0 || rest.Unfinished > 0 {
		parts = append(parts, rest)
	}
	return parts, first, nil
}

// account enters the bytes of the part, which begins at from, that are no
// finished chunk.
func (p *Part) account(r io.ReaderAt, from int64) error {
	layout, err := jfr.Scan(r, from, p.Bytes)
	p.Losses, p.Unfinished = layout.Losses, layout.Unfinished.Bytes
	return err
}

// Reader decodes parts.
type Reader struct {
	Decoder Decoder
	Options jfr.Options // without settings, which each recording has of its own
	// Keep is a directory for what cannot be read; empty for none.
	Keep string
}

// Read decodes a part of the recording of a session. The settings are those that the last part returned; for
// the first, none. An error is no word about the recording: it may be read
// later. A note says what was done about chunks that could not be read whole.
func (r Reader) Read(ctx context.Context, session string, f *os.File, p Part, settings profile.Settings) (result jfr.Result, note error, err error) {
	if len(p.Chunks) == 0 {
		return jfr.Result{Settings: settings}, nil, nil
	}
	o := r.Options
	tick := o.Settings.Tick
	o.Settings = settings
	o.Settings.Tick = tick
	if result, err = r.Decoder.Decode(ctx, f, p.Chunks, o); err != nil {
		return jfr.Result{}, nil, err
	}
	if r.Keep != "" && len(result.Losses) > 0 {
		name := fmt.Sprintf("%s-%d.jfr", session, p.Chunks[0].Offset)
		note = keep(f, p.Chunks, r.Keep, filepath.Join(r.Keep, name))
	}
	return result, note, nil
}
