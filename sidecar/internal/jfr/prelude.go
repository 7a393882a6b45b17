package jfr

import "strings"

// prelude is what must be known of a chunk before its samples are read: how they
// were recorded, and which kinds of events there are of what can be recorded
// twice.
type prelude struct {
	said  said
	known bool // there are settings, whichever
	tlab  bool // allocations in and outside of TLABs
	cpu   bool // samples of the JDK's CPU-time sampler
}

// maxSettings bounds the settings of a chunk that are kept.
const maxSettings = 1 << 10

// readPrelude passes over all events of a chunk: settings may stand anywhere.
func (s *schema) readPrelude(buf []byte, into *collections) prelude {
	p := prelude{said: said{}}
	var settingID, jvm, tlab, outside, cpu, second, summary uint64 // 0 is that of the metadata: no event of these
	for id, e := range s.events {
		switch e.name {
		case activeSetting:
			settingID = id
		case jvmInformation:
			jvm = id
		case inNewTLAB:
			tlab = id
		case outsideTLAB:
			outside = id
		case cpuTimeSample:
			cpu = id
		case cpuLoad:
			second = id
		case gcHeapSummary:
			summary = id
		}
	}
	walk(buf, func(id uint64, data []byte, _ int) {
		switch id {
		case 0:
		case settingID:
			p.known = true
			s.readSetting(data, p.said)
		case jvm:
			s.readVersion(data, p.said)
		case tlab, outside:
			p.tlab = true
		case cpu:
			p.cpu = true
		case second:
			readNumber(s.second, data, into.second)
		case summary:
			readNumber(s.heapSummary, data, into.told)
		}
	})
	return p
}

// walk calls visit for each event of a chunk, with its fields and its whole size.
// It returns where the first one begins whose size is wrong, or the end.
func walk(buf []byte, visit func(id uint64, data []byte, size int)) int {
	c := cursor{buf: buf, pos: headerBytes}
	for c.pos < len(buf) {
		start := c.pos
		size := uint64(buf[start]) // of most events a byte
		if c.pos++; size >= 0x80 {
			c.pos = start
			size = c.longVarint()
		}
		id := c.varint()
		if c.bad || size == 0 || size > uint64(len(buf)-start) || uint64(c.pos-start) > size {
			return start
		}
		end := start + int(size)
		visit(id, buf[c.pos:end:end], int(size))
		c.pos = end
	}
	return len(buf)
}

// readNumber reads the one field that is wanted of an event.
func readNumber(e *event, data []byte, then func(uint64)) {
	if e == nil {
		return
	}
	var v values
	c := cursor{buf: data}
	e.layout.read(&c, &v)
	if !c.bad {
		then(v.number[0])
	}
}

// readVersion keeps the version of the JVM beside the settings.
func (s *schema) readVersion(data []byte, into said) {
	if s.jvm == nil {
		return
	}
	var v values
	c := cursor{buf: data}
	s.jvm.layout.read(&c, &v)
	if !c.bad {
		into[settingKey{event: jvmInformation}] = string(v.text[0])
	}
}

func (s *schema) readSetting(data []byte, into said) {
	if s.setting == nil || len(into) >= maxSettings {
		return
	}
	var v values
	c := cursor{buf: data}
	s.setting.layout.read(&c, &v)
	k := settingKey{s.typeName(v.number[0]), strings.TrimSpace(string(v.text[0]))}
	if !c.bad && wanted(k) {
		into[k] = strings.TrimSpace(string(v.text[1]))
	}
}
