package target

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// PerfData is what HotSpot publishes about itself in /tmp/hsperfdata_USER/PID,
// as far as it tells how to attach.
type PerfData struct {
	Attachable  bool // sun.rt.jvmCapabilities: the JVM takes SIGQUIT as a request to attach
	Initialised bool // sun.rt.vmInitDoneTime: the JVM is past its start
}

// Limits of a performance data file. HotSpot's own default is 32 KiB.
const (
	maxPerfBytes   = 1 << 20
	maxPerfEntries = 16384
)

const (
	perfMagic         = 0xcafec0c0 // big-endian in every file
	perfLittleEndian  = 1
	perfMajor         = 2
	perfPrologueBytes = 32
	perfEntryBytes    = 20
	perfTypeByte      = 'B'
	perfTypeLong      = 'J'
	perfCapabilities  = "sun.rt.jvmCapabilities"
	perfInitDone      = "sun.rt.vmInitDoneTime"
	maxPerfName       = 128 // bytes of an entry's name
)

var errPerf = errors.New("no usable performance data")

// parsePerfData reads performance data of version 2, the format since JDK 1.4.2
// (src/hotspot/share/runtime/perfMemory.hpp):
//
//	prologue: magic u4, byte order u1, major u1, minor u1, accessible u1, used u4,
//	          overflow u4, modified u8, entry offset u4, entries u4
//	entry:    length u4, name offset u4, vector length u4, type u1, flags u1,
//	          units u1, variability u1, data offset u4
//
// The application can write the file: every offset is checked. Data that does
// not say whether one may attach is an error.
func parsePerfData(b []byte) (PerfData, error) {
	order, entry, count, err := perfPrologue(b)
	if err != nil {
		return PerfData{}, err
	}
	var p PerfData
	told := false
	for range min(count, maxPerfEntries) {
		e, ok := perfEntryAt(b, entry, order)
		if !ok {
			return PerfData{}, fmt.Errorf("%w: entry at byte %d", errPerf, entry)
		}
		switch {
		case e.name == perfCapabilities && e.kind == perfTypeByte && len(e.data) > 0:
			p.Attachable, told = e.data[0] == '1', true
		case e.name == perfInitDone && e.kind == perfTypeLong && len(e.data) >= 8:
			p.Initialised = order.Uint64(e.data) != 0
		}
		entry += e.length
	}
	if !told {
		return PerfData{}, fmt.Errorf("%w: no %s in %d entries", errPerf, perfCapabilities, count)
	}
	return p, nil
}

func perfPrologue(b []byte) (order binary.ByteOrder, entry, count int, err error) {
	if len(b) < perfPrologueBytes || binary.BigEndian.Uint32(b) != perfMagic {
		return nil, 0, 0, fmt.Errorf("%w: %d bytes without the magic number", errPerf, len(b))
	}
	if b[5] != perfMajor {
		return nil, 0, 0, fmt.Errorf("%w: version %d, known is %d", errPerf, b[5], perfMajor)
	}
	if b[7] == 0 {
		return nil, 0, 0, fmt.Errorf("%w: the JVM is still writing it", errPerf)
	}
	order = binary.BigEndian
	if b[4] == perfLittleEndian {
		order = binary.LittleEndian
	}
	entry, count = int(order.Uint32(b[24:])), int(order.Uint32(b[28:]))
	if entry < perfPrologueBytes || entry > len(b) {
		return nil, 0, 0, fmt.Errorf("%w: entries at byte %d of %d", errPerf, entry, len(b))
	}
	return order, entry, count, nil
}

// perfEntry is one entry; data reaches to its end.
type perfEntry struct {
	name   string
	kind   byte
	data   []byte
	length int
}

func perfEntryAt(b []byte, at int, order binary.ByteOrder) (perfEntry, bool) {
	if at > len(b)-perfEntryBytes {
		return perfEntry{}, false
	}
	length := int(order.Uint32(b[at:]))
	if length < perfEntryBytes || length > len(b)-at {
		return perfEntry{}, false
	}
	e := b[at : at+length]
	name, data := int(order.Uint32(e[4:])), int(order.Uint32(e[16:]))
	if name < perfEntryBytes || name > length || data < perfEntryBytes || data > length {
		return perfEntry{}, false
	}
	text, _, ok := bytes.Cut(e[name:min(length, name+maxPerfName)], []byte{0})
	if !ok {
		return perfEntry{}, false
	}
	return perfEntry{name: string(text), kind: e[12], data: e[data:], length: length}, true
}

// perfData reads the file that the process has mapped, and no other one: one
// that an earlier process of the same number has left is not mapped.
func (f *Finder) perfData(p Process, mapped []string) (PerfData, error) {
	name := regexp.MustCompile(fmt.Sprintf(`^/tmp/hsperfdata_[^/]+/%d$`, p.NSPID))
	i := slices.IndexFunc(mapped, name.MatchString)
	if i < 0 {
		return PerfData{}, fmt.Errorf("%w: none is mapped", errPerf)
	}
	content, err := f.readInRoot(p.PID, mapped[i], maxPerfBytes)
	if err != nil {
		return PerfData{}, err
	}
	return parsePerfData(content)
}
