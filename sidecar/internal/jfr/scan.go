package jfr

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podflame/podflame/backend/profile"
)

// Chunk is one finished chunk of a recording.
type Chunk struct {
	Offset int64     `json:"offset"` // in the file
	Size   int64     `json:"size"`   // bytes
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"` // of an undisturbed recording, the start of the next chunk
}

// Region is a run of bytes of a file.
type Region struct{ Offset, Bytes int64 }

// Layout is what Scan finds in a recording.
type Layout struct {
	Chunks []Chunk // finished, in the order of the file
	// Unfinished is the chunk at the end of the file that is still being
	// written, or was when its JVM died. Bytes is 0 if there is none.
	Unfinished Region
	// Losses are the bytes that are no chunk, and unfinished chunks that are
	// not the last.
	Losses []profile.Loss
	// Next is where to continue: behind the last finished chunk.
	Next int64
}

// Bounds of Scan.
const (
	maxChunks    = 1 << 16 // of one scan; what follows is a loss
	maxSearch    = 4 << 30 // bytes searched for the next header in one scan
	searchBlock  = 64 << 10
	minimalChunk = headerBytes + 2
)

// Scan finds the chunks in [from, end) of a recording by their headers. A
// damaged stretch costs itself: Scan goes on at the next header. Zeros, as
// left by punching read chunks out of the file, are skipped. The error is one
// of reading.
func Scan(r io.ReaderAt, from, end int64) (Layout, error) {
	s := scanner{r: r, end: end, layout: Layout{Next: from}}
	for pos := from; pos < end; {
		next, err := s.step(pos)
		if err != nil {
			return s.layout, fmt.Errorf("read recording at byte %d: %w", pos, err)
		}
		pos = next
	}
	return s.layout, nil
}

type scanner struct {
	r        io.ReaderAt
	end      int64
	searched int64
	layout   Layout
	block    []byte
}

// step handles what begins at pos and returns where the next thing begins.
func (s *scanner) step(pos int64) (int64, error) {
	pos, err := s.skipZeros(pos)
	if err != nil || pos >= s.end {
		return s.end, err
	}
	if len(s.layout.Chunks) >= maxChunks {
		s.lose(profile.RecordingUnreadable, s.end-pos)
		return s.end, nil
	}
	h, ok, err := s.header(pos)
	if err != nil {
		return 0, err
	}
	if !ok && s.isPartialHeader(pos) {
		s.layout.Unfinished = Region{pos, s.end - pos}
		return s.end, nil
	}
	stop, err := s.chunkEnd(pos, h, ok)
	if err != nil {
		return 0, err
	}
	s.enter(pos, stop, h, ok)
	return stop, nil
}

func (s *scanner) enter(pos, stop int64, h header, ok bool) {
	size := stop - pos
	switch {
	case !ok:
		s.lose(profile.RecordingUnreadable, size)
	case h.unfinished() && stop == s.end:
		s.layout.Unfinished = Region{pos, size}
	case h.unfinished():
		s.lose(profile.ChunkUnfinished, size)
	case !h.readable(size):
		s.lose(profile.RecordingUnreadable, size)
		s.layout.Next = stop
	default:
		c := Chunk{Offset: pos, Size: size}
		c.Start, c.End = h.span()
		s.layout.Chunks = append(s.layout.Chunks, c)
		s.layout.Next = stop
	}
}

// chunkEnd returns where the chunk at pos ends. The size in its header is
// believed if a header, zeros or the end of the file follow; else the end of
// its pools and metadata, which the profiler writes last; else the chunk
// reaches to the next header.
func (s *scanner) chunkEnd(pos int64, h header, ok bool) (int64, error) {
	if !ok {
		return s.find(pos + 1)
	}
	if h.unfinished() {
		return s.find(pos + headerBytes)
	}
	last, err := s.lastPart(pos, h)
	if err != nil {
		return 0, err
	}
	for _, size := range []int64{h.size, last} {
		if size < minimalChunk || size > s.end-pos {
			continue
		}
		if follows, err := s.isBoundary(pos + size); err != nil || follows {
			return pos + size, err
		}
	}
	next, err := s.find(pos + headerBytes)
	if err == nil && last > 0 && last < next-pos {
		next = pos + last
	}
	return next, err
}

// lastPart returns the size of the chunk at pos up to the end of its pools and
// of its metadata, or 0 if these are not within the file.
func (s *scanner) lastPart(pos int64, h header) (int64, error) {
	rest := s.end - pos
	if !h.readable(rest) {
		return 0, nil
	}
	last := int64(0)
	for _, at := range []int64{h.pools, h.metadata} {
		var b [10]byte
		n := min(int64(len(b)), rest-at)
		if err := s.read(b[:n], pos+at); err != nil {
			return 0, err
		}
		size := (&cursor{buf: b[:n]}).varint()
		if size > uint64(rest-at) {
			return 0, nil
		}
		last = max(last, at+int64(size))
	}
	return last, nil
}

func (s *scanner) isBoundary(pos int64) (bool, error) {
	if pos == s.end {
		return true, nil
	}
	if s.isPartialHeader(pos) {
		return true, nil
	}
	_, ok, err := s.header(pos)
	if err != nil || ok {
		return ok, err
	}
	var b [8]byte
	n := min(int64(len(b)), s.end-pos)
	if err := s.read(b[:n], pos); err != nil {
		return false, err
	}
	return b == [8]byte{}, nil
}

// isPartialHeader reports whether the file ends within a header at pos, as it
// does for a moment when a new chunk is begun.
func (s *scanner) isPartialHeader(pos int64) bool {
	rest := s.end - pos
	if rest <= 0 || rest >= headerBytes {
		return false
	}
	var b [4]byte
	n := min(rest, 4)
	return s.read(b[:n], pos) == nil && string(b[:n]) == magic[:n]
}

func (s *scanner) header(pos int64) (header, bool, error) {
	if s.end-pos < headerBytes {
		return header{}, false, nil
	}
	var b [headerBytes]byte
	if err := s.read(b[:], pos); err != nil {
		return header{}, false, err
	}
	h, ok := parseHeader(b[:])
	return h, ok, nil
}

// find returns the position of the next header at or behind pos, or the end.
func (s *scanner) find(pos int64) (int64, error) {
	for pos < s.end {
		if s.searched > maxSearch {
			return s.end, nil
		}
		block, err := s.readBlock(pos)
		if err != nil {
			return 0, err
		}
		for at := 0; ; at++ {
			i := bytes.Index(block[at:], []byte(magic))
			if i < 0 {
				break
			}
			at += i
			if _, ok, err := s.header(pos + int64(at)); err != nil || ok {
				return pos + int64(at), err
			}
		}
		if pos+int64(len(block)) >= s.end {
			return s.end, nil
		}
		pos += int64(len(block) - len(magic) + 1)
		if pos, err = s.skipHole(pos); err != nil {
			return 0, err
		}
	}
	return s.end, nil
}

// skipZeros returns the position of the first byte at or behind pos that is
// not zero, or the end.
func (s *scanner) skipZeros(pos int64) (int64, error) {
	for pos < s.end {
		if s.searched > maxSearch {
			return pos, nil
		}
		block, err := s.readBlock(pos)
		if err != nil {
			return 0, err
		}
		if i := len(block) - len(bytes.TrimLeft(block, "\x00")); i < len(block) {
			return pos + int64(i), nil
		}
		if pos, err = s.skipHole(pos + int64(len(block))); err != nil {
			return 0, err
		}
	}
	return s.end, nil
}

// skipHole returns pos, or the end of the hole that pos is in. A sparse file
// may claim any size.
func (s *scanner) skipHole(pos int64) (int64, error) {
	f, ok := s.r.(*os.File)
	if !ok || pos >= s.end {
		return pos, nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	data, seekErr := pos, error(nil)
	if err := raw.Control(func(fd uintptr) { data, seekErr = unix.Seek(int(fd), pos, unix.SEEK_DATA) }); err != nil {
		return 0, err
	}
	switch {
	case errors.Is(seekErr, unix.ENXIO):
		return s.end, nil
	case seekErr != nil:
		return pos, nil //nolint:nilerr // a file system without SEEK_DATA: zeros are read
	}
	return min(max(data, pos), s.end), nil
}

func (s *scanner) readBlock(pos int64) ([]byte, error) {
	if s.block == nil {
		s.block = make([]byte, searchBlock)
	}
	b := s.block[:min(searchBlock, s.end-pos)]
	s.searched += int64(len(b))
	return b, s.read(b, pos)
}

func (s *scanner) read(b []byte, pos int64) error {
	n, err := s.r.ReadAt(b, pos)
	if n == len(b) {
		return nil
	}
	return err
}

func (s *scanner) lose(reason profile.Reason, n int64) {
	s.layout.Losses = profile.AddLosses(s.layout.Losses, profile.Loss{Outcome: profile.Dropped, Reason: reason, Bytes: n})
}
