package jfr

import (
	"runtime"
	"testing"

	"github.com/podflame/podflame/backend/profile"
)

// FuzzScan checks that chunks, losses and the unfinished rest of any file are
// apart from each other, in order, and within it.
func FuzzScan(f *testing.F) {
	for _, name := range []string{"cpu", "killed-singlechunk"} {
		chunk := readFixture(f, name)
		f.Add(chunk[:min(len(chunk), 12_000)])
		f.Add(append(make([]byte, 300), chunk[:200]...))
	}
	f.Add([]byte("FLR\x00FLR\x00FLR\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		layout, err := Scan(bytesReader(b), 0, int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		at := int64(0)
		sum := layout.Unfinished.Bytes
		for _, c := range layout.Chunks {
			if c.Offset < at || c.Size < minimalChunk || c.Size > int64(len(b))-c.Offset {
				t.Fatalf("chunk %+v behind byte %d of %d", c, at, len(b))
			}
			at = c.Offset + c.Size
			sum += c.Size
		}
		if u := layout.Unfinished; u.Bytes > 0 && (u.Offset < at || u.Offset+u.Bytes != int64(len(b))) {
			t.Fatalf("unfinished %+v behind byte %d of %d", u, at, len(b))
		}
		for _, l := range layout.Losses {
			sum += l.Bytes
		}
		if sum > int64(len(b)) || layout.Next > int64(len(b)) {
			t.Fatalf("%d of %d bytes accounted for, next %d", sum, len(b), layout.Next)
		}
	})
}

// FuzzMetadata reads damaged metadata: it must not panic, and must not allocate
// by a number that it reads.
func FuzzMetadata(f *testing.F) {
	clean := readFixture(f, "cpu")
	h, _ := parseHeader(clean)
	end := endOfMetadata(clean)
	f.Add(clean[h.metadata:end])
	f.Add(withStringCount(clean, 1<<32-1)[h.metadata:end])
	f.Add(clean[h.metadata : end-500])
	f.Fuzz(func(t *testing.T, metadata []byte) {
		buf := append(append([]byte(nil), clean[:h.metadata]...), metadata...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		schema, err := readSchema(buf, h.metadata)
		if err == nil {
			_, err = readPools(buf, h.metadata, schema)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(300*len(buf))+(16<<20) {
			t.Errorf("%d bytes allocated for %d bytes of recording, %v", grown, len(buf), err)
		}
	})
}

// FuzzPools reads damaged constant pools with sound metadata: it must not panic,
// and must not allocate by what it reads.
func FuzzPools(f *testing.F) {
	const name = "cpu"
	clean := readFixture(f, name)
	h, _ := parseHeader(clean)
	schema, err := readSchema(clean, h.metadata)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(clean[h.pools:], uint16(0))
	f.Add(clean[h.pools:len(clean)-100], uint16(3))
	f.Add([]byte{7, 1, 0, 0, 0, 0, 0}, uint16(0))
	f.Fuzz(func(t *testing.T, pools []byte, skew uint16) {
		buf := append(append([]byte(nil), clean[:h.pools]...), pools...)
		at := min(h.pools+int64(skew), int64(len(buf)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := readPools(buf, at, schema)
		if err == nil {
			resolveAll(t, p)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(200*len(buf))+(16<<20) {
			t.Errorf("%d bytes allocated for %d bytes of recording", grown, len(buf))
		}
	})
}

// FuzzChunk decodes any chunk that begins as a sound one, in this process.
func FuzzChunk(f *testing.F) {
	clean := readFixture(f, "cpu")
	metadataEnd := endOfMetadata(clean)
	f.Add(clean[metadataEnd:])
	f.Add(clean[metadataEnd : len(clean)-50])
	f.Fuzz(func(t *testing.T, rest []byte) {
		buf := append(append([]byte(nil), clean[:metadataEnd]...), rest...)
		o := DefaultOptions()
		r := decode(bytesReader(buf), []Chunk{{Size: int64(len(buf))}}, &o, func(int) {})
		checkLedger(t, &r)
	})
}

// resolveAll names the functions of the first stacks of the pools.
func resolveAll(t *testing.T, p *pools) {
	t.Helper()
	b := profile.NewBuilder(profile.CPU, profile.DefaultLimits())
	r := newResolver(p, b, &state{normalizer: profile.NewNormalizer()}, 1e9)
	for id := range uint64(1_000) {
		if frames, ok := r.stack(id); ok {
			b.Add(frames, profile.Amount{Value: 1, Count: 1})
		}
		r.class(id)
	}
	_, c := b.Build()
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}
