package target

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// perfFile builds performance data as HotSpot lays it out.
type perfFile struct {
	order   binary.ByteOrder
	entries []byte
	count   uint32
}

func (f *perfFile) add(name string, kind byte, data []byte) *perfFile {
	offset := perfEntryBytes + len(name) + 1
	offset += -offset & 7
	e := make([]byte, offset+len(data)+(-len(data)&7))
	f.order.PutUint32(e, uint32(len(e)))
	f.order.PutUint32(e[4:], perfEntryBytes)
	e[12] = kind
	f.order.PutUint32(e[16:], uint32(offset))
	copy(e[perfEntryBytes:], name)
	copy(e[offset:], data)
	f.entries, f.count = append(f.entries, e...), f.count+1
	return f
}

func (f *perfFile) bytes() []byte {
	b := make([]byte, perfPrologueBytes)
	binary.BigEndian.PutUint32(b, perfMagic)
	if f.order == binary.LittleEndian {
		b[4] = perfLittleEndian
	}
	b[5], b[7] = perfMajor, 1
	f.order.PutUint32(b[24:], perfPrologueBytes)
	f.order.PutUint32(b[28:], f.count)
	return append(b, f.entries...)
}

func (f *perfFile) long(v uint64) []byte {
	b := make([]byte, 8)
	f.order.PutUint64(b, v)
	return b
}

func perfWith(order binary.ByteOrder, capabilities string, initDone uint64) []byte {
	f := &perfFile{order: order}
	f.add("java.property.java.version", 'B', []byte("17\x00"))
	f.add(perfInitDone, 'J', f.long(initDone))
	return f.add(perfCapabilities, 'B', []byte(capabilities)).bytes()
}

func TestPerfData(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, test := range []struct {
			capabilities string
			initDone     uint64
			want         PerfData
		}{
			{"1100\x00", 12345, PerfData{Attachable: true, Initialised: true}},
			{"1100\x00", 0, PerfData{Attachable: true}},
			{"0100\x00", 1, PerfData{Initialised: true}},
		} {
			got, err := parsePerfData(perfWith(order, test.capabilities, test.initDone))
			if err != nil || got != test.want {
				t.Errorf("%s %q: %+v %v, want %+v", order, test.capabilities, got, err, test.want)
			}
		}
	}
}

// What is not whole says nothing: neither that one may attach nor that one may
// not.
func TestPerfDataThatIsNotWhole(t *testing.T) {
	whole := perfWith(binary.LittleEndian, "1\x00", 1)
	spoil := func(at int, v byte) []byte {
		b := bytes.Clone(whole)
		b[at] = v
		return b
	}
	for name, b := range map[string][]byte{
		"empty": nil, "magic": spoil(0, 0), "version": spoil(5, 1), "not accessible": spoil(7, 0),
		"entries behind the end": spoil(26, 1), "entries in the prologue": spoil(24, 4), "too many entries": spoil(28, 200),
		"entry too short": spoil(32, 4), "entry too long": spoil(34, 1), "name behind the entry": spoil(37, 1),
		"data behind the entry": spoil(49, 1), "cut": whole[:len(whole)-9],
		"without capabilities": (&perfFile{order: binary.LittleEndian}).add("x", 'B', []byte("1")).bytes(),
		"of another type":      (&perfFile{order: binary.LittleEndian}).add(perfCapabilities, 'J', make([]byte, 8)).bytes(),
	} {
		if got, err := parsePerfData(b); !errors.Is(err, errPerf) {
			t.Errorf("%s: %+v %v, want an error", name, got, err)
		}
	}
}

func FuzzPerfData(f *testing.F) {
	f.Add(perfWith(binary.LittleEndian, "1\x00", 1))
	f.Add(perfWith(binary.BigEndian, "0\x00", 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePerfData(b)
		if err != nil && (p != PerfData{}) {
			t.Errorf("%+v beside %v", p, err)
		}
		if p.Attachable && !bytes.Contains(b, []byte(perfCapabilities)) {
			t.Error("attachable without the capabilities")
		}
	})
}
