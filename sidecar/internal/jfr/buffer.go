package jfr

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// buffer holds one chunk at a time. It is outside of Go's heap: a chunk is
// large beside everything else, and the collector would keep room for two.
type buffer struct{ mapped []byte }

func newBuffer(chunks []Chunk, o *Options) *buffer {
	var size int64
	for _, c := range chunks {
		if o.MaxChunkBytes <= 0 || c.Size <= o.MaxChunkBytes {
			size = max(size, c.Size)
		}
	}
	if size == 0 {
		return &buffer{}
	}
	mapped, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return &buffer{}
	}
	return &buffer{mapped}
}

var errNoBuffer = errors.New("no memory for a chunk")

// read returns the bytes of a chunk, until the next read.
func (b *buffer) read(r io.ReaderAt, c Chunk) ([]byte, error) {
	if c.Size > int64(len(b.mapped)) {
		return nil, fmt.Errorf("chunk at byte %d: %w of %d bytes", c.Offset, errNoBuffer, c.Size)
	}
	buf := b.mapped[:c.Size:c.Size]
	if n, err := r.ReadAt(buf, c.Offset); int64(n) < c.Size {
		return nil, fmt.Errorf("read chunk at byte %d: %w", c.Offset, err)
	}
	return buf, nil
}

// release gives back the memory of the first bytes of a chunk, which are not read
// any more until the next chunk.
func (b *buffer) release(n int64) {
	pages := n &^ int64(unix.Getpagesize()-1)
	if pages > 0 && pages <= int64(len(b.mapped)) {
		_ = unix.Madvise(b.mapped[:pages], unix.MADV_DONTNEED)
	}
}

func (b *buffer) free() {
	if b.mapped != nil {
		_ = unix.Munmap(b.mapped)
	}
}
