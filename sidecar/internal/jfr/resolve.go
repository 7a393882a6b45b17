package jfr

import (
	"bytes"
	"slices"

	"github.com/podflame/podflame/backend/profile"
)

// resolver turns the stacks of one chunk into functions of one Builder. Each
// method is named once.
type resolver struct {
	pools      *pools
	builder    *profile.Builder
	normalizer *profile.Normalizer
	methods    [profile.Omitted]table // by kind and method id: function + 1
	classes    table                  // by class id: function + 1
	frames     []uint32
	name       []byte
	// overflow is the function + 1 that the profiler puts in place of a stack
	// for which it had no memory.
	overflow uint32
}

func newResolver(p *pools, b *profile.Builder, n *profile.Normalizer) *resolver {
	r := &resolver{pools: p, builder: b, normalizer: n, classes: newTable(p.classes.n)}
	for kind := range r.methods {
		r.methods[kind] = newTable(p.methods.n)
	}
	return r
}

// drain hands the cells of a tally to the builder.
func (r *resolver) drain(t *tally) {
	r.builder.AddRaw(t.raw)
	for i := range t.cells {
		c := &t.cells[i]
		frames, ok := r.stack(c.stack)
		if !ok {
			r.builder.Lose(profile.Dropped, profile.StackMissing, c.amount)
			continue
		}
		if c.class != 0 {
			frames = append(frames, r.class(c.class))
			r.frames = frames
		}
		r.builder.Add(frames, c.amount)
		if frames[0]+1 == r.overflow {
			r.builder.Note(profile.StorageOverflow, c.amount)
		}
	}
	if t.lost != (profile.Amount{}) {
		r.builder.Lose(profile.Truncated, profile.StackLimit, t.lost)
	}
	if t.over != (profile.Amount{}) {
		r.builder.Lose(profile.Truncated, profile.EventsTruncated, t.over)
	}
}

// overflowFrame is the only frame of samples for whose stack the profiler had
// no memory.
const overflowFrame = "storage_overflow"

// stack returns the functions of a stack, root first, until the next call.
func (r *resolver) stack(id uint64) ([]uint32, bool) {
	c, ok := r.pools.find(&r.pools.stacks, id)
	if !ok {
		return nil, false
	}
	r.frames = r.frames[:0]
	for i := range r.pools.stacks.layout.fields {
		f := &r.pools.stacks.layout.fields[i]
		n := 1
		if f.array {
			n = c.count()
		}
		if f.array && f.form == nested {
			r.readFrames(&c, n)
		} else {
			f.skip(&c, n, 0)
		}
	}
	slices.Reverse(r.frames)
	return r.frames, !c.bad && len(r.frames) > 0
}

func (r *resolver) readFrames(c *cursor, n int) {
	frame := r.pools.frame
	if frame.varints > 0 {
		r.readPlainFrames(c, n)
		return
	}
	for range n {
		v := frame.read(c)
		if c.bad {
			return
		}
		r.frames = append(r.frames, r.method(v.number[0], r.pools.kind(v.number[1])))
	}
}

// readPlainFrames is readFrames for frames of nothing but integers, as the
// profiler writes them. Most of the time of resolving stacks is spent here.
func (r *resolver) readPlainFrames(c *cursor, n int) {
	slots := r.pools.frameSlots
	buf, pos := c.buf, c.pos
	var v [notWanted + 1]uint64 // method, type, and what is not wanted
	for range n {
		for _, slot := range slots {
			var x uint64
			if pos < len(buf) && buf[pos] < 0x80 {
				x = uint64(buf[pos])
				pos++
			} else {
				c.pos = pos
				x = c.longVarint()
				pos = c.pos
			}
			v[slot] = x
		}
		if c.bad {
			return
		}
		r.frames = append(r.frames, r.method(v[0], r.pools.kind(v[1])))
	}
	c.pos = pos
}

func (r *resolver) method(id uint64, kind profile.Kind) uint32 {
	known := &r.methods[kind]
	if f := known.get(id); f != 0 {
		return f - 1
	}
	name := r.methodName(id, kind)
	f := r.function(name, kind)
	known.set(id, f+1)
	if kind == profile.Native && string(name) == overflowFrame {
		r.overflow = f + 1
	}
	return f
}

// methodName returns package.Class.method of a Java method, else the symbol.
func (r *resolver) methodName(id uint64, kind profile.Kind) []byte {
	c, ok := r.pools.find(&r.pools.methods, id)
	if !ok {
		return append(r.name[:0], "unknown"...)
	}
	v := r.pools.methods.layout.read(&c)
	symbol := r.pools.text(&r.pools.symbols, v.number[1])
	r.name = r.name[:0]
	if class := r.pools.className(v.number[0]); kind == profile.Java && len(class) > 0 {
		r.name = appendDotted(r.name, class)
		if len(symbol) > 0 {
			r.name = append(r.name, '.')
		}
	}
	r.name = append(r.name, symbol...)
	if len(r.name) == 0 {
		r.name = append(r.name, "unknown"...)
	}
	return r.name
}

func (r *resolver) class(id uint64) uint32 {
	if f := r.classes.get(id); f != 0 {
		return f - 1
	}
	r.name = appendClass(r.name[:0], r.pools.className(id))
	f := r.function(r.name, profile.Class)
	r.classes.set(id, f+1)
	return f
}

func (r *resolver) function(name []byte, kind profile.Kind) uint32 {
	text := string(bytes.ToValidUTF8(name, []byte("?")))
	return r.builder.Function(r.normalizer.Name(text), kind)
}

func appendDotted(to, class []byte) []byte {
	start := len(to)
	to = append(to, class...)
	for i := start; i < len(to); i++ {
		if to[i] == '/' {
			to[i] = '.'
		}
	}
	return to
}

// appendClass appends the Java name of a class that is given as a descriptor if
// it is an array, such as [[I or [Ljava/lang/String;, else by its name.
func appendClass(to, class []byte) []byte {
	name := bytes.TrimLeft(class, "[")
	depth := len(class) - len(name)
	if depth > 0 {
		name = elementName(name)
	}
	if len(name) == 0 {
		name = []byte("unknown")
	}
	to = appendDotted(to, name)
	for range depth {
		to = append(to, "[]"...)
	}
	return to
}

func elementName(descriptor []byte) []byte {
	if len(descriptor) == 0 {
		return nil
	}
	basic := map[byte]string{
		'B': "byte", 'C': "char", 'S': "short", 'I': "int", 'J': "long",
		'Z': "boolean", 'F': "float", 'D': "double",
	}
	if name := basic[descriptor[0]]; name != "" && len(descriptor) == 1 {
		return []byte(name)
	}
	return bytes.TrimSuffix(bytes.TrimPrefix(descriptor, []byte("L")), []byte(";"))
}
