package jfr

import (
	"unicode/utf16"
	"unicode/utf8"
)

// cursor reads the encodings of a chunk. Reading beyond the end sets bad and
// returns zeros, so callers check once, after a group of reads. It never reads
// outside buf and never allocates by a number that it read.
type cursor struct {
	buf []byte
	pos int
	bad bool
}

func (c *cursor) fail() {
	c.bad = true
	c.pos = len(c.buf)
}

// varint reads an integer of at most nine bytes; the ninth has eight bits.
func (c *cursor) varint() uint64 {
	if c.pos < len(c.buf) && c.buf[c.pos] < 0x80 {
		c.pos++
		return uint64(c.buf[c.pos-1])
	}
	return c.longVarint()
}

func (c *cursor) longVarint() uint64 {
	var v uint64
	for shift := uint(0); shift < 56; shift += 7 {
		if c.pos >= len(c.buf) {
			c.fail()
			return 0
		}
		b := c.buf[c.pos]
		c.pos++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	if c.pos >= len(c.buf) {
		c.fail()
		return 0
	}
	c.pos++
	return v | uint64(c.buf[c.pos-1])<<56
}

func (c *cursor) byte() byte {
	if c.pos >= len(c.buf) {
		c.fail()
		return 0
	}
	c.pos++
	return c.buf[c.pos-1]
}

// count reads the number of things that follow, each of at least one byte.
func (c *cursor) count() int {
	n := c.varint()
	if n > uint64(len(c.buf)-c.pos) {
		c.fail()
		return 0
	}
	return int(n)
}

func (c *cursor) skip(n int) {
	if n > len(c.buf)-c.pos {
		c.fail()
		return
	}
	c.pos += n
}

// skipVarints skips n integers by counting their last bytes.
func (c *cursor) skipVarints(n int) {
	buf, pos := c.buf, c.pos
	for n > 0 && pos < len(buf) {
		if buf[pos] < 0x80 {
			n--
		}
		pos++
	}
	c.pos = pos
	if n > 0 {
		c.fail()
	}
}

// text reads a string. It aliases buf where the encoding allows.
func (c *cursor) text() []byte {
	if c.pos >= len(c.buf) {
		c.fail()
		return nil
	}
	encoding := c.buf[c.pos]
	c.pos++
	switch encoding {
	case 0, 1: // null, empty
		return nil
	case 2: // a constant; names are never written so
		c.varint()
		return nil
	case 3: // UTF-8
		n := c.count()
		c.pos += n
		return c.buf[c.pos-n : c.pos]
	case 4: // UTF-16 code units as integers
		return c.wide(c.count())
	case 5: // Latin-1
		n := c.count()
		c.pos += n
		return latin1(c.buf[c.pos-n : c.pos])
	}
	c.fail()
	return nil
}

func (c *cursor) wide(n int) []byte {
	units := make([]uint16, 0, n)
	for range n {
		units = append(units, uint16(c.varint()))
	}
	return []byte(string(utf16.Decode(units)))
}

func latin1(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, r := range b {
		out = utf8.AppendRune(out, rune(r))
	}
	return out
}
