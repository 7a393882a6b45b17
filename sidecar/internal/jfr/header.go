package jfr

import (
	"encoding/binary"
	"time"
)

const (
	headerBytes = 68
	magic       = "FLR\x00"
)

// header is the fixed part in front of every chunk. All offsets are relative
// to the chunk.
type header struct {
	size, pools, metadata int64
	startNanos            int64
	durationNanos         int64
	ticksPerSecond        int64
	compressed            bool
}

// parseHeader reads a header. It reports false if the bytes are no header of a
// version that we know.
func parseHeader(b []byte) (header, bool) {
	if len(b) < headerBytes || string(b[:4]) != magic {
		return header{}, false
	}
	if major := binary.BigEndian.Uint16(b[4:]); major != 1 && major != 2 {
		return header{}, false
	}
	field := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8+8*i:])) }
	return header{
		size: field(0), pools: field(1), metadata: field(2),
		startNanos: field(3), durationNanos: field(4), ticksPerSecond: field(6),
		compressed: binary.BigEndian.Uint32(b[64:])&1 != 0,
	}, true
}

// unfinished reports whether the chunk has no constant pools yet, so that
// nothing in it can be understood.
func (h header) unfinished() bool { return h.pools == 0 || h.metadata == 0 }

// readable reports whether the parts that the header names lie within n bytes.
func (h header) readable(n int64) bool {
	return h.pools >= headerBytes && h.pools < n && h.metadata >= headerBytes && h.metadata < n
}

// maxDuration is longer than any chunk that is believed.
const maxDuration = 366 * 24 * time.Hour

// span is the time that the chunk claims, or zero times if it is nonsense.
func (h header) span() (start, end time.Time) {
	if h.startNanos <= 0 || h.durationNanos < 0 || h.durationNanos > int64(maxDuration) {
		return time.Time{}, time.Time{}
	}
	start = time.Unix(0, h.startNanos).UTC()
	return start, start.Add(time.Duration(h.durationNanos))
}
