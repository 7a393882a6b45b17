package jfr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/grafana/jfr-parser/parser"
	"github.com/grafana/jfr-parser/parser/types"
	"github.com/grafana/jfr-parser/parser/types/def"
)

// schema is what the metadata of a chunk says about the events that are read.
// An event that the chunk does not know has a nil binding.
type schema struct {
	types     *def.TypeMap
	execution *types.BindExecutionSample
	wall      *types.BindWallClockSample
	inTLAB    *types.BindObjectAllocationInNewTLAB
	outTLAB   *types.BindObjectAllocationOutsideTLAB
	allocated *types.BindObjectAllocationSample
	monitor   *types.BindJavaMonitorEnter
	park      *types.BindThreadPark
	setting   *types.BindActiveSetting
	// unread are events that hold samples of which no type is made, by name.
	unread map[def.TypeID]string
}

// emptyPools is a constant pool event without pools: size, type, start,
// duration, delta, flags, number.
var emptyPools = [...]byte{7, 1, 0, 0, 0, 0, 0}

// readSchema lets jfr-parser read the metadata event at at. It gets a chunk
// that consists of that event and nothing else, so that it reads no more.
func readSchema(buf []byte, at int64) (*schema, error) {
	c := cursor{buf: buf, pos: int(at)}
	size := c.count()
	if kind := c.varint(); c.bad || kind != 0 || size > len(buf)-int(at) {
		return nil, errors.New("metadata are damaged")
	}
	alone := make([]byte, headerBytes, headerBytes+size+len(emptyPools))
	copy(alone, buf[:headerBytes])
	alone = append(alone, buf[at:int(at)+size]...)
	poolsAt := len(alone)
	alone = append(alone, emptyPools[:]...)
	for i, v := range []int{len(alone), poolsAt, headerBytes} {
		binary.BigEndian.PutUint64(alone[8+8*i:], uint64(v))
	}
	p := parser.NewParser(alone, parser.Options{})
	if _, err := p.ParseEvent(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	return newSchema(&p.TypeMap), nil
}

func newSchema(t *def.TypeMap) *schema {
	s := &schema{types: t, unread: map[def.TypeID]string{}}
	if c := t.NameMap["jdk.ExecutionSample"]; c != nil {
		s.execution = types.NewBindExecutionSample(c, t)
	}
	if c := t.NameMap["profiler.WallClockSample"]; c != nil {
		s.wall = types.NewBindWallClockSample(c, t)
	}
	if c := t.NameMap["jdk.ObjectAllocationInNewTLAB"]; c != nil {
		s.inTLAB = types.NewBindObjectAllocationInNewTLAB(c, t)
	}
	if c := t.NameMap["jdk.ObjectAllocationOutsideTLAB"]; c != nil {
		s.outTLAB = types.NewBindObjectAllocationOutsideTLAB(c, t)
	}
	if c := t.NameMap["jdk.ObjectAllocationSample"]; c != nil {
		s.allocated = types.NewBindObjectAllocationSample(c, t)
	}
	if c := t.NameMap["jdk.JavaMonitorEnter"]; c != nil {
		s.monitor = types.NewBindJavaMonitorEnter(c, t)
	}
	if c := t.NameMap["jdk.ThreadPark"]; c != nil {
		s.park = types.NewBindThreadPark(c, t)
	}
	if c := t.NameMap["jdk.ActiveSetting"]; c != nil {
		s.setting = types.NewBindActiveSetting(c, t)
	}
	for _, name := range unreadEvents() {
		if c := t.NameMap[name]; c != nil {
			s.unread[c.ID] = name
		}
	}
	return s
}

// unreadEvents are events with samples that Podflame has no type for. They are
// counted, so that a recording of nothing else is not just empty.
func unreadEvents() []string {
	return []string{
		"profiler.Malloc", "profiler.Free", "profiler.LiveObject", "profiler.NativeLock",
		"jdk.MethodTrace", "profiler.Span", "jdk.NativeMethodSample", "jdk.OldObjectSample",
	}
}
