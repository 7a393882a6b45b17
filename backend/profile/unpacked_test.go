package profile

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// TestUnpackedSizeIsEnough: the backend admits so much memory for a window and
// gives its decoder no more, whatever the size of the window; and no more than that
// of the little that is in it, also where its frame does not say its size.
func TestUnpackedSizeIsEnough(t *testing.T) {
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	w := &Window{Target: Target{Cluster: "c", Namespace: "n", Service: "s", Pod: "p", PodUID: "u", Container: "c", PID: 1, JVMStart: start}, Start: start, End: start.Add(time.Minute)}
	limits := DefaultDecodeLimits()
	lookBack := false
	for n := range 1000 {
		w.Session = strings.Repeat("s", n)
		body, err := Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		size := UnpackedSize(body, limits)
		lookBack = lookBack || size == 2<<10
		if size > 2<<10 {
			t.Fatalf("a session of %d bytes: %d bytes are admitted", n, size)
		}
		exact := limits
		exact.MaxDecoded = int(max(size, 1<<10))
		if _, err := Unpack(body, exact); err != nil {
			t.Fatalf("a session of %d bytes, for which %d are admitted: %v", n, size, err)
		}
	}
	if !lookBack {
		t.Error("no window of just 1024 bytes was tried, whose look-back is longer than it is")
	}
}

// Whatever the blocks of a frame without a size say, it is decompressed into what
// is admitted for it, or refused.
func TestUnpackedSizeOfFramesWithoutASize(t *testing.T) {
	limits := DefaultDecodeLimits()
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		text := make([]byte, random.IntN(600_000))
		for i := range text {
			text[i] = byte(random.IntN(1 + n%200)) // compresses well, badly, or is one byte repeated
		}
		var frame bytes.Buffer
		frame.WriteString(magic)
		enc, err := zstd.NewWriter(&frame, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10))
		if err != nil {
			t.Fatal(err)
		}
		for piece := range slices.Chunk(text, 100_000) { // a stream, whose size is not known when it begins
			if _, err := enc.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(enc.Flush(), enc.Close()); err != nil {
			t.Fatal(err)
		}
		exact := limits
		size := UnpackedSize(frame.Bytes(), limits)
		exact.MaxDecoded = int(size)
		if got, err := decompress(frame.Bytes(), exact); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%d bytes, for which %d are admitted: %d, %v", len(text), size, len(got), err)
		}
		if most := int64(len(text)/100_000+1)*256<<10 + 256<<10; size > most {
			t.Errorf("%d bytes are admitted for %d", size, len(text))
		}
		if size := UnpackedSize(frame.Bytes()[:random.IntN(frame.Len())], limits); size < 0 || size > int64(limits.MaxDecoded) {
			t.Errorf("%d bytes are admitted for a frame that is cut off", size)
		}
	}
}
