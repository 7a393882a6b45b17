package profile

import (
	"cmp"
	"maps"
	"slices"
)

// limitThreads keeps the heaviest thread groups, and of these fewer as long as
// telling them apart would cost stacks.
func (b *Builder) limitThreads() {
	if most := b.limits.MaxThreads; most > 0 {
		b.foldThreads(most)
	}
	for keep := len(b.threads()); b.limits.MaxStacks > 0 && len(b.stacks) > b.limits.MaxStacks; {
		if keep /= 2; !b.foldThreads(keep) {
			return
		}
	}
}

// threads returns the weight of each thread group that is told apart.
func (b *Builder) threads() map[string]Amount {
	sums := map[string]Amount{}
	for i := range b.stacks {
		if s := &b.stacks[i]; s.Thread != "" && s.Thread != OtherThreads {
			sums[s.Thread] = sums[s.Thread].Add(Amount{s.Value, s.Count})
		}
	}
	return sums
}

// foldThreads makes OtherThreads of all thread groups but the heaviest, and, where
// none is kept, of those that are not known. What is noted of stacks that become
// one is added up. It reports false if there was nothing to fold.
func (b *Builder) foldThreads(keep int) bool {
	sums := b.threads()
	if len(sums) <= keep && (keep > 0 || !b.mixed()) {
		return false
	}
	heaviest := slices.SortedFunc(maps.Keys(sums), func(x, y string) int {
		return cmp.Or(cmp.Compare(sums[y].Value, sums[x].Value), cmp.Compare(sums[y].Count, sums[x].Count), cmp.Compare(x, y))
	})
	for _, light := range heaviest[keep:] {
		delete(sums, light)
	}
	stacks, notes := b.stacks, b.notes
	b.stacks, b.notes, b.next = nil, nil, nil
	clear(b.byHash)
	for i, s := range stacks {
		if _, kept := sums[s.Thread]; !kept && (s.Thread != "" || keep == 0) {
			s.Thread = OtherThreads
		}
		if b.last = b.find(s.Frames, s.Thread); b.last < 0 {
			b.last = len(b.stacks)
			b.enter(s)
		} else {
			to := &b.stacks[b.last]
			to.Value, to.Count = add(to.Value, s.Value), add(to.Count, s.Count)
		}
		if i < len(notes) {
			for _, l := range notes[i] {
				b.Note(l.Outcome, l.Reason, Amount{l.Value, l.Count})
			}
		}
	}
	b.padNotes()
	return true
}

// mixed reports whether OtherThreads are beside threads that are not known.
func (b *Builder) mixed() bool {
	other, unknown := false, false
	for i := range b.stacks {
		other, unknown = other || b.stacks[i].Thread == OtherThreads, unknown || b.stacks[i].Thread == ""
	}
	return other && unknown
}

// noteOther notes the samples whose thread group is not told: those that were
// folded, and those that came so, of more names than ThreadGroups remembers.
func (b *Builder) noteOther() {
	for i := range b.stacks {
		if s := &b.stacks[i]; s.Thread == OtherThreads {
			b.last = i
			b.Note(Shortened, ThreadLimit, Amount{s.Value, s.Count})
		}
	}
	b.padNotes()
}

// padNotes makes notes as long as stacks, if there are any.
func (b *Builder) padNotes() {
	if b.notes != nil {
		b.notes = append(b.notes, make([][]Loss, len(b.stacks)-len(b.notes))...)
	}
}
