package jfrtest

import (
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Chunk writes a chunk of a recording, of events that a test makes up.
type Chunk struct {
	// Start and Duration are what the header claims.
	Start          time.Time
	Duration       time.Duration
	TicksPerSecond int64 // a thousand million
	// MetadataLast puts the metadata behind everything else, as the JDK does.
	MetadataLast bool
	// Version1 writes version 1 of the format, in which types had other names.
	Version1 bool

	events  []byte
	symbols table
	classes table
	methods table // "class id, symbol id"
	stacks  [][]uint64
}

// table numbers distinct keys from 1.
type table struct {
	ids  map[string]uint64
	keys []string
}

func (t *table) id(key string) uint64 {
	if t.ids == nil {
		t.ids = map[string]uint64{}
	}
	if t.ids[key] == 0 {
		t.keys = append(t.keys, key)
		t.ids[key] = uint64(len(t.keys))
	}
	return t.ids[key]
}

// NewChunk returns a chunk of ten seconds.
func NewChunk() *Chunk {
	return &Chunk{Start: time.Unix(1_800_000_000, 0).UTC(), Duration: 10 * time.Second, TicksPerSecond: 1_000_000_000}
}

// StateDefault is the state of a thread that is sampled for its CPU time.
const StateDefault = 1

// Ids of types.
const (
	typeLong = iota + 10
	typeInt
	typeShort
	typeFloat
	typeBoolean
	typeString
	typeClass
	typeSymbol
	typeMethod
	typeFrameType
	typeState
	typeFrame
	typeStack
	typeThread
	firstEvent
)

// events are the fields of each event, in order: all of them are numbers or, with
// a colon, of that type.
func eventTypes() map[string][]string {
	return map[string][]string{
		"jdk.ActiveRecording":             {"startTime", "id"},
		"jdk.ActiveSetting":               {"startTime", "id", "name:java.lang.String", "value:java.lang.String"},
		"jdk.ExecutionSample":             {"startTime", "sampledThread:java.lang.Thread", "stackTrace:jdk.types.StackTrace", "state:jdk.types.ThreadState"},
		"jdk.CPUTimeSample":               {"startTime", "stackTrace:jdk.types.StackTrace", "failed:boolean", "samplingPeriod"},
		"jdk.CPUTimeSamplesLost":          {"startTime", "lostSamples"},
		"profiler.WallClockSample":        {"startTime", "stackTrace:jdk.types.StackTrace", "state:jdk.types.ThreadState", "samples", "timeSpan"},
		"jdk.ObjectAllocationInNewTLAB":   {"startTime", "stackTrace:jdk.types.StackTrace", "objectClass:java.lang.Class", "allocationSize", "tlabSize"},
		"jdk.ObjectAllocationOutsideTLAB": {"startTime", "stackTrace:jdk.types.StackTrace", "objectClass:java.lang.Class", "allocationSize"},
		"jdk.ObjectAllocationSample":      {"startTime", "stackTrace:jdk.types.StackTrace", "objectClass:java.lang.Class", "weight"},
		"jdk.JavaMonitorEnter":            {"startTime", "duration", "stackTrace:jdk.types.StackTrace", "monitorClass:java.lang.Class"},
		"jdk.ThreadPark":                  {"startTime", "duration", "stackTrace:jdk.types.StackTrace", "parkedClass:java.lang.Class"},
		"profiler.LiveObject":             {"startTime", "stackTrace:jdk.types.StackTrace", "objectClass:java.lang.Class", "allocationSize", "allocationTime"},
		"profiler.Malloc":                 {"startTime", "stackTrace:jdk.types.StackTrace", "address", "size"},
		"profiler.NativeLock":             {"startTime", "duration", "stackTrace:jdk.types.StackTrace", "address"},
		"jdk.CPULoad":                     {"startTime"},
		"jdk.GCHeapSummary":               {"startTime", "gcId"},
		"jdk.NativeMethodSample":          {"startTime", "stackTrace:jdk.types.StackTrace"},
		"datadog.ExecutionSample":         {"startTime", "stackTrace:jdk.types.StackTrace", "weight"},
		"test.Other":                      {"startTime", "interval"},
	}
}

func eventID(name string) uint64 {
	return firstEvent + uint64(slices.Index(slices.Sorted(maps.Keys(eventTypes())), name))
}

// Stack returns the id of a stack, root first. A frame is class.method, with the
// class named as the JVM does.
func (c *Chunk) Stack(frames ...string) uint64 {
	var methods []uint64
	for _, frame := range slices.Backward(frames) {
		dot := strings.LastIndexByte(frame, '.')
		class, symbol := c.Class(frame[:dot]), c.symbols.id(frame[dot+1:])
		methods = append(methods, c.methods.id(string(binary.AppendUvarint(binary.AppendUvarint(nil, class), symbol))))
	}
	c.stacks = append(c.stacks, methods)
	return uint64(len(c.stacks))
}

// Class returns the id of a class.
func (c *Chunk) Class(name string) uint64 {
	c.symbols.id(name)
	return c.classes.id(name)
}

// Fields are those of an event; others are 0.
type Fields map[string]uint64

// Event appends an event.
func (c *Chunk) Event(name string, f Fields) {
	var b []byte
	for _, field := range eventTypes()[name] {
		field, kind, _ := strings.Cut(field, ":")
		if kind == "boolean" {
			b = append(b, byte(f[field]))
			continue
		}
		b = binary.AppendUvarint(b, f[field])
	}
	c.append(eventID(name), b)
}

// Setting appends a setting of an event.
func (c *Chunk) Setting(of, name, value string) {
	b := binary.AppendUvarint([]byte{0}, eventID(of))
	c.append(eventID("jdk.ActiveSetting"), appendText(appendText(b, name), value))
}

// Profiler appends the settings that async-profiler writes for an engine.
func (c *Chunk) Profiler(engine, event, interval string) {
	c.Setting("jdk.ActiveRecording", "engine", engine)
	c.Setting("jdk.ActiveRecording", "event", event)
	c.Setting("jdk.ExecutionSample", "interval", interval)
}

func (c *Chunk) append(id uint64, fields []byte) {
	c.events = appendEvent(c.events, id, fields)
}

// Bytes returns the chunk.
func (c *Chunk) Bytes() []byte {
	metadata, pools := appendEvent(nil, 0, c.metadata()), appendEvent(nil, 1, c.pools())
	const header = 68
	out := make([]byte, header)
	place := func(part []byte) int {
		at := len(out)
		out = append(out, part...)
		return at
	}
	var metadataAt, poolsAt int
	if !c.MetadataLast {
		metadataAt = place(metadata)
	}
	place(c.events)
	poolsAt = place(pools)
	if c.MetadataLast {
		metadataAt = place(metadata)
	}
	copy(out, "FLR\x00\x00\x02\x00\x00")
	if c.Version1 {
		out[5] = 1
	}
	for i, v := range []int64{int64(len(out)), int64(poolsAt), int64(metadataAt), c.Start.UnixNano(), int64(c.Duration), 0, c.TicksPerSecond} {
		binary.BigEndian.PutUint64(out[8+8*i:], uint64(v))
	}
	out[67] = 1 // compressed integers
	return out
}

// appendEvent appends an event with its size, which counts itself.
func appendEvent(b []byte, id uint64, fields []byte) []byte {
	body := append(binary.AppendUvarint(nil, id), fields...)
	size := len(body) + 1
	for len(binary.AppendUvarint(nil, uint64(size)))+len(body) != size {
		size++
	}
	return append(binary.AppendUvarint(b, uint64(size)), body...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(append(b, 3), uint64(len(s))), s...)
}

// pools are the constants: no start, no duration, no predecessor.
func (c *Chunk) pools() []byte {
	b := []byte{0, 0, 0, 1, 6}
	pool := func(id uint64, n int, constant func(b []byte, i int) []byte) {
		b = binary.AppendUvarint(binary.AppendUvarint(b, id), uint64(n))
		for i := range n {
			b = constant(binary.AppendUvarint(b, uint64(i+1)), i)
		}
	}
	pool(typeStack, len(c.stacks), func(b []byte, i int) []byte {
		b = binary.AppendUvarint(append(b, 0), uint64(len(c.stacks[i])))
		for _, method := range c.stacks[i] {
			b = append(binary.AppendUvarint(b, method), 0, 1) // line, type
		}
		return b
	})
	pool(typeMethod, len(c.methods.keys), func(b []byte, i int) []byte { return append(b, c.methods.keys[i]...) })
	pool(typeClass, len(c.classes.keys), func(b []byte, i int) []byte { return binary.AppendUvarint(b, c.symbols.id(c.classes.keys[i])) })
	pool(typeSymbol, len(c.symbols.keys), func(b []byte, i int) []byte { return appendText(b, c.symbols.keys[i]) })
	pool(typeFrameType, 2, func(b []byte, i int) []byte { return appendText(b, []string{"JIT compiled", "Kernel"}[i]) })
	pool(typeState, 2, func(b []byte, i int) []byte { return appendText(b, []string{"STATE_DEFAULT", "STATE_SLEEPING"}[i]) })
	return b
}

// element is one of the tree that metadata are.
type element struct {
	name       string
	attributes []string // key, value, key, value
	children   []element
}

func (c *Chunk) metadata() []byte {
	basic := map[string]uint64{
		"long": typeLong, "int": typeInt, "short": typeShort, "float": typeFloat, "boolean": typeBoolean, "java.lang.String": typeString,
		"java.lang.Class": typeClass, "jdk.types.Symbol": typeSymbol, "jdk.types.Method": typeMethod, "jdk.types.FrameType": typeFrameType,
		"jdk.types.ThreadState": typeState, "jdk.types.StackFrame": typeFrame, "jdk.types.StackTrace": typeStack, "java.lang.Thread": typeThread,
	}
	fields := maps.Clone(eventTypes())
	maps.Copy(fields, map[string][]string{
		"java.lang.Class": {"name:jdk.types.Symbol"}, "jdk.types.Symbol": {"string:java.lang.String"},
		"jdk.types.Method": {"type:java.lang.Class", "name:jdk.types.Symbol"}, "jdk.types.FrameType": {"description:java.lang.String"},
		"jdk.types.ThreadState": {"name:java.lang.String"}, "jdk.types.StackFrame": {"method:jdk.types.Method", "lineNumber", "type:jdk.types.FrameType"},
		"jdk.types.StackTrace": {"truncated:boolean", "frames:jdk.types.StackFrame"}, "java.lang.Thread": {"id"},
	})
	metadata := element{name: "metadata"}
	for name, id := range basic {
		metadata.children = append(metadata.children, classOf(c.name(name), id, fields[name], basic))
	}
	for name := range eventTypes() {
		metadata.children = append(metadata.children, classOf(c.name(name), eventID(name), fields[name], basic))
	}
	var strings table
	tree := appendElement(nil, element{name: "root", children: []element{metadata, {name: "region"}}}, &strings)
	b := []byte{0, 0, 1} // start, duration, id
	b = binary.AppendUvarint(b, uint64(len(strings.keys)))
	for _, s := range strings.keys {
		b = appendText(b, s)
	}
	return append(b, tree...)
}

// name is the name of a type in the version of the chunk.
func (c *Chunk) name(of string) string {
	if !c.Version1 {
		return of
	}
	if rest, ok := strings.CutPrefix(of, "jdk.types."); ok {
		return "com.oracle.jfr.types." + rest
	}
	return strings.Replace(of, "jdk.", "com.oracle.jdk.", 1)
}

func classOf(name string, id uint64, fields []string, basic map[string]uint64) element {
	class := element{name: "class", attributes: []string{"id", decimal(id), "name", name}}
	for _, f := range fields {
		field, kind, ok := strings.Cut(f, ":")
		if !ok {
			kind = "long"
		}
		attributes := []string{"name", field, "class", decimal(basic[kind])}
		switch {
		case kind == "jdk.types.StackFrame":
			attributes = append(attributes, "dimension", "1")
		case kind != "boolean" && kind != "long" && kind != "java.lang.String":
			attributes = append(attributes, "constantPool", "true")
		}
		class.children = append(class.children, element{name: "field", attributes: attributes})
	}
	return class
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func appendElement(b []byte, e element, strings *table) []byte {
	index := func(s string) uint64 { return strings.id(s) - 1 }
	b = binary.AppendUvarint(binary.AppendUvarint(b, index(e.name)), uint64(len(e.attributes)/2))
	for _, a := range e.attributes {
		b = binary.AppendUvarint(b, index(a))
	}
	b = binary.AppendUvarint(b, uint64(len(e.children)))
	for _, child := range e.children {
		b = appendElement(b, child, strings)
	}
	return b
}
