package profile

import (
	"cmp"
	"maps"
	"slices"
)

// The fields of a StackSet message that tell its stacks' thread groups apart.
const (
	fieldThreads       = 9
	fieldFurther       = 10
	fieldGroups        = 11
	fieldFurtherValues = 12
	fieldFurtherCounts = 13
)

// maxThreadBytes is more than ThreadGroup returns and what a query may name.
const maxThreadBytes = 256

// withoutThreads adds up the stacks of equal frames, which lie side by side.
func withoutThreads(stacks []Stack) []Stack {
	whole := make([]Stack, 0, len(stacks))
	for i, s := range stacks {
		if i > 0 && sameFrames(stacks, i) {
			last := &whole[len(whole)-1]
			last.Value, last.Count = add(last.Value, s.Value), add(last.Count, s.Count)
			continue
		}
		s.Thread = ""
		whole = append(whole, s)
	}
	return whole
}

// sameFrames reports whether a stack has the frames of the one before.
func sameFrames(stacks []Stack, i int) bool {
	return slices.Equal(stacks[i-1].Frames, stacks[i].Frames)
}

func appendThreads(b []byte, stacks []Stack) []byte {
	index := map[string]uint64{}
	for i := range stacks {
		index[stacks[i].Thread] = 0
	}
	names := slices.Sorted(maps.Keys(index))
	if len(names) == 0 || len(names) == 1 && names[0] == "" {
		return b
	}
	for i, name := range names {
		index[name] = uint64(i)
		b = appendBytes(b, fieldThreads, []byte(name))
	}
	var further []uint64
	var rest []*Stack
	for i := range stacks {
		if i > 0 && sameFrames(stacks, i) {
			further[len(further)-1]++
			rest = append(rest, &stacks[i])
			continue
		}
		further = append(further, 0)
	}
	b = appendPacked(b, fieldFurther, len(further), func(i int) uint64 { return further[i] })
	b = appendPacked(b, fieldGroups, len(stacks), func(i int) uint64 { return index[stacks[i].Thread] })
	b = appendPacked(b, fieldFurtherValues, len(rest), func(i int) uint64 { return uint64(rest[i].Value) })
	return appendPacked(b, fieldFurtherCounts, len(rest), func(i int) uint64 { return uint64(rest[i].Count) })
}

// threadColumns are the fields about thread groups, located but not yet read.
type threadColumns struct {
	names                              []string
	further, groups, values, counts    []byte
	nFurther, nGroups, nValues, nCount int
}

func (d *decoder) threadColumn(f field, c *threadColumns) (err error) {
	switch f.number {
	case fieldThreads:
		if len(c.names) >= d.limits.MaxThreads {
			return exceeded("thread groups of a set", len(c.names)+1, d.limits.MaxThreads)
		}
		if len(f.bytes) > maxThreadBytes {
			return exceeded("bytes of a thread group", len(f.bytes), maxThreadBytes)
		}
		name, err := d.text("thread group", f.bytes)
		if n := len(c.names); err == nil && n > 0 && c.names[n-1] >= name {
			err = malformed("thread groups are not sorted and distinct at %.80q", name)
		}
		c.names = append(c.names, name)
		return err
	case fieldFurther:
		c.further, c.nFurther, err = packed("further", f.bytes, c.further)
	case fieldGroups:
		c.groups, c.nGroups, err = packed("groups", f.bytes, c.groups)
	case fieldFurtherValues:
		c.values, c.nValues, err = packed("further_values", f.bytes, c.values)
	case fieldFurtherCounts:
		c.counts, c.nCount, err = packed("further_counts", f.bytes, c.counts)
	}
	return err
}

// threads takes the stacks of a set apart by thread group, if the groups are known.
func (d *decoder) threads(s *StackSet, c *threadColumns) error {
	n := len(s.Stacks)
	if len(c.names)+c.nFurther+c.nGroups+c.nValues+c.nCount == 0 {
		return nil
	}
	if c.nFurther != n || c.nGroups != n+c.nValues || c.nCount != c.nValues {
		return malformed("columns of thread groups have %d, %d, %d and %d entries for %d stacks", c.nFurther, c.nGroups, c.nValues, c.nCount, n)
	}
	if c.nGroups > d.limits.MaxStacks {
		return exceeded("stacks and thread groups of a set", c.nGroups, d.limits.MaxStacks)
	}
	apart, shared := make([]Stack, 0, c.nGroups), []uint32(nil)
	for i := range s.Stacks {
		first, again := len(apart), s.Stacks[i].Frames // what a further group repeats of them
		if s.Shared != nil {
			shared, again = append(shared, s.Shared[i]), nil
		}
		further := next(&c.further)
		if further > uint64(c.nGroups-first-(n-i)) {
			return malformed("stack %d has %d further thread groups", i, further)
		}
		rest := Amount{s.Stacks[i].Value, s.Stacks[i].Count}
		apart = append(apart, s.Stacks[i])
		for range further {
			one := Stack{Frames: again}
			if err := cmp.Or(quantity(next(&c.values), &one.Value), quantity(next(&c.counts), &one.Count)); err != nil {
				return err
			}
			rest.Value, rest.Count = rest.Value-one.Value, rest.Count-one.Count
			if rest.Value < 0 || rest.Count < 0 {
				return malformed("the thread groups of stack %d have more than the stack", i)
			}
			apart = append(apart, one)
			if s.Shared != nil {
				shared = append(shared, s.Shared[i]+uint32(len(s.Stacks[i].Frames)))
			}
		}
		apart[first].Value, apart[first].Count = rest.Value, rest.Count
		if err := nameGroups(apart[first:], c); err != nil {
			return err
		}
	}
	if len(apart) != c.nGroups {
		return malformed("%d stacks and further thread groups for %d groups", len(apart), c.nGroups)
	}
	s.Stacks, s.Shared = apart, shared
	return nil
}

// nameGroups gives the parts of one stack their groups, which are distinct and in
// order.
func nameGroups(parts []Stack, c *threadColumns) error {
	before := -1
	for i := range parts {
		group := next(&c.groups)
		if group >= uint64(len(c.names)) || int(group) <= before {
			return malformed("thread group %d of %d after %d", group, len(c.names), before)
		}
		before = int(group)
		parts[i].Thread = c.names[group]
	}
	return nil
}
