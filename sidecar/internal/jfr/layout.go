package jfr

import (
	"fmt"

	"github.com/grafana/jfr-parser/parser/types/def"
)

// layout says how a value of a type is laid out in a chunk, as the chunk's
// metadata describes it.
type layout struct {
	fields []fieldLayout
	// varints is the number of fields if each is one integer, else 0. slots then
	// says where read puts each.
	varints int
	slots   []uint8
}

type fieldLayout struct {
	form   form
	array  bool
	slot   int8 // where read puts the value; -1: nowhere
	nested *layout
}

// form is how one field is encoded.
type form uint8

const (
	integer form = iota // of any width, and references to constants
	oneByte
	fourBytes
	eightBytes
	text
	nested
)

// values are the fields of a value that were asked for: numbers by slot, texts
// in the order of their slots.
type values struct {
	number [maxSlots + 1]uint64 // the last takes what is not wanted
	text   [maxTexts][]byte
}

const (
	maxSlots  = 6
	maxTexts  = 2
	notWanted = maxSlots
)

// layouts derives layouts from the metadata of a chunk.
type layouts struct {
	types map[def.TypeID]*def.Class
	known map[def.TypeID]*layout
}

// of returns the layout of a class. It may refer to itself; reading bounds the
// depth.
func (l *layouts) of(id def.TypeID) (*layout, error) {
	if known := l.known[id]; known != nil {
		return known, nil
	}
	class := l.types[id]
	if class == nil {
		return nil, fmt.Errorf("type %d is not in the metadata", id)
	}
	if class.Name == "java.lang.String" { // a basic type that has a pool, too
		return &layout{fields: []fieldLayout{{form: text, slot: -1}}}, nil
	}
	if len(class.Fields) == 0 {
		return nil, fmt.Errorf("type %s has no fields and is no basic type", class.Name)
	}
	out := &layout{fields: make([]fieldLayout, 0, len(class.Fields)), varints: len(class.Fields)}
	l.known[id] = out
	for i := range class.Fields {
		f, err := l.field(&class.Fields[i])
		if err != nil {
			return nil, fmt.Errorf("field %s of %s: %w", class.Fields[i].Name, class.Name, err)
		}
		if f.array || f.form != integer {
			out.varints = 0
		}
		out.fields = append(out.fields, f)
	}
	return out, nil
}

func (l *layouts) field(f *def.Field) (fieldLayout, error) {
	out := fieldLayout{array: f.Array, slot: -1}
	if f.ConstantPool {
		return out, nil
	}
	class := l.types[f.Type]
	if class == nil {
		return out, fmt.Errorf("type %d is not in the metadata", f.Type)
	}
	var err error
	switch class.Name {
	case "int", "long", "short", "char":
	case "boolean", "byte":
		out.form = oneByte
	case "float":
		out.form = fourBytes
	case "double":
		out.form = eightBytes
	case "java.lang.String":
		out.form = text
	default:
		out.form = nested
		out.nested, err = l.of(f.Type)
	}
	return out, err
}

// want returns a copy of the layout of a class in which the named fields are put
// into slots, in the order of their names, and which of them it has.
func (l *layouts) want(c *def.Class, fields ...string) (out *layout, has []bool, err error) {
	shared, err := l.of(c.ID)
	if err != nil {
		return nil, nil, err
	}
	out = &layout{fields: append([]fieldLayout(nil), shared.fields...), varints: shared.varints}
	has = make([]bool, len(fields))
	texts := 0
	for slot, name := range fields {
		for i := range c.Fields {
			f := &out.fields[i]
			if c.Fields[i].Name != name || f.array {
				continue
			}
			switch {
			case f.form == integer, f.form == oneByte:
				f.slot, has[slot] = int8(slot), true
			case f.form == text && texts < maxTexts:
				f.slot, has[slot] = int8(texts), true
				texts++
			}
		}
	}
	for _, f := range out.fields {
		slot := uint8(notWanted)
		if f.slot >= 0 {
			slot = uint8(f.slot)
		}
		out.slots = append(out.slots, slot)
	}
	return out, has, nil
}

// maxNesting is deeper than any type of a recording.
const maxNesting = 6

// skip moves behind a value.
func (l *layout) skip(c *cursor, depth int) {
	if l.varints > 0 {
		c.skipVarints(l.varints)
		return
	}
	if depth > maxNesting {
		c.fail()
		return
	}
	for i := range l.fields {
		f := &l.fields[i]
		n := 1
		if f.array {
			n = c.count()
		}
		f.skip(c, n, depth)
		if c.bad {
			return
		}
	}
}

func (f *fieldLayout) skip(c *cursor, n, depth int) {
	switch f.form {
	case integer:
		c.skipVarints(n)
	case oneByte:
		c.skip(n)
	case fourBytes:
		c.skip(4 * n)
	case eightBytes:
		c.skip(8 * n)
	case text:
		for ; n > 0 && !c.bad; n-- {
			c.text()
		}
	case nested:
		if f.nested.varints > 0 {
			c.skipVarints(n * f.nested.varints)
			return
		}
		for ; n > 0 && !c.bad; n-- {
			f.nested.skip(c, depth+1)
		}
	}
}

// read moves behind a value and puts the fields that have slots into v.
func (l *layout) read(c *cursor, v *values) {
	if l.varints > 0 {
		l.readVarints(c, v)
		return
	}
	for i := range l.fields {
		f := &l.fields[i]
		if f.slot < 0 {
			n := 1
			if f.array {
				n = c.count()
			}
			f.skip(c, n, 0)
			continue
		}
		switch f.form {
		case integer:
			v.number[f.slot] = c.varint()
		case oneByte:
			v.number[f.slot] = uint64(c.byte())
		case text:
			v.text[f.slot] = c.text()
		}
	}
}

// readVarints is read for values of nothing but integers, as events are. Most of
// the time of reading events is spent here.
func (l *layout) readVarints(c *cursor, v *values) {
	buf, pos := c.buf, c.pos
	for _, slot := range l.slots {
		if pos < len(buf) && buf[pos] < 0x80 {
			v.number[slot] = uint64(buf[pos])
			pos++
			continue
		}
		c.pos = pos
		v.number[slot] = c.longVarint()
		pos = c.pos
	}
	c.pos = pos
}
