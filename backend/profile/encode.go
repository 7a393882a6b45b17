package profile

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
)

// magic begins every encoded window; its last byte is the format version.
const magic = "PFW1"

// ContentType is the media type of an encoded window.
const ContentType = "application/vnd.podflame.window"

// FormatHeader is on every answer to an upload: the format that the backend knows.
// Version 0.1 had no such header, and calls a window malformed that is only later
// than itself.
const FormatHeader = "Podflame-Format"

// Format is what a backend of this version says in FormatHeader.
const Format = magic

// The encoder looks back at most as far as this, which few messages are longer than,
// and allocates no less. By default it would allocate 16 MiB for each, however small,
// which is most of what a sidecar needs for it.
const (
	maxEncoderWindow = 1 << 20
	minEncoderWindow = 128 << 10 // one block
)

// encoderWindow is the power of two that holds a message. What lies further back is
// not there, so that the output is that of a larger one.
func encoderWindow(message int) int {
	return min(max(1<<bits.Len(uint(message)), minEncoderWindow), maxEncoderWindow)
}

// Encode returns the wire form of a window, described in window.proto. Stack
// sets must be canonical, as Build and Merge return them. Equal windows
// have equal encodings.
func Encode(w *Window) ([]byte, error) {
	message := appendWindow(nil, w)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithWindowSize(encoderWindow(len(message))), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("start zstd encoder: %w", err)
	}
	return enc.EncodeAll(message, append(make([]byte, 0, len(message)/4+64), magic...)), nil
}

// EncodeMessage returns what Encode compresses, for another process of this machine.
func EncodeMessage(w *Window) []byte { return appendWindow(nil, w) }

func appendWindow(b []byte, w *Window) []byte {
	b = appendBytes(b, 1, w.ID[:])
	b = appendMessage(b, 2, func(b []byte) []byte { return appendTarget(b, &w.Target) })
	b = appendString(b, 3, w.Session)
	b = appendInt(b, 4, w.Start.Unix())
	b = appendInt(b, 5, w.End.Unix())
	b = appendInt(b, 6, unixNano(w.Recorded.Start))
	b = appendInt(b, 7, unixNano(w.Recorded.End))
	b = appendMessage(b, 8, func(b []byte) []byte { return appendSettings(b, &w.Settings) })
	for i := range w.Sets {
		b = appendMessage(b, fieldFor(w.Sets[i].Type, fieldSets, fieldLaterSets), func(b []byte) []byte { return appendStackSet(b, &w.Sets[i]) })
	}
	for i := range w.Coverage {
		b = appendMessage(b, fieldFor(w.Coverage[i].Type, fieldCoverage, fieldLaterCoverage), func(b []byte) []byte { return appendCoverage(b, &w.Coverage[i]) })
	}
	b = appendLosses(b, 11, w.Losses)
	if w.KernelCPU != nil { // 0 is an amount, too
		b = protowire.AppendVarint(protowire.AppendTag(b, 12, protowire.VarintType), uint64(*w.KernelCPU))
	}
	return b
}

// Fields of a window. What is of a later type than the first ones has fields of its
// own: who does not know these reads the rest.
const (
	fieldSets, fieldCoverage           protowire.Number = 9, 10
	fieldLaterSets, fieldLaterCoverage protowire.Number = 13, 14
)

func fieldFor(t Type, first, later protowire.Number) protowire.Number {
	if slices.Contains(firstTypes(), t) {
		return first
	}
	return later
}

func appendTarget(b []byte, t *Target) []byte {
	for i, s := range []string{t.Cluster, t.Namespace, t.Service, t.Version, t.Pod, t.PodUID, t.Node, t.Container} {
		b = appendString(b, protowire.Number(i+1), s)
	}
	b = appendInt(b, 9, int64(t.PID))
	b = appendInt(b, 10, unixMilli(t.JVMStart))
	b = appendString(b, 11, t.JVMVersion)
	return appendString(b, 12, t.MainClass)
}

func appendSettings(b []byte, s *Settings) []byte {
	b = appendString(b, 1, s.Engine)
	b = appendInt(b, 2, int64(s.CPUInterval))
	b = appendInt(b, 3, s.AllocInterval)
	b = appendInt(b, 4, int64(s.LockThreshold))
	b = appendInt(b, 5, int64(s.WallInterval))
	b = appendInt(b, 6, int64(s.Tick))
	b = appendInt(b, 7, int64(s.Java))
	b = appendInt(b, 8, s.NativeInterval)
	return appendInt(b, 9, int64(s.NativeThreshold))
}

func appendStackSet(b []byte, s *StackSet) []byte {
	b = appendString(b, 1, string(s.Type))
	for i := range s.Functions {
		b = appendBytes(b, 2, []byte(s.Functions[i].Name))
	}
	stacks := withoutThreads(s.Stacks)
	shared := sharedPrefixes(stacks)
	b = appendPacked(b, 3, len(s.Functions), func(i int) uint64 { return uint64(s.Functions[i].Kind) })
	b = appendPacked(b, 4, len(stacks), func(i int) uint64 { return uint64(shared[i]) })
	b = appendPacked(b, 5, len(stacks), func(i int) uint64 { return uint64(len(stacks[i].Frames) - shared[i]) })
	b = appendPacked(b, 6, len(stacks), func(i int) uint64 { return uint64(stacks[i].Value) })
	b = appendPacked(b, 7, len(stacks), func(i int) uint64 { return uint64(stacks[i].Count) })
	b = appendMessage(b, 8, func(b []byte) []byte {
		for i := range stacks {
			for _, f := range stacks[i].Frames[shared[i]:] {
				b = protowire.AppendVarint(b, uint64(f))
			}
		}
		return b
	})
	return appendThreads(b, s.Stacks)
}

func sharedPrefixes(stacks []Stack) []int {
	shared := make([]int, len(stacks))
	for i := 1; i < len(stacks); i++ {
		shared[i] = commonPrefix(stacks[i-1].Frames, stacks[i].Frames)
	}
	return shared
}

func appendCoverage(b []byte, c *Coverage) []byte {
	b = appendString(b, 1, string(c.Type))
	b = appendMessage(b, 2, func(b []byte) []byte { return appendAmount(b, c.Captured) })
	b = appendMessage(b, 3, func(b []byte) []byte { return appendAmount(b, c.Stored) })
	b = appendLosses(b, 4, c.Losses)
	return appendInt(b, 5, c.Raw)
}

func appendAmount(b []byte, a Amount) []byte {
	return appendInt(appendInt(b, 1, a.Value), 2, a.Count)
}

func appendLosses(b []byte, field protowire.Number, losses []Loss) []byte {
	for _, l := range losses {
		b = appendMessage(b, field, func(b []byte) []byte {
			b = appendInt(b, 1, int64(l.Outcome))
			b = appendString(b, 2, string(l.Reason))
			b = appendInt(b, 3, l.Value)
			b = appendInt(b, 4, l.Count)
			b = appendInt(b, 5, int64(l.Duration))
			return appendInt(b, 6, l.Bytes)
		})
	}
	return b
}

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendPacked(b []byte, field protowire.Number, n int, value func(int) uint64) []byte {
	return appendMessage(b, field, func(b []byte) []byte {
		for i := range n {
			b = protowire.AppendVarint(b, value(i))
		}
		return b
	})
}

// appendMessage appends a length-delimited field that fill appends. Its length, which
// is known behind it, is put before it.
func appendMessage(b []byte, field protowire.Number, fill func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	start := len(b)
	b = fill(b)
	n := len(b) - start
	var prefix [binary.MaxVarintLen64]byte
	length := protowire.AppendVarint(prefix[:0], uint64(n))
	b = append(b, length...)
	copy(b[start+len(length):], b[start:start+n])
	copy(b[start:], length)
	return b
}

// unixNano and unixMilli map the zero time to 0 and back.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOfNano(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

func timeOfMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func commonPrefix(a, b []uint32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
