package jfr

import (
	"errors"
	"fmt"
	"slices"

	"github.com/grafana/jfr-parser/parser/types/def"
	"github.com/podflame/podflame/backend/profile"
)

// pool is the constants of one type: where each is in the chunk. A constant is
// decoded when it is asked for.
type pool struct {
	layout *layout
	at     table // position + 1
	n      int
}

// pools are the constant pools of a chunk, as far as stacks need them.
type pools struct {
	buf                             []byte
	begin                           int64 // of the first of their events
	stacks, methods, classes        pool
	symbols, frameTypes, stateNames pool
	threads                         pool
	frame                           *layout // slots: method, type
	kinds                           []profile.Kind
	defaultState                    uint64
	hasDefaultState                 bool
}

var errPools = errors.New("constant pools are damaged")

// maxCheckpoints bounds the chain of pool events of a chunk.
const maxCheckpoints = 1 << 16

// readPools indexes the constant pools of a chunk. They are a chain of events
// from the last back to the first; a chain that does not move back is damaged.
func readPools(buf []byte, at int64, s *schema) (*pools, error) {
	p := &pools{buf: buf}
	l := s.layouts
	byType, err := p.bind(l, s.types)
	if err != nil {
		return nil, err
	}
	for range maxCheckpoints {
		p.begin = at
		delta, err := p.readCheckpoint(at, l, byType)
		if err != nil {
			return nil, err
		}
		if delta == 0 {
			p.readKinds()
			p.readStates()
			return p, nil
		}
		if delta > 0 || at+delta < headerBytes {
			return nil, fmt.Errorf("%w: the one at byte %d refers to byte %d", errPools, at, at+delta)
		}
		at += delta
	}
	return nil, fmt.Errorf("%w: more than %d pool events", errPools, maxCheckpoints)
}

// bind derives the layouts of the types that are read. A chunk that lacks one of
// them has no constants of it.
func (p *pools) bind(l *layouts, t *def.TypeMap) (map[uint64]*pool, error) {
	byType := map[uint64]*pool{}
	for _, want := range []struct {
		to     *pool
		class  string
		fields []string
	}{
		{&p.stacks, "jdk.types.StackTrace", nil},
		{&p.methods, "jdk.types.Method", []string{"type", "name"}},
		{&p.classes, "java.lang.Class", []string{"name"}},
		{&p.symbols, "jdk.types.Symbol", []string{"string"}},
		{&p.frameTypes, "jdk.types.FrameType", []string{"description"}},
		{&p.stateNames, "jdk.types.ThreadState", []string{"name"}},
	} {
		bound, err := wantAll(l, t, want.class, want.fields...)
		if err != nil {
			return nil, err
		}
		if want.to.layout = bound; bound != nil {
			byType[uint64(t.NameMap[want.class].ID)] = want.to
		}
	}
	if err := p.bindThreads(l, t, byType); err != nil {
		return nil, err
	}
	frame, err := wantAll(l, t, "jdk.types.StackFrame", "method", "type")
	p.frame = frame
	return byType, err
}

// wantAll returns the layout of a class, or nil if the metadata do not have it.
// If they have it without one of the fields they are of no use.
func wantAll(l *layouts, t *def.TypeMap, name string, fields ...string) (*layout, error) {
	c := t.NameMap[name]
	if c == nil {
		return nil, nil
	}
	out, has, err := l.want(c, fields...)
	if err != nil {
		return nil, fmt.Errorf("type %s: %w", name, err)
	}
	if i := slices.Index(has, false); i >= 0 {
		return nil, fmt.Errorf("type %s has no field %s", name, fields[i])
	}
	return out, nil
}

func (p *pools) readCheckpoint(at int64, l *layouts, byType map[uint64]*pool) (delta int64, err error) {
	if at < headerBytes || at >= int64(len(p.buf)) {
		return 0, fmt.Errorf("%w: byte %d of %d", errPools, at, len(p.buf))
	}
	c := cursor{buf: p.buf, pos: int(at)}
	c.varint() // size
	if kind := c.varint(); kind != 1 {
		return 0, fmt.Errorf("%w: byte %d holds an event of type %d", errPools, at, kind)
	}
	c.varint() // start
	c.varint() // duration
	delta = int64(c.varint())
	c.skip(1) // flags
	for n := c.count(); n > 0; n-- {
		if err := p.readPool(&c, l, byType); err != nil {
			return 0, err
		}
	}
	if c.bad {
		return 0, fmt.Errorf("%w: they end behind the chunk", errPools)
	}
	return delta, nil
}

func (p *pools) readPool(c *cursor, l *layouts, byType map[uint64]*pool) error {
	id := c.varint()
	n := c.count()
	to := byType[id]
	if to == nil {
		skipped, err := l.of(def.TypeID(id))
		if err != nil {
			return fmt.Errorf("%w: %w", errPools, err)
		}
		to = &pool{layout: skipped}
	} else if to.n == 0 {
		to.at = newTable(n)
	}
	to.n += n
	for range n {
		key := c.varint()
		if byType[id] != nil {
			to.at.set(key, uint32(c.pos)+1)
		}
		to.layout.skip(c, 0)
		if c.bad {
			return fmt.Errorf("%w: a pool of type %d ends behind the chunk", errPools, id)
		}
	}
	return nil
}

// find returns a cursor at a constant, or false.
func (p *pools) find(from *pool, id uint64) (cursor, bool) {
	at := from.at.get(id)
	return cursor{buf: p.buf, pos: int(at) - 1}, at != 0
}

func (p *pools) text(from *pool, id uint64) []byte {
	c, ok := p.find(from, id)
	if !ok {
		return nil
	}
	var v values
	from.layout.read(&c, &v)
	return v.text[0]
}

// className returns the name of a class as the JVM writes it, or nil.
func (p *pools) className(id uint64) []byte {
	c, ok := p.find(&p.classes, id)
	if !ok {
		return nil
	}
	var v values
	p.classes.layout.read(&c, &v)
	return p.text(&p.symbols, v.number[0])
}

// maxEnum is more than there are frame types or thread states.
const maxEnum = 256

func (p *pools) readKinds() {
	p.kinds = make([]profile.Kind, maxEnum)
	knowsKernel := false
	for id := range p.kinds {
		switch string(p.text(&p.frameTypes, uint64(id))) {
		case "Native":
			p.kinds[id] = profile.Native
		case "C++":
			p.kinds[id] = profile.CPP
		case "Kernel":
			p.kinds[id], knowsKernel = profile.Kernel, true
		}
	}
	if !knowsKernel { // a recording of the JDK, where it means a Java method without bytecode
		clear(p.kinds)
	}
}

func (p *pools) kind(frameType uint64) profile.Kind {
	if frameType < uint64(len(p.kinds)) {
		return p.kinds[frameType]
	}
	return profile.Java
}

func (p *pools) readStates() {
	for id := range uint64(maxEnum) {
		if string(p.text(&p.stateNames, id)) == "STATE_DEFAULT" {
			p.defaultState, p.hasDefaultState = id, true
		}
	}
}

// isCPUState reports whether a sample in a thread of that state is one of CPU
// time. async-profiler has a state for these; the JDK samples nothing else.
func (p *pools) isCPUState(id uint64) bool {
	return !p.hasDefaultState || id == p.defaultState
}
