package profile

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
)

// DecodeLimits bound what Decode accepts and so what it allocates.
type DecodeLimits struct {
	MaxEncoded   int // bytes as received
	MaxDecoded   int // bytes after decompression
	MaxStacks    int // stacks of one set
	MaxDepth     int // frames of one stack
	MaxFunctions int // functions of one set
	MaxNameBytes int // bytes of one name or other string
	MaxFrames    int // frames of all stacks of a window together
	MaxLosses    int // entries of one ledger
	MaxThreads   int // thread groups of one set
}

// DefaultDecodeLimits are what the backend accepts. They are wider than what a
// sidecar sends by default, so that a sidecar with raised limits is not refused
// at once.
func DefaultDecodeLimits() DecodeLimits {
	return DecodeLimits{
		MaxEncoded:   8 << 20,
		MaxDecoded:   64 << 20,
		MaxStacks:    50_000,
		MaxDepth:     2_049, // what async-profiler records by default, and the class
		MaxFunctions: 400_000,
		MaxNameBytes: 4 << 10,
		MaxFrames:    16 << 20,
		MaxLosses:    256,
		MaxThreads:   1_024,
	}
}

// DecodeError says why bytes are no acceptable window. Reason is Malformed,
// UnsupportedFormat, BodyTooLarge, DecodedTooLarge, LimitExceeded or
// LedgerMismatch.
type DecodeError struct {
	Reason        Reason
	What          string // the thing that is wrong
	Actual, Limit int64  // where a limit is exceeded
	Err           error
}

func (e *DecodeError) Error() string {
	switch {
	case e.Limit > 0:
		return fmt.Sprintf("decode window: %s: %d exceeds the limit of %d", e.What, e.Actual, e.Limit)
	case e.Err != nil:
		return fmt.Sprintf("decode window: %s: %v", e.What, e.Err)
	}
	return "decode window: " + e.What
}

func (e *DecodeError) Unwrap() error { return e.Err }

func malformed(format string, args ...any) error {
	return &DecodeError{Reason: Malformed, What: fmt.Sprintf(format, args...)}
}

func exceeded(what string, actual, limit int) error {
	return &DecodeError{Reason: LimitExceeded, What: what, Actual: int64(actual), Limit: int64(limit)}
}

// Decode reads the wire form of a window. On any input it returns a window that
// passes Check and is within the limits, or a *DecodeError.
func Decode(encoded []byte, limits DecodeLimits) (*Window, error) {
	p, err := Unpack(encoded, limits)
	if err != nil {
		return nil, err
	}
	return p.window(true)
}

// DecodeMessage is Decode of what EncodeMessage returns.
func DecodeMessage(message []byte, limits DecodeLimits) (*Window, error) {
	if len(message) > limits.MaxDecoded {
		return nil, &DecodeError{Reason: DecodedTooLarge, What: "bytes of a message", Actual: int64(len(message)), Limit: int64(limits.MaxDecoded)}
	}
	p, err := measured(message, limits)
	if err != nil {
		return nil, err
	}
	return p.window(true)
}

// Packed is a window that is decompressed and measured, and not built yet.
type Packed struct {
	message []byte
	limits  DecodeLimits
	memory  int64
}

// Unpack decompresses a window and measures what it would be in memory: some
// hundred KB can stand for millions of frames. What exceeds the limits of frames,
// stacks or functions is refused here.
func Unpack(encoded []byte, limits DecodeLimits) (*Packed, error) {
	message, err := decompress(encoded, limits)
	if err != nil {
		return nil, err
	}
	return measured(message, limits)
}

func measured(message []byte, limits DecodeLimits) (*Packed, error) {
	memory, err := measure(message, limits)
	if err != nil {
		return nil, err
	}
	return &Packed{message, limits, memory}, nil
}

// Memory is about how many bytes the window takes, until it is stored.
func (p *Packed) Memory() int64 { return p.memory }

// Window builds the window, whose stacks share their beginnings: see
// StackSet.Shared. It shares no memory with what it was built from.
func (p *Packed) Window() (*Window, error) { return p.window(false) }

func (p *Packed) window(whole bool) (*Window, error) {
	d := decoder{limits: p.limits, whole: whole}
	w, err := d.window(p.message)
	if err != nil {
		return nil, err
	}
	if err := w.Check(); err != nil {
		return nil, &DecodeError{Reason: LedgerMismatch, What: "ledger", Err: err}
	}
	return w, nil
}

func decompress(encoded []byte, limits DecodeLimits) ([]byte, error) {
	if len(encoded) > limits.MaxEncoded {
		return nil, &DecodeError{Reason: BodyTooLarge, What: "encoded bytes", Actual: int64(len(encoded)), Limit: int64(limits.MaxEncoded)}
	}
	if len(encoded) < len(magic) || string(encoded[:3]) != magic[:3] {
		return nil, malformed("does not begin with %q", magic)
	}
	if encoded[3] != magic[3] {
		return nil, &DecodeError{Reason: UnsupportedFormat, What: fmt.Sprintf("format version %q, known is %q", encoded[3], magic[3])}
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(uint64(limits.MaxDecoded)))
	if err != nil {
		return nil, fmt.Errorf("start zstd decoder: %w", err)
	}
	defer dec.Close()
	message, err := dec.DecodeAll(encoded[len(magic):], nil)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, &DecodeError{Reason: DecodedTooLarge, What: "decompressed bytes", Actual: int64(limits.MaxDecoded) + 1, Limit: int64(limits.MaxDecoded)}
	}
	if err != nil {
		return nil, &DecodeError{Reason: Malformed, What: "zstd frame", Err: err}
	}
	return message, nil
}

// decoder carries the limits and what is used up of them.
type decoder struct {
	limits DecodeLimits
	whole  bool // each stack has all of its frames
	frames int
	// unknown are bytes of sets and ledgers of types that this version does not know.
	unknown int64
}

func (d *decoder) window(b []byte) (*Window, error) {
	w := &Window{}
	var startS, endS, recordedStart, recordedEnd int64
	err := fields(b, func(f field) error {
		var err error
		switch f.number {
		case 1:
			if len(f.bytes) != len(w.ID) {
				return malformed("window id has %d bytes, not %d", len(f.bytes), len(w.ID))
			}
			copy(w.ID[:], f.bytes)
		case 2:
			err = d.target(f.bytes, &w.Target)
		case 3:
			w.Session, err = d.text("session", f.bytes)
		case 4:
			startS = int64(f.varint)
		case 5:
			endS = int64(f.varint)
		case 6:
			recordedStart = int64(f.varint)
		case 7:
			recordedEnd = int64(f.varint)
		case 8:
			err = d.settings(f.bytes, &w.Settings)
		case fieldSets:
			err = d.addSet(f.bytes, w)
		case fieldCoverage:
			err = d.addCoverage(f.bytes, w)
		case fieldLaterSets:
			err = d.addLater(f.bytes, w, d.addSet)
		case fieldLaterCoverage:
			err = d.addLater(f.bytes, w, d.addCoverage)
		case 11:
			w.Losses, err = d.appendLoss(w.Losses, f.bytes)
		case 12:
			w.KernelCPU = new(time.Duration)
			err = quantity(f.varint, (*int64)(w.KernelCPU))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := setTimes(w, startS, endS); err != nil {
		return nil, err
	}
	w.Recorded = Span{timeOfNano(recordedStart), timeOfNano(recordedEnd)}
	w.Losses = AddLosses(w.Losses, Loss{Outcome: Dropped, Reason: TypeUnknown, Bytes: d.unknown})
	return w, nil
}

// addLater enters a set or a ledger of one of the later types. Of a type that this
// version does not know it is lost, and the rest of the window is not.
func (d *decoder) addLater(b []byte, w *Window, add func([]byte, *Window) error) error {
	known := true
	err := fields(b, func(f field) error {
		if f.number == 1 {
			_, err := knownType(f.bytes)
			known = err == nil
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case known:
		return add(b, w)
	}
	d.unknown += int64(len(b))
	return nil
}

// MaxWindowSeconds is the longest window.
const MaxWindowSeconds = math.MaxUint16

func setTimes(w *Window, startS, endS int64) error {
	const year3000 = 32503680000
	if startS <= 0 || endS > year3000 || startS >= endS || endS-startS > MaxWindowSeconds {
		return malformed("span from %d to %d s is empty, longer than %d s or no time", startS, endS, MaxWindowSeconds)
	}
	w.Start, w.End = time.Unix(startS, 0).UTC(), time.Unix(endS, 0).UTC()
	if w.ID == (WindowID{}) {
		return malformed("window id is missing")
	}
	return nil
}

func (d *decoder) target(b []byte, t *Target) error {
	texts := map[protowire.Number]*string{
		1: &t.Cluster, 2: &t.Namespace, 3: &t.Service, 4: &t.Version, 5: &t.Pod, 6: &t.PodUID,
		7: &t.Node, 8: &t.Container, 11: &t.JVMVersion, 12: &t.MainClass,
	}
	return fields(b, func(f field) (err error) {
		switch f.number {
		case 9:
			if f.varint > math.MaxInt32 {
				return malformed("pid %d", f.varint)
			}
			t.PID = int(f.varint)
		case 10:
			t.JVMStart = timeOfMilli(int64(f.varint))
		default:
			if to := texts[f.number]; to != nil {
				*to, err = d.text("target", f.bytes)
			}
		}
		return err
	})
}

func (d *decoder) settings(b []byte, s *Settings) error {
	return fields(b, func(f field) (err error) {
		switch f.number {
		case 1:
			s.Engine, err = d.text("engine", f.bytes)
		case 2:
			s.CPUInterval = time.Duration(f.varint)
		case 3:
			s.AllocInterval = int64(f.varint)
		case 4:
			s.LockThreshold = time.Duration(f.varint)
		case 5:
			s.WallInterval = time.Duration(f.varint)
		case 6:
			err = quantity(f.varint, (*int64)(&s.Tick))
		case 7:
			var java int64
			err = quantity(f.varint, &java)
			s.Java = int(java)
		case 8:
			err = quantity(f.varint, &s.NativeInterval)
		case 9:
			err = quantity(f.varint, (*int64)(&s.NativeThreshold))
		}
		return err
	})
}

func (d *decoder) addCoverage(b []byte, w *Window) error {
	var c Coverage
	err := fields(b, func(f field) (err error) {
		switch f.number {
		case 1:
			c.Type, err = knownType(f.bytes)
		case 2:
			err = amount(f.bytes, &c.Captured)
		case 3:
			err = amount(f.bytes, &c.Stored)
		case 4:
			c.Losses, err = d.appendLoss(c.Losses, f.bytes)
		case 5:
			c.Raw = int64(f.varint)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.Type == "" || w.CoverageOf(c.Type) != nil {
		return malformed("ledger of type %q is missing its type or comes twice", c.Type)
	}
	w.Coverage = append(w.Coverage, c)
	return nil
}

func (d *decoder) appendLoss(list []Loss, b []byte) ([]Loss, error) {
	if len(list) >= d.limits.MaxLosses {
		return nil, exceeded("losses of a ledger", len(list)+1, d.limits.MaxLosses)
	}
	var l Loss
	err := fields(b, func(f field) error {
		switch f.number {
		case 1:
			if f.varint > uint64(Noticed) {
				return &DecodeError{Reason: UnsupportedFormat, What: fmt.Sprintf("outcome %d of a loss, known are 0 to %d", f.varint, Noticed)}
			}
			l.Outcome = Outcome(f.varint)
		case 2:
			reason, err := d.text("reason", f.bytes)
			l.Reason = Reason(reason)
			return err
		case 3:
			return quantity(f.varint, &l.Value)
		case 4:
			return quantity(f.varint, &l.Count)
		case 5:
			return quantity(f.varint, (*int64)(&l.Duration))
		case 6:
			return quantity(f.varint, &l.Bytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return append(list, l), nil
}

func amount(b []byte, a *Amount) error {
	return fields(b, func(f field) error {
		switch f.number {
		case 1:
			return quantity(f.varint, &a.Value)
		case 2:
			return quantity(f.varint, &a.Count)
		}
		return nil
	})
}

// maxQuantity keeps sums of amounts far from overflow.
const maxQuantity = math.MaxInt64 >> 10

func quantity(v uint64, to *int64) error {
	if v > maxQuantity {
		return malformed("amount %d is negative or larger than %d", int64(v), int64(maxQuantity))
	}
	*to = int64(v)
	return nil
}

func knownType(b []byte) (Type, error) {
	t, err := ParseType(string(b[:min(len(b), 64)]))
	if err != nil {
		return "", &DecodeError{Reason: UnsupportedFormat, What: "type", Err: err}
	}
	return t, nil
}

func (d *decoder) text(what string, b []byte) (string, error) {
	if err := d.checkText(what, b); err != nil {
		return "", err
	}
	return string(b), nil
}

func (d *decoder) checkText(what string, b []byte) error {
	if len(b) > d.limits.MaxNameBytes {
		return exceeded("bytes of "+what, len(b), d.limits.MaxNameBytes)
	}
	if !utf8.Valid(b) {
		return malformed("%s %.40q is not UTF-8", what, b)
	}
	return nil
}

// field is one field of a message: varint for numbers, bytes for the rest.
type field struct {
	number protowire.Number
	varint uint64
	bytes  []byte
}

// fields calls visit for each varint or length-delimited field and skips the
// others, as protobuf requires of unknown ones.
func fields(b []byte, visit func(field) error) error {
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return &DecodeError{Reason: Malformed, What: "protobuf tag", Err: protowire.ParseError(n)}
		}
		b = b[n:]
		f := field{number: number}
		switch wire {
		case protowire.VarintType:
			f.varint, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, wire, b)
		}
		if n < 0 {
			return &DecodeError{Reason: Malformed, What: "protobuf field", Err: protowire.ParseError(n)}
		}
		b = b[n:]
		if wire != protowire.VarintType && wire != protowire.BytesType {
			continue
		}
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}
