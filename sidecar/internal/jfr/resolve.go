package jfr

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/podflame/podflame/backend/profile"
)

// resolver turns the stacks of one chunk into functions of one Builder. Each
// method is named once.
type resolver struct {
	pools      *pools
	perSecond  int64 // ticks of the chunk's clock
	builder    *profile.Builder
	normalizer *profile.Normalizer
	groups     *groups
	methods    [profile.Omitted]table // by kind and method id: function + 1
	classes    table                  // by class id: function + 1
	frames     []uint32
	name       []byte
	// overflow is the function + 1 that the profiler puts in place of a stack
	// for which it had no memory.
	overflow uint32
}

func newResolver(p *pools, b *profile.Builder, s *state, perSecond int64) *resolver {
	r := &resolver{pools: p, perSecond: perSecond, builder: b, normalizer: s.normalizer, groups: s.groups, classes: newTable(p.classes.n)}
	for kind := range r.methods {
		r.methods[kind] = newTable(p.methods.n)
	}
	return r
}

// drain hands the cells of a tally to the builder.
func (r *resolver) drain(t *tally) {
	raw := t.total.raw
	if t.ticks {
		raw = ticksToNanos(raw, r.perSecond)
	}
	r.builder.AddRaw(raw)
	for i := range t.cells {
		r.drainCell(&t.cells[i], t.unvalued)
	}
	if t.lost != (sum{}) {
		r.builder.Lose(profile.Truncated, profile.StackLimit, t.lost.amount(r.perSecond))
	}
	if t.over != (sum{}) {
		r.builder.Lose(profile.Truncated, profile.EventsTruncated, t.over.amount(r.perSecond))
	}
	for _, l := range t.losses {
		r.builder.Lose(l.Outcome, l.Reason, profile.Amount{Value: l.Value, Count: l.Count})
	}
}

func (r *resolver) drainCell(c *cell, unvalued profile.Reason) {
	amount := c.amount(r.perSecond)
	frames, ok := r.stack(c.stack)
	if !ok {
		r.builder.Lose(profile.Dropped, profile.StackMissing, amount)
		return
	}
	if c.class != 0 {
		frames = append(frames, r.class(c.class))
		r.frames = frames
	}
	r.builder.AddIn(r.groups.name(c.group), frames, amount)
	if frames[0]+1 == r.overflow {
		r.builder.Note(profile.Shortened, profile.StorageOverflow, amount)
	}
	if c.unvalued > 0 {
		r.builder.Note(profile.Unvalued, unvalued, profile.Amount{Count: c.unvalued})
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
	var v values
	for range n {
		frame.read(c, &v)
		if c.bad {
			return
		}
		r.frames = append(r.frames, r.method(v.number[0], r.pools.kind(v.number[1])))
	}
}

// readPlainFrames is readFrames for frames of nothing but integers, as the
// profiler writes them. Most of the time of resolving stacks is spent here.
func (r *resolver) readPlainFrames(c *cursor, n int) {
	slots := r.pools.frame.slots
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
	var v values
	r.pools.methods.layout.read(&c, &v)
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

// function interns a name. Symbols of native code have no parts that are
// generated while the program runs.
func (r *resolver) function(name []byte, kind profile.Kind) uint32 {
	text := string(bytes.ToValidUTF8(fromModified(name), []byte("?")))
	if kind == profile.Java || kind == profile.Class {
		text = r.normalizer.Name(text)
	}
	return r.builder.Function(text, kind)
}

// fromModified converts the JVM's modified UTF-8, in which a character beyond
// 16 bits is a pair of surrogates of three bytes each, and 0 is two bytes.
func fromModified(b []byte) []byte {
	if bytes.IndexByte(b, 0xED) < 0 && bytes.IndexByte(b, 0xC0) < 0 {
		return b
	}
	var out []byte
	for i := 0; i < len(b); {
		high, ok := surrogate(b[i:], 0xA0)
		low, paired := rune(0), false
		if ok {
			low, paired = surrogate(b[i+3:], 0xB0)
		}
		switch {
		case paired:
			out = utf8.AppendRune(out, 0x10000+high<<10|low)
			i += 6
		case b[i] == 0xC0 && i+1 < len(b) && b[i+1] == 0x80:
			out = append(out, 0)
			i += 2
		default:
			out = append(out, b[i])
			i++
		}
	}
	return out
}

// surrogate decodes the three bytes of a surrogate, of the upper (second byte
// from 0xA0 on) or the lower half (from 0xB0 on), into its ten bits.
func surrogate(b []byte, second byte) (rune, bool) {
	if len(b) < 3 || b[0] != 0xED || b[1]&0xF0 != second || b[2]&0xC0 != 0x80 {
		return 0, false
	}
	return rune(b[1]&0x0F)<<6 | rune(b[2]&0x3F), true
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
