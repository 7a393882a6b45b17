package calltree

import "github.com/podflame/podflame/backend/profile"

// Found are lists of sums with where their stacks end in a dictionary.
type Found struct {
	dictionary *Dictionary
	lists      [][]Sum
	ends       [][]end
	missing    int
}

// missing is the node of a stack that the dictionary lacks.
const missing = -1

// Find looks the stacks of the lists up.
func (d *Dictionary) Find(lists ...[]Sum) *Found {
	f := &Found{dictionary: d, lists: lists, ends: make([][]end, len(lists))}
	for i, sums := range lists {
		f.ends[i] = make([]end, len(sums))
		for j := range f.ends[i] {
			f.ends[i][j].node = missing
		}
	}
	f.Again()
	return f
}

// Again looks those stacks up that the dictionary lacked.
func (f *Found) Again() {
	f.dictionary.mu.RLock()
	defer f.dictionary.mu.RUnlock()
	f.missing = 0
	for i, sums := range f.lists {
		for j, at := range f.ends[i] {
			if at.node != missing {
				continue
			}
			if at, ok := f.dictionary.stacks[sums[j].Stack]; ok {
				f.ends[i][j] = at
			} else {
				f.missing++
			}
		}
	}
}

// Missing returns the ids of the stacks that the dictionary lacks; one may come
// once for each list.
func (f *Found) Missing() []uint64 {
	out := make([]uint64, 0, f.missing)
	for i, sums := range f.lists {
		for j, at := range f.ends[i] {
			if at.node == missing {
				out = append(out, sums[j].Stack)
			}
		}
	}
	return out
}

// Crowded says whether the stacks of others keep those of the lists from their
// room: more than a twentieth of what a list holds is in stacks that are cut or
// missing, and the lists have less than half of the stacks that are held. A new
// dictionary would serve the lists better.
func (f *Found) Crowded() bool {
	f.dictionary.mu.RLock()
	short, stacks := f.dictionary.short, len(f.dictionary.stacks)
	f.dictionary.mu.RUnlock()
	if !short { // what is missing is not in the store
		return false
	}
	held, crowded := 0, false
	for i, sums := range f.lists {
		var whole, without profile.Amount
		for j, at := range f.ends[i] {
			if at.node != missing {
				held++
			}
			whole = whole.Add(sums[j].Amount)
			if at.node == missing || at.cut {
				without = without.Add(sums[j].Amount)
			}
		}
		crowded = crowded || without.Value > whole.Value/20
	}
	return crowded && 2*held < stacks
}

// Tree returns the part of the dictionary that the sums touch, with a side for
// each list, and what the sums hold in stacks that the dictionary lacks or has cut.
func (d *Dictionary) Tree(sides ...[]Sum) (*Tree, []Lacking) { return d.Find(sides...).Tree() }

// Lacking is what a list of sums holds in stacks that a dictionary lacks.
type Lacking struct {
	Stacks int
	profile.Amount
	Cut profile.Amount // of stacks that it has without frames that had no room
}

// TreeOf is Tree of one of the lists alone.
func (f *Found) TreeOf(list int) (*Tree, Lacking) {
	one := Found{dictionary: f.dictionary, lists: f.lists[list : list+1], ends: f.ends[list : list+1]}
	t, lacking := one.Tree()
	return t, lacking[0]
}

// What a sum takes with where its stack ends, and what a run of a tree takes until it is
// pruned, and for each side.
const (
	sumBytes     = 24 + 8
	answerRun    = runBytes + 4 + 8 + 4 + 16 + 4
	amountBytes  = 16
	sharedOfNode = 4
)

// Memory is about what a tree of what was found takes until it is pruned, with what it
// keeps of the dictionary; and how many nodes it has at most.
func (f *Found) Memory() (bytes int64, nodes int) {
	d := f.dictionary
	d.mu.RLock()
	defer d.mu.RUnlock()
	nodes, runs := len(d.tree.parent), int64(d.tree.runs())
	for _, sums := range f.lists {
		bytes += sumBytes*int64(len(sums)) + amountBytes*runs
	}
	return bytes + answerRun*runs + sharedOfNode*int64(nodes) + d.bytesOfNames, nodes
}

// Tree is Dictionary.Tree of what was found.
func (f *Found) Tree() (*Tree, []Lacking) {
	s := f.dictionary.current()
	lacking, marks := make([]Lacking, len(f.lists)), make([]int32, len(s.up))
	for i, sums := range f.lists {
		for j, at := range f.ends[i] {
			if at.node == missing {
				lacking[i].Stacks++
				lacking[i].Amount = lacking[i].Add(sums[j].Amount)
				continue
			}
			if at.cut {
				lacking[i].Cut = lacking[i].Cut.Add(sums[j].Amount)
			}
			marks[s.runOf[at.node]] = 1
		}
	}
	t := &Tree{functions: s.functions, runs: s.part(marks), self: make([][]profile.Amount, len(f.lists))}
	for i, sums := range f.lists {
		t.self[i] = make([]profile.Amount, len(t.up))
		for j, at := range f.ends[i] {
			if at.node != missing {
				self := &t.self[i][marks[s.runOf[at.node]]]
				*self = self.Add(sums[j].Amount)
			}
		}
	}
	return t.oneUnknown(), lacking
}
