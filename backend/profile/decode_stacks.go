package profile

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// columns are the fields of a StackSet message, located but not yet read.
type columns struct {
	names                                        [][]byte
	kinds, shared, own, values, counts, frames   []byte
	nKinds, nShared, nOwn, nValues, nCounts, nFr int
	threads                                      threadColumns
}

// usualFunction is how many bytes of a set there are for each function, or less.
const usualFunction = 128

func (d *decoder) addSet(b []byte, w *Window) error {
	set := StackSet{}
	c := columns{names: make([][]byte, 0, min(len(b)/usualFunction, d.limits.MaxFunctions))}
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
		default:
			err = d.threadColumn(f, &c.threads)
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
	b := *column
	switch { // most are small
	case len(b) > 0 && b[0] < 0x80:
		*column = b[1:]
		return uint64(b[0])
	case len(b) > 1 && b[1] < 0x80:
		*column = b[2:]
		return uint64(b[0]&0x7f) | uint64(b[1])<<7
	}
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
	names, err := d.functionNames(c.names)
	if err != nil {
		return err
	}
	s.Functions = make([]Function, len(c.names))
	for i, b := range c.names {
		name := names[:len(b)]
		names = names[len(b):]
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

// functionNames are all names, one after the other, in one piece of memory.
func (d *decoder) functionNames(names [][]byte) (string, error) {
	size := 0
	for _, b := range names {
		if err := d.checkText("function name", b); err != nil {
			return "", err
		}
		size += len(b)
	}
	var all strings.Builder
	all.Grow(size)
	for _, b := range names {
		_, _ = all.Write(b)
	}
	return all.String(), nil
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
	if !d.whole {
		s.Shared = make([]uint32, n)
	}
	own := make([]uint32, 0, c.nFr) // frames of all stacks
	var frames []uint32             // of the stack before
	for i := range s.Stacks {
		shared, first := 0, len(own)
		var err error
		if shared, own, err = d.stackFrames(s, c, len(frames), own); err != nil {
			return err
		}
		stack := Stack{Frames: own[first:len(own):len(own)]}
		if i > 0 && slices.Compare(frames[shared:], stack.Frames) >= 0 {
			return malformed("stacks are not sorted and distinct at %d", i)
		}
		frames = append(frames[:shared], stack.Frames...)
		if d.whole {
			stack.Frames = append(make([]uint32, 0, len(frames)), frames...)
		} else {
			s.Shared[i] = uint32(shared)
		}
		if err := quantity(next(&c.values), &stack.Value); err != nil {
			return err
		}
		if err := quantity(next(&c.counts), &stack.Count); err != nil {
			return err
		}
		s.Stacks[i] = stack
	}
	if c.nFr != 0 {
		return malformed("%d frames belong to no stack", c.nFr)
	}
	if err := d.threads(s, &c.threads); err != nil {
		return err
	}
	total := s.Total()
	if total.Value < 0 || total.Value > maxQuantity || total.Count < 0 || total.Count > maxQuantity {
		return malformed("the values of a set sum to more than %d", int64(maxQuantity))
	}
	return nil
}

// stackFrames reads the next stack: how many of the frames of the one before it
// shares, and the others, which are appended to own.
func (d *decoder) stackFrames(s *StackSet, c *columns, before int, own []uint32) (shared int, all []uint32, err error) {
	nShared, nOwn := next(&c.shared), next(&c.own)
	if nShared > uint64(before) || nOwn > uint64(c.nFr) {
		return 0, own, malformed("a stack shares %d of %d frames and owns %d of %d", nShared, before, nOwn, c.nFr)
	}
	depth := int(nShared + nOwn)
	if depth > d.limits.MaxDepth {
		return 0, own, exceeded("frames of a stack", depth, d.limits.MaxDepth)
	}
	d.frames += depth
	if d.frames > d.limits.MaxFrames {
		return 0, own, exceeded("frames of a window", d.frames, d.limits.MaxFrames)
	}
	rest, functions := c.frames, uint64(len(s.Functions))
	for range nOwn {
		f := next(&rest)
		if f >= functions {
			return 0, own, malformed("frame refers to function %d of %d", f, functions)
		}
		own = append(own, uint32(f))
	}
	c.frames, c.nFr = rest, c.nFr-int(nOwn)
	return int(nShared), own, nil
}
