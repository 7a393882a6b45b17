package jfr

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// flips is how many bits are flipped per region of a recording, one at a time.
const flips = 60

// TestOneFlippedBit flips bits of the header, metadata, events and pools, and
// decodes in children: whatever becomes of it, this process lives, the children
// end in time, the ledger adds up, and all bytes are accounted for.
func TestOneFlippedBit(t *testing.T) {
	clean := readFixture(t, "cpu")
	h, _ := parseHeader(clean)
	metadataEnd := endOfMetadata(clean)
	for _, region := range []struct {
		name     string
		from, to int
	}{
		{"header", 0, headerBytes},
		{"metadata", headerBytes, metadataEnd},
		{"events", metadataEnd, int(h.pools)},
		{"pools", int(h.pools), len(clean)},
	} {
		t.Run(region.name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, uint64(region.from)))
			for range flips {
				bit := 8*region.from + random.IntN(8*(region.to-region.from))
				damaged := slices.Clone(clean)
				damaged[bit/8] ^= 1 << (bit % 8)
				decodeDamaged(t, damaged)
			}
		})
	}
}

func TestTruncatedAtEveryKilobyte(t *testing.T) {
	clean := readFixture(t, "killed-multichunk")
	whole := scanBytes(t, clean)
	for n := 0; n <= len(clean); n += 1 << 10 {
		layout, err := Scan(bytesReader(clean), 0, int64(n))
		if err != nil {
			t.Fatal(err)
		}
		o := DefaultOptions()
		r := decode(bytesReader(clean), layout.Chunks, &o, func(int) {})
		checkDamaged(t, int64(n), &layout, &r)
		complete := 0
		for _, c := range whole.Chunks {
			if c.Offset+c.Size <= int64(n) {
				complete++
			}
		}
		if r.Chunks != complete {
			t.Errorf("of %d bytes, %d chunks are complete and %d were read", n, complete, r.Chunks)
		}
	}
}

func TestTruncatedInChild(t *testing.T) {
	clean := readFixture(t, "cpu")
	for n := 0; n < len(clean); n += 1 << 10 {
		if r := decodeDamaged(t, clean[:n]); r.Chunks != 0 {
			t.Errorf("of %d bytes, %d chunks were read", n, r.Chunks)
		}
	}
}

// decodeDamaged decodes a recording in a child and checks what must always
// hold.
func decodeDamaged(t *testing.T, b []byte) Result {
	t.Helper()
	began := time.Now()
	f, layout := writeRecording(t, b)
	r, err := NewDecoder().Decode(t.Context(), f, layout.Chunks, DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > DefaultTimeout {
		t.Errorf("took %s", took)
	}
	checkDamaged(t, int64(len(b)), &layout, &r)
	return r
}

// checkDamaged checks that the ledger adds up and that no more bytes are lost
// than there are, and all if nothing was read.
func checkDamaged(t *testing.T, size int64, layout *Layout, r *Result) {
	t.Helper()
	checkLedger(t, r)
	sum := layout.Unfinished.Bytes
	for _, l := range profile.AddLosses(slices.Clone(layout.Losses), r.Losses...) {
		sum += l.Bytes
	}
	if read := size - sum; read < 0 || r.Chunks == 0 && read != 0 {
		t.Errorf("%d chunks read, %d of %d bytes lost", r.Chunks, sum, size)
	}
}

// endOfMetadata is where the events of a recording of one chunk begin.
func endOfMetadata(chunk []byte) int {
	h, _ := parseHeader(chunk)
	c := cursor{buf: chunk, pos: int(h.metadata)}
	return int(h.metadata) + int(c.varint())
}
