package profile

import "slices"

// DiffStack is a stack with its amounts on both sides of a comparison.
type DiffStack struct {
	Frames        []uint32
	Before, After Amount
}

// DiffSet compares two stack sets of the same type.
type DiffSet struct {
	Type      Type
	Functions []Function
	Stacks    []DiffStack
}

// Diff pairs the stacks of two sets. A stack that one side lacks has a zero
// amount there. Amounts are absolute: scaling for ranges of different length is
// the reader's.
func Diff(before, after *StackSet) DiffSet {
	// Both sides in one function table: merge first, then look both up in it.
	merged := Merge(before.Type, before, after)
	out := DiffSet{Type: before.Type, Functions: merged.Functions, Stacks: make([]DiffStack, len(merged.Stacks))}
	for i, s := range merged.Stacks {
		out.Stacks[i].Frames = s.Frames
	}
	out.fill(before, func(d *DiffStack) *Amount { return &d.Before })
	out.fill(after, func(d *DiffStack) *Amount { return &d.After })
	return out
}

func (d *DiffSet) fill(s *StackSet, side func(*DiffStack) *Amount) {
	to := make([]uint32, len(s.Functions))
	for i, f := range s.Functions {
		j, _ := slices.BinarySearchFunc(d.Functions, f, compareFunctions)
		to[i] = uint32(j)
	}
	var frames []uint32
	for _, stack := range s.Stacks {
		frames = frames[:0]
		for _, f := range stack.Frames {
			frames = append(frames, to[f])
		}
		i, _ := slices.BinarySearchFunc(d.Stacks, frames, func(x DiffStack, f []uint32) int { return slices.Compare(x.Frames, f) })
		a := side(&d.Stacks[i])
		*a = a.Add(Amount{stack.Value, stack.Count})
	}
}
