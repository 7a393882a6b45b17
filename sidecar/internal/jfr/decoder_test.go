package jfr

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

func TestChildAnswersWhatThisProcessWould(t *testing.T) {
	for _, name := range []string{"mixed", "multichunk", "wall", "deep", "killed-multichunk", "killed-singlechunk"} {
		t.Run(name, func(t *testing.T) {
			f, layout := openFixture(t, name)
			o := DefaultOptions()
			got, err := NewDecoder().Decode(t.Context(), f, layout.Chunks, o)
			if err != nil {
				t.Fatal(err)
			}
			want := decode(f, layout.Chunks, &o, func(int) {})
			checkLedger(t, &got)
			if len(want.Unread) == 0 {
				want.Unread = got.Unread
			}
			if len(layout.Chunks) > 0 && (got.Cost.Children != 1 || got.Cost.CPU <= 0 || got.Cost.PeakBytes <= 0) {
				t.Errorf("cost %+v", got.Cost)
			}
			got.Cost = Cost{}
			if !reflect.DeepEqual(want.Sets, got.Sets) {
				t.Error("stack sets differ")
			}
			want.Sets, got.Sets = nil, nil
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Result{})); diff != "" {
				t.Errorf("result (-here +child):\n%s", diff)
			}
		})
	}
}

func TestBadChunkCostsOnlyItself(t *testing.T) {
	clean := readFixture(t, "multichunk")
	_, layout := openFixture(t, "multichunk")
	bad := layout.Chunks[1]
	for _, tt := range []struct {
		name   string
		damage func(chunk []byte) []byte
		reason profile.Reason
	}{
		{"claims 64 GB of texts", func(c []byte) []byte { return withStringCount(c, 1<<32-1) }, profile.RecordingUnreadable},
		{"claims 8 GB of texts", func(c []byte) []byte { return withStringCount(c, 1<<29) }, profile.RecordingUnreadable},
		{"pools refer to themselves", func(c []byte) []byte { return withPoolDelta(c, 1) }, profile.RecordingUnreadable},
		{"zeros", func(c []byte) []byte { clear(c[headerBytes:]); return c }, profile.RecordingUnreadable},
		{"metadata cut", func(c []byte) []byte { binary.BigEndian.PutUint64(c[24:], uint64(len(c)-3)); return c }, profile.RecordingUnreadable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			chunk := tt.damage(slices.Clone(clean[bad.Offset : bad.Offset+bad.Size]))
			file := slices.Concat(clean[:bad.Offset], chunk, clean[bad.Offset+bad.Size:])
			f, damaged := writeRecording(t, file)
			if len(damaged.Chunks) != 3 {
				t.Fatalf("%d chunks", len(damaged.Chunks))
			}
			got, err := NewDecoder().Decode(t.Context(), f, damaged.Chunks, DefaultOptions())
			if err != nil {
				t.Fatal(err)
			}
			checkLedger(t, &got)
			want := []profile.Loss{{Outcome: profile.Dropped, Reason: tt.reason, Bytes: int64(len(chunk))}}
			if diff := cmp.Diff(want, got.Losses); diff != "" {
				t.Errorf("losses (-want +got):\n%s\n%q", diff, got.Problems)
			}
			o := DefaultOptions()
			o.OneSession = true
			siblings := decode(f, []Chunk{damaged.Chunks[0], damaged.Chunks[2]}, &o, func(int) {})
			if diff := cmp.Diff(siblings.Sets, got.Sets); diff != "" || got.Chunks != 2 {
				t.Errorf("siblings (-want +got), %d chunks:\n%s", got.Chunks, diff)
			}
		})
	}
}

func TestChildStaysWithinItsMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector has its own memory")
	}
	f, layout := openFixture(t, "cpu")
	for _, memory := range []int64{MinMemoryBytes, DefaultMemoryBytes} {
		d := NewDecoder()
		d.Command = []string{"/proc/self/exe", "grow"}
		d.MemoryBytes = memory
		var cost Cost
		o := DefaultOptions()
		_, failed, err := d.runChild(t.Context(), f, layout.Chunks, &o, &cost)
		if err != nil || failed == nil || failed.reason != profile.DecodeMemory {
			t.Fatalf("failure %+v, %v", failed, err)
		}
		if cost.PeakBytes > memory || cost.PeakBytes < memory/2 {
			t.Errorf("the child had %d bytes resident of %d", cost.PeakBytes, memory)
		}
	}
}

func TestLeastMemoryIsEnoughForAChunk(t *testing.T) {
	f, layout := openFixture(t, "multichunk")
	d := NewDecoder()
	d.MemoryBytes = MinMemoryBytes
	r, err := d.Decode(t.Context(), f, layout.Chunks, DefaultOptions())
	if err != nil || r.Chunks != 3 {
		t.Errorf("%d chunks read, %q, %v", r.Chunks, r.Problems, err)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	f, layout := openFixture(t, "multichunk")
	d := NewDecoder()
	d.Command = []string{"/proc/self/exe", "hang", "1"}
	d.Timeout = 8 * time.Second // far more than a child needs to begin
	began := time.Now()
	got, err := d.Decode(t.Context(), f, layout.Chunks, DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	checkLedger(t, &got)
	all := profile.Loss{Outcome: profile.Dropped, Reason: profile.DecodeTimeout, Bytes: sizeOf(layout.Chunks)}
	if diff := cmp.Diff([]profile.Loss{all}, got.Losses); diff != "" {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
	if took := time.Since(began); took > jvmtest.Patience {
		t.Errorf("took %s", took)
	}
}

func TestAnswerTooLong(t *testing.T) {
	f, layout := openFixture(t, "cpu")
	d := NewDecoder()
	d.Command = []string{"/proc/self/exe", "flood", "0"}
	got, err := d.Decode(t.Context(), f, layout.Chunks, DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Losses) != 1 || got.Losses[0].Bytes != sizeOf(layout.Chunks) {
		t.Errorf("losses %+v", got.Losses)
	}
}

func TestChildThatCannotWorkIsAnError(t *testing.T) {
	f, layout := openFixture(t, "cpu")
	for _, command := range [][]string{{"/proc/self/exe", "refuse"}, {"/nonexistent/sidecar", "decode"}} {
		d := NewDecoder()
		d.Command = command
		if _, err := d.Decode(t.Context(), f, layout.Chunks, DefaultOptions()); err == nil {
			t.Errorf("%q: no error", command)
		}
	}
}

func TestCancel(t *testing.T) {
	f, layout := openFixture(t, "cpu")
	d := NewDecoder()
	d.Command = []string{"/proc/self/exe", "hang", "0"}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.Decode(ctx, f, layout.Chunks, DefaultOptions()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestChunkLargerThanMemory(t *testing.T) {
	f, layout := openFixture(t, "mixed")
	o := DefaultOptions()
	o.MaxChunkBytes = 100_000
	got, err := NewDecoder().Decode(t.Context(), f, layout.Chunks, o)
	if err != nil {
		t.Fatal(err)
	}
	want := []profile.Loss{{Outcome: profile.Dropped, Reason: profile.DecodeMemory, Bytes: sizeOf(layout.Chunks)}}
	if diff := cmp.Diff(want, got.Losses); diff != "" {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
	if len(got.Problems) != 1 || !strings.Contains(got.Problems[0], "--decode-memory") {
		t.Errorf("problems %q", got.Problems)
	}
}

func TestResultThatIsTooLargeIsReduced(t *testing.T) {
	f, layout := openFixture(t, "deep")
	d := NewDecoder()
	d.Output.MaxFrames = 20_000
	got, err := d.Decode(t.Context(), f, layout.Chunks, DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	checkLedger(t, &got)
	c := got.Coverage[0]
	if len(got.Sets) != 1 || len(c.Losses) != 1 || c.Losses[0].Reason != profile.WindowTooLarge || c.Stored.Count == 0 {
		t.Errorf("ledger %+v", c)
	}
}

func checkLedger(t *testing.T, r *Result) {
	t.Helper()
	w := r.asWindow()
	if err := w.Check(); err != nil {
		t.Error(err)
	}
}

func sizeOf(chunks []Chunk) (n int64) {
	for _, c := range chunks {
		n += c.Size
	}
	return n
}

func readFixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(fixtures, name+".jfr"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeRecording(t testing.TB, b []byte) (*os.File, Layout) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recording.jfr")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	layout, err := Scan(f, 0, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f, layout
}

// withStringCount returns a chunk whose metadata claim n strings.
func withStringCount(chunk []byte, n uint64) []byte {
	h, _ := parseHeader(chunk)
	c := cursor{buf: chunk, pos: int(h.metadata)}
	size := c.varint()
	for range 4 { // type, start, duration, id
		c.varint()
	}
	before := c.pos
	c.varint()
	count := binary.AppendUvarint(nil, n)
	grown := len(count) - (c.pos - before)
	out := slices.Concat(chunk[:before], count, chunk[c.pos:])
	putPadded(out[h.metadata:], size+uint64(grown))
	binary.BigEndian.PutUint64(out[8:], uint64(h.size+int64(grown)))
	binary.BigEndian.PutUint64(out[16:], uint64(h.pools+int64(grown)))
	return out
}

// putPadded writes a size as async-profiler does, in four or five bytes.
func putPadded(to []byte, v uint64) {
	n := 1
	for to[n-1] >= 0x80 {
		n++
	}
	for i := range n {
		to[i] = byte(v>>(7*i))&0x7f | 0x80
	}
	to[n-1] &= 0x7f
}

// withPoolDelta returns a chunk whose last pools refer to others, delta bytes
// further.
func withPoolDelta(chunk []byte, delta byte) []byte {
	h, _ := parseHeader(chunk)
	c := cursor{buf: chunk, pos: int(h.pools)}
	for range 4 { // size, type, start, duration
		c.varint()
	}
	chunk[c.pos] = delta
	return chunk
}

// bytesReader is a recording in memory.
func bytesReader(b []byte) io.ReaderAt { return bytes.NewReader(b) }

// Recordings of several JVMs are read one after the other; who waits gives up with
// its context.
func TestDecodesOneRecordingAtATime(t *testing.T) {
	d := NewDecoder()
	if waited, err := d.await(t.Context()); err != nil || waited != 0 {
		t.Fatal(waited, err)
	}
	over, end := context.WithCancel(t.Context())
	end()
	if _, err := d.Decode(over, nil, []Chunk{{Size: 1}}, DefaultOptions()); !errors.Is(err, context.Canceled) {
		t.Errorf("beside another one it ends with %v", err)
	}
	time.AfterFunc(10*time.Millisecond, d.done)
	if r, err := d.Decode(t.Context(), nil, nil, DefaultOptions()); err != nil || r.Cost.Waited <= 0 {
		t.Errorf("after it: waited %s, %v", r.Cost.Waited, err)
	}
	if r, err := d.Decode(t.Context(), nil, nil, DefaultOptions()); err != nil || r.Cost.Waited != 0 {
		t.Errorf("alone: waited %s, %v", r.Cost.Waited, err)
	}
	if len(d.turn) != 0 {
		t.Error("its turn is not over")
	}
}
