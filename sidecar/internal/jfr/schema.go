package jfr

import (
	"strings"

	"github.com/grafana/jfr-parser/parser/types/def"
)

// schema is what the metadata of a chunk say about the events in it.
type schema struct {
	types   *def.TypeMap
	layouts *layouts
	events  map[uint64]*event
	dense   []*event // the same, of small ids
	setting *event   // nil if the chunk knows none
	jvm     *event   // the same
	// By these the profiler tells of collections; nil if the chunk knows none.
	second, heapSummary *event
}

// typeName is the name of a type, or empty if the metadata do not have it.
func (s *schema) typeName(id uint64) string {
	if c := s.types.IDMap[def.TypeID(id)]; c != nil {
		return c.Name
	}
	return ""
}

// denseIDs are those that recordings have: types are numbered from 0.
const denseIDs = 1 << 12

func (s *schema) event(id uint64) *event {
	if id < uint64(len(s.dense)) {
		return s.dense[id]
	}
	return s.events[id]
}

// event is a type of event that is read or, without read, only counted.
type event struct {
	name   string
	layout *layout
	has    []bool // which of the wanted fields there are
	known  bool   // it is read before the samples, and is none
	read   func(*chunkReader, *values) error
}

// eventReader says how an event is read: its fields, in the order of the slots
// in which read finds them. A field with a question mark may be missing. Of a
// sample the stack comes first, then the thread.
type eventReader struct {
	event  string
	fields []string
	read   func(*chunkReader, *values) error
}

// The events that settings and samples are in.
const (
	activeSetting   = "jdk.ActiveSetting"
	jvmInformation  = "jdk.JVMInformation"
	executionSample = "jdk.ExecutionSample"
	cpuTimeSample   = "jdk.CPUTimeSample"
	inNewTLAB       = "jdk.ObjectAllocationInNewTLAB"
	outsideTLAB     = "jdk.ObjectAllocationOutsideTLAB"
	allocSample     = "jdk.ObjectAllocationSample"
	monitorEnter    = "jdk.JavaMonitorEnter"
	threadPark      = "jdk.ThreadPark"
	liveObject      = "profiler.LiveObject"
	malloc          = "profiler.Malloc"
	nativeLock      = "profiler.NativeLock"
	gcHeapSummary   = "jdk.GCHeapSummary"
	cpuLoad         = "jdk.CPULoad" // async-profiler writes one a second
)

func eventReaders() []eventReader {
	return []eventReader{
		{executionSample, []string{"stackTrace", "?sampledThread", "?state", "?startTime"}, (*chunkReader).executionSample},
		{cpuTimeSample, []string{"stackTrace", "?eventThread", "samplingPeriod"}, (*chunkReader).cpuTimeSample},
		{"jdk.CPUTimeSamplesLost", []string{"lostSamples"}, (*chunkReader).cpuTimeSamplesLost},
		{"profiler.WallClockSample", []string{"stackTrace", "?sampledThread", "samples", "?timeSpan"}, (*chunkReader).wallClockSample},
		{inNewTLAB, []string{"stackTrace", "?eventThread", "objectClass", "tlabSize", "?allocationSize"}, (*chunkReader).allocInTLAB},
		{outsideTLAB, []string{"stackTrace", "?eventThread", "objectClass", "allocationSize"}, (*chunkReader).allocation},
		{allocSample, []string{"stackTrace", "?eventThread", "objectClass", "weight"}, (*chunkReader).allocSampled},
		{monitorEnter, []string{"stackTrace", "?eventThread", "monitorClass", "duration"}, (*chunkReader).contention},
		{threadPark, []string{"stackTrace", "?eventThread", "parkedClass", "duration"}, (*chunkReader).threadPark},
		{malloc, []string{"stackTrace", "?eventThread", "size"}, (*chunkReader).malloc},
		{nativeLock, []string{"stackTrace", "?eventThread", "duration"}, (*chunkReader).nativeContention},
		{liveObject, []string{"stackTrace", "?eventThread", "objectClass", "allocationSize", "allocationTime"}, (*chunkReader).liveObject},
	}
}

// unreadEvents are events with samples that Podflame has no type for. They are
// counted, so that a recording of nothing else is not just empty.
func unreadEvents() []string {
	return []string{
		"profiler.Free", "jdk.MethodTrace", "profiler.Span", "jdk.NativeMethodSample", "jdk.OldObjectSample",
		"datadog.ExecutionSample", "datadog.MethodSample", "datadog.ObjectSample",
	}
}

func readSchema(buf []byte, at int64) (*schema, error) {
	t, err := readTypes(buf, at)
	if err != nil {
		return nil, err
	}
	s := &schema{
		types: t, layouts: &layouts{types: t.IDMap, known: map[def.TypeID]*layout{}},
		events: map[uint64]*event{}, dense: make([]*event, denseIDs),
	}
	for _, r := range eventReaders() {
		s.bind(r)
	}
	for _, name := range unreadEvents() {
		s.bind(eventReader{event: name})
	}
	s.setting = s.bindKnown(activeSetting, "id", "name", "value")
	s.jvm = s.bindKnown(jvmInformation, "jvmVersion")
	s.second = s.bindKnown(cpuLoad, "startTime")
	s.heapSummary = s.bindKnown(gcHeapSummary, "gcId")
	return s, nil
}

// bindKnown prepares an event that is no sample: see readPrelude.
func (s *schema) bindKnown(name string, fields ...string) *event {
	e := s.bind(eventReader{event: name, fields: fields})
	if c := s.types.NameMap[name]; c != nil {
		s.events[uint64(c.ID)].known = true
	}
	return e
}

// bind prepares an event if the chunk knows it. One without the fields that its
// reader needs is only counted.
func (s *schema) bind(r eventReader) *event {
	c := s.types.NameMap[r.event]
	if c == nil {
		return nil
	}
	e := &event{name: r.event, read: r.read}
	names := make([]string, len(r.fields))
	for i, f := range r.fields {
		names[i] = strings.TrimPrefix(f, "?")
	}
	var err error
	e.layout, e.has, err = s.layouts.want(c, names...)
	s.events[uint64(c.ID)] = e
	if c.ID < denseIDs {
		s.dense[c.ID] = e
	}
	if err != nil {
		e.read = nil
		return nil
	}
	for i, has := range e.has {
		if !has && names[i] == r.fields[i] {
			e.read = nil
			return nil
		}
	}
	return e
}
