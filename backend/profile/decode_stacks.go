package profile

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// columns are the fields of a StackSet message, located but not yet read.
type columns struct {
	names                                        [][]byte
	kinds, shared, own, values, counts, frames   []byte
	nKinds, nShared, nOwn, nValues, nCounts, nFr int
}

func (d *decoder) addSet(b []byte, w *Window) error {
	set := StackSet{}
	c := columns{}
	err := fields(b, func(f field) (err error) {
		switch f.number {
		case 1:
			set.Type, err = knownType(f.bytes)
		case 2:
			if len(c.names) >= d.limits.MaxFunctions {
				return exceeded("functions of a set", len(c.names)+1, d.limits.MaxFunctions)
			}
			c.names = append(c.names, f.bytes)
		case 3:
			c.kinds, c.nKinds, err = packed("kinds", f.bytes, c.kinds)
		case 4:
			c.shared, c.nShared, err = packed("shared", f.bytes, c.shared)
		case 5:
			c.own, c.nOwn, err = packed("own", f.bytes, c.own)
		case 6:
			c.values, c.nValues, err = packed("values", f.bytes, c.values)
		case 7:
			c.counts, c.nCounts, err = packed("counts", f.bytes, c.counts)
		case 8:
			c.frames, c.nFr, err = packed("frames", f.bytes, c.frames)
		}
		return err
	})
	if err != nil {
		return err
	}
	if set.Type == "" || w.Set(set.Type) != nil {
		return malformed("stack set of type %q is missing its type or comes twice", set.Type)
	}
	if err := d.functions(&set, &c); err != nil {
		return err
	}
	if err := d.stacks(&set, &c); err != nil {
		return err
	}
	w.Sets = append(w.Sets, set)
	return nil
}

// packed checks a packed field of varints and counts its entries. A column that
// comes in several pieces is legal protobuf, but no encoder of ours writes it.
func packed(name string, b, before []byte) ([]byte, int, error) {
	if before != nil {
		return nil, 0, malformed("column %s comes twice", name)
	}
	n := 0
	for i := range b {
		if b[i] < 0x80 {
			n++
		}
	}
	if len(b) > 0 && b[len(b)-1] >= 0x80 {
		return nil, 0, malformed("column %s ends within a number", name)
	}
	return slices.Clip(b), n, nil
}

// next takes one number from a column that packed has checked.
func next(column *[]byte) uint64 {
	v, n := protowire.ConsumeVarint(*column)
	if n < 0 { // more than 64 bits: no valid index or quantity
		*column = nil
		return 1<<64 - 1
	}
	*column = (*column)[n:]
	return v
}

func (d *decoder) functions(s *StackSet, c *columns) error {
	if c.nKinds != len(c.names) {
		return malformed("%d kinds for %d names", c.nKinds, len(c.names))
	}
	s.Functions = make([]Function, len(c.names))
	for i, b := range c.names {
		name, err := d.text("function name", b)
		if err != nil {
			return err
		}
		kind := next(&c.kinds)
		if kind > 255 {
			return malformed("kind %d of function %.80q", kind, name)
		}
		s.Functions[i] = Function{name, Kind(kind)}
		if i > 0 && compareFunctions(s.Functions[i-1], s.Functions[i]) >= 0 {
			return malformed("functions are not sorted and distinct at %.80q", name)
		}
	}
	return nil
}

func (d *decoder) stacks(s *StackSet, c *columns) error {
	n := c.nOwn
	if n > d.limits.MaxStacks {
		return exceeded("stacks of a set", n, d.limits.MaxStacks)
	}
	if c.nShared != n || c.nValues != n || c.nCounts != n {
		return malformed("columns of a set have %d, %d, %d and %d entries", c.nShared, n, c.nValues, c.nCounts)
	}
	s.Stacks = make([]Stack, n)
	var previous []uint32
	for i := range s.Stacks {
		frames, err := d.stackFrames(s, c, previous)
		if err != nil {
			return err
		}
		if i > 0 && slices.Compare(previous, frames) >= 0 {
			return malformed("stacks are not sorted and distinct at %d", i)
		}
		stack := Stack{Frames: frames}
		if err := quantity(next(&c.values), &stack.Value); err != nil {
			return err
		}
		if err := quantity(next(&c.counts), &stack.Count); err != nil {
			return err
		}
		s.Stacks[i], previous = stack, frames
	}
	if c.nFr != 0 {
		return malformed("%d frames belong to no stack", c.nFr)
	}
	total := s.Total()
	if total.Value < 0 || total.Value > maxQuantity || total.Count < 0 || total.Count > maxQuantity {
		return malformed("the values of a set sum to more than %d", int64(maxQuantity))
	}
	return nil
}

func (d *decoder) stackFrames(s *StackSet, c *columns, previous []uint32) ([]uint32, error) {
	shared, own := next(&c.shared), next(&c.own)
	if shared > uint64(len(previous)) || own > uint64(c.nFr) {
		return nil, malformed("a stack shares %d of %d frames and owns %d of %d", shared, len(previous), own, c.nFr)
	}
	depth := int(shared + own)
	if depth > d.limits.MaxDepth {
		return nil, exceeded("frames of a stack", depth, d.limits.MaxDepth)
	}
	d.frames += depth
	if d.frames > d.limits.MaxFrames {
		return nil, exceeded("frames of a window", d.frames, d.limits.MaxFrames)
	}
	frames := make([]uint32, depth)
	copy(frames, previous[:shared])
	for i := int(shared); i < depth; i++ {
		f := next(&c.frames)
		if f >= uint64(len(s.Functions)) {
			return nil, malformed("frame refers to function %d of %d", f, len(s.Functions))
		}
		frames[i] = uint32(f)
	}
	c.nFr -= int(own)
	return frames, nil
}
