// Package inspect reads one recording for a person at a terminal and prints
// what it holds: as collapsed stacks, pprof, JSON, or as the ledger of what
// could not be read. Nothing is sent anywhere.
package inspect

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

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
	Path string
	// Type is the name of a type, or that of the event that the recording has in
	// place of CPU time. Empty: the first that has samples; for JSON and Ledger: all.
	Type    string
	Format  Format
	Value   Value
	Decoder *jfr.Decoder
	Limits  profile.Limits
	// MaxEvents bounds the samples that are read.
	MaxEvents int64
	// Tick is that of the kernel that ran the JVM. 0: not known.
	Tick time.Duration
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

func usage(format string, args ...any) error {
	return &Error{ExitUsage, fmt.Errorf(format, args...)}
}

func nothing(format string, args ...any) error {
	return &Error{ExitNothing, fmt.Errorf(format, args...)}
}

// Run reads the recording and prints it to out, and to notes, in words, what
// of it is missing there.
func Run(ctx context.Context, req Request, out, notes io.Writer) error {
	r, err := read(ctx, &req)
	if err != nil {
		return err
	}
	if err := r.checkType(); err != nil {
		return err
	}
	if req.Format == Ledger {
		if err := errors.Join(r.note(notes, r.shown()), r.writeLedger(out)); err != nil {
			return err
		}
		return r.nothingRead()
	}
	if err := r.nothingRead(); err != nil {
		return err
	}
	if req.Format == JSON {
		if err := r.note(notes, r.shown()); err != nil {
			return err
		}
		return r.writeJSON(out)
	}
	t, err := r.chooseType(notes)
	if err != nil {
		return err
	}
	if err := errors.Join(r.note(notes, []profile.Coverage{*r.coverage(t)}), r.noteCounts(notes, t)); err != nil {
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

// options read all types, whatever is printed: what one says about another is
// part of its ledger.
func (r *recording) options() jfr.Options {
	return jfr.Options{
		Limits: r.req.Limits, MaxEvents: r.req.MaxEvents, Raw: r.req.Value == Raw, AnyEvent: true,
		Settings: profile.Settings{Tick: r.req.Tick},
	}
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

// version is that of the JFR format, or empty if the file is none.
func (r *recording) version() string {
	if len(r.begins) < 8 || !strings.HasPrefix(string(r.begins), "FLR\x00") {
		return ""
	}
	return fmt.Sprintf("%d.%d", binary.BigEndian.Uint16(r.begins[4:]), binary.BigEndian.Uint16(r.begins[6:]))
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
	case r.version() != "" && !strings.HasPrefix(r.version(), "1.") && !strings.HasPrefix(r.version(), "2."):
		return fmt.Sprintf("it is of JFR version %s, as Oracle's JDK 7 and 8 wrote 0.9; versions 1 and 2 are read, of JDK 8u262, 9 and later and of async-profiler", r.version()),
			"record again with one of these, or read it with JDK Mission Control"
	case strings.HasPrefix(string(r.begins), "\x1f\x8b"):
		return "it is compressed by gzip", "unpack it first (gunzip)"
	case strings.HasPrefix(string(r.begins), "\x28\xb5\x2f\xfd"):
		return "it is compressed by zstd", "unpack it first (unzstd)"
	case strings.HasPrefix(string(r.begins), "PK\x03\x04"):
		return "it is a zip archive", "unpack it first (unzip)"
	case strings.HasPrefix(string(r.begins), "FLR\x00"):
		return "its chunk is cut off before the stacks, or damaged", "copy the file again, or record again; see --format ledger"
	case strings.Trim(string(r.begins), "\x00") == "" && len(r.layout.Losses) == 0:
		return "it holds only zeros, as when all its chunks were read and punched out", "record again"
	}
	return fmt.Sprintf("it is no JFR recording (it begins with %q)", r.begins), "give a file that async-profiler wrote with -o jfr"
}

// chooseType returns the type to print, and says if there are others.
func (r *recording) chooseType(notes io.Writer) (profile.Type, error) {
	have := r.has()
	if r.req.Type != "" {
		t, _ := r.named(r.req.Type)
		if r.set(t) == nil {
			return "", nothing("%s: no %s samples; %s", r.req.Path, r.req.Type, r.whatElse())
		}
		return t, nil
	}
	if len(have) == 0 {
		return "", nothing("%s: no samples of %s; %s", r.req.Path, profile.TypeNames(), r.whatElse())
	}
	if len(have) > 1 {
		if _, err := fmt.Fprintf(notes, "note: this is %s; there is also %s (--type)\n", have[0], strings.Join(have[1:], ", ")); err != nil {
			return "", err
		}
	}
	return r.result.Sets[0].Type, nil
}

// whatElse says what a recording has that was not asked for.
func (r *recording) whatElse() string {
	have := r.has()
	var lost []string
	for i := range r.result.Coverage {
		if c := &r.result.Coverage[i]; c.Stored.Count == 0 && c.Captured.Count > 0 {
			lost = append(lost, fmt.Sprintf("%d %s of %s", c.Captured.Count, r.countUnit(c.Type), r.name(c.Type)))
		}
	}
	switch {
	case len(have) > 0:
		return "it has " + strings.Join(have, ", ")
	case len(lost) > 0:
		return "lost are " + strings.Join(lost, ", ") + "; see --format ledger"
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
