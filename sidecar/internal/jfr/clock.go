package jfr

import (
	"encoding/binary"
	"io"
	"time"
)

// Clock is what the header of a chunk says of time, by the wall clock, which may
// be set, and by one that nobody sets. A chunk that is not finished has both.
type Clock struct {
	Start     time.Time
	Duration  time.Duration // negative if the wall clock was set back meanwhile
	Ticks     int64         // at Start
	PerSecond int64         // ticks; of a finished chunk as the wall clock measured them, so also nonsense
}

// ReadClock reads the header at an offset; false if there is none.
func ReadClock(r io.ReaderAt, offset int64) (Clock, bool) {
	var b [headerBytes]byte
	if n, _ := r.ReadAt(b[:], offset); n < len(b) {
		return Clock{}, false
	}
	h, ok := parseHeader(b[:])
	if !ok || h.startNanos <= 0 {
		return Clock{}, false
	}
	return Clock{
		Start: time.Unix(0, h.startNanos).UTC(), Duration: time.Duration(h.durationNanos),
		Ticks: int64(binary.BigEndian.Uint64(b[48:])), PerSecond: h.ticksPerSecond,
	}, true
}
