// Package inspect reads one recording for a person at a terminal and prints
// what it holds: as collapsed stacks, pprof, JSON, or as the ledger of what
// could not be read. Nothing is sent anywhere.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/safefile"
)

// Format is a form of output.
type Format string

// The formats.
const (
	Collapsed Format = "collapsed" // a line per stack: frames, root first, and its value
	Pprof     Format = "pprof"     // gzipped protobuf
	JSON      Format = "json"      // everything
	Ledger    Format = "ledger"    // what was read, what was not and why
)

// Value is which of a stack's numbers is printed.
type Value string

// The values.
const (
	Scaled Value = "value" // what the samples stand for: ns or bytes
	Count  Value = "count" // samples or contentions
	Raw    Value = "raw"   // the unscaled sum of the recording: samples, bytes, ns of recorded waits
)

// Request says what to print of which recording.
type Request struct {
	Path    string
	Type    profile.Type // empty: the first that has samples; for JSON and Ledger: all
	Format  Format
	Value   Value
	Decoder *jfr.Decoder
	Limits  profile.Limits
	// MaxEvents bounds the samples that are read.
	MaxEvents int64
}

// Exit codes of errors.
const (
	ExitNothing = 1 // nothing could be read, or nothing of that type
	ExitUsage   = 2 // the file is missing or no file, or a flag is wrong
)

// Error is an error with the exit code that the command ends with.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ExitCode returns the exit code, for kong.
func (e *Error) ExitCode() int { return e.Code }

func nothing(format string, args ...any) error {
	return &Error{ExitNothing, fmt.Errorf(format, args...)}
}

// Run reads the recording and prints it to out, and to notes, in words, what
// of it could not be read.
func Run(ctx context.Context, req Request, out, notes io.Writer) error {
	r, err := read(ctx, &req)
	if err != nil {
		return err
	}
	if req.Format == Ledger {
		if err := r.writeLedger(out); err != nil {
			return err
		}
		return r.nothingRead()
	}
	if err := r.nothingRead(); err != nil {
		return err
	}
	if err := r.note(notes); err != nil {
		return err
	}
	if req.Format == JSON {
		return r.writeJSON(out)
	}
	t, err := r.chooseType(notes)
	if err != nil {
		return err
	}
	if req.Format == Pprof {
		return r.writePprof(out, t)
	}
	return r.writeCollapsed(out, t)
}

// recording is a recording that was read.
type recording struct {
	req    *Request
	size   int64
	layout jfr.Layout
	result jfr.Result
	// losses are those of layout and result together.
	losses []profile.Loss
	begins []byte // the first bytes of the file
}

func read(ctx context.Context, req *Request) (*recording, error) {
	f, err := jfr.Open(req.Path)
	if err != nil {
		return nil, openError(req.Path, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, nothing("read recording %s: %w", req.Path, err)
	}
	r := &recording{req: req, size: info.Size(), begins: beginning(f)}
	if r.layout, err = jfr.Scan(f, 0, r.size); err != nil {
		return nil, nothing("%s: %w", req.Path, err)
	}
	r.result, err = req.Decoder.Decode(ctx, f, r.layout.Chunks, r.options())
	if err != nil {
		return nil, nothing("decode %s: %w", req.Path, err)
	}
	r.losses = profile.AddLosses(nil, r.layout.Losses...)
	r.losses = profile.AddLosses(r.losses, r.result.Losses...)
	if n := r.layout.Unfinished.Bytes; n > 0 {
		r.losses = profile.AddLosses(r.losses, profile.Loss{Outcome: profile.Dropped, Reason: profile.ChunkUnfinished, Bytes: n})
	}
	return r, nil
}

func (r *recording) options() jfr.Options {
	o := jfr.Options{Limits: r.req.Limits, MaxEvents: r.req.MaxEvents, Raw: r.req.Value == Raw}
	if r.req.Type != "" && (r.req.Format == JSON || r.req.Format == Ledger) {
		o.Types = []profile.Type{r.req.Type}
	}
	return o
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, safefile.ErrNotRegular):
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w; give the path of a .jfr file", err)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w; the profiler writes recordings as the user of the JVM: read it as that user or as root", err)
	}
	return &Error{ExitUsage, err}
}

// beginning returns the first bytes, to say what the file is instead.
func beginning(f *os.File) []byte {
	b := make([]byte, 8)
	n, _ := f.ReadAt(b, 0)
	return b[:n]
}

// nothingRead is the error of a recording of which no chunk was read.
func (r *recording) nothingRead() error {
	if r.result.Chunks > 0 {
		return nil
	}
	why, next := r.verdict()
	return nothing("%s: nothing is recoverable: %s; %s", r.req.Path, why, next)
}

// verdict says why nothing was read, and what to do.
func (r *recording) verdict() (why, next string) {
	switch {
	case r.size == 0:
		return "the file is empty", "let the profiler finish the recording (dump or stop) before reading it"
	case len(r.result.Problems) > 0:
		return strings.Join(r.result.Problems, "; "), "see --format ledger"
	case r.layout.Unfinished.Bytes > 0:
		return fmt.Sprintf("its only chunk (%d bytes) was never finished, as when the JVM was killed", r.layout.Unfinished.Bytes),
			"the stacks are written last, so they are lost; shorter chunks (chunktime=) lose less"
	case string(r.begins[:min(4, len(r.begins))]) == "FLR\x00":
		return "its chunk is cut off before the stacks, or damaged", "copy the file again, or record again; see --format ledger"
	case strings.Trim(string(r.begins), "\x00") == "" && len(r.layout.Losses) == 0:
		return "it holds only zeros, as when all its chunks were read and punched out", "record again"
	}
	return fmt.Sprintf("it is no JFR recording (it begins with %q)", r.begins), "give a file that async-profiler wrote with -o jfr"
}

// chooseType returns the type to print, and says if there are others.
func (r *recording) chooseType(notes io.Writer) (profile.Type, error) {
	var have []string
	for i := range r.result.Sets {
		have = append(have, string(r.result.Sets[i].Type))
	}
	if r.req.Type != "" {
		if r.set(r.req.Type) == nil {
			return "", nothing("%s: no %s samples; %s", r.req.Path, r.req.Type, r.whatElse(have))
		}
		return r.req.Type, nil
	}
	if len(have) == 0 {
		return "", nothing("%s: no samples of cpu, alloc, lock or wall; %s", r.req.Path, r.whatElse(have))
	}
	if len(have) > 1 {
		if _, err := fmt.Fprintf(notes, "note: this is %s; there is also %s (--type)\n", have[0], strings.Join(have[1:], ", ")); err != nil {
			return "", err
		}
	}
	return profile.Type(have[0]), nil
}

// whatElse says what a recording has that was not asked for.
func (r *recording) whatElse(have []string) string {
	switch {
	case len(have) > 0:
		return "it has " + strings.Join(have, ", ")
	case len(r.result.Unread) > 0:
		return "it has events that are not read: " + r.unread()
	}
	return "nothing was sampled while it was recorded"
}

func (r *recording) set(t profile.Type) *profile.StackSet {
	for i := range r.result.Sets {
		if r.result.Sets[i].Type == t {
			return &r.result.Sets[i]
		}
	}
	return nil
}
