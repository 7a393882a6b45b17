package profile

import (
	"cmp"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// Limits bound the stack set that a Builder makes. Zero means no limit, for sets
// that are bounded already, as those that Merge adds up; who makes a set of what a
// JVM recorded refuses zero.
type Limits struct {
	MaxStacks    int // distinct stacks; the heaviest are kept
	MaxDepth     int // frames of a stack; the frames nearest the leaf are kept
	MaxNameBytes int // bytes of a function's name
	MaxFunctions int // distinct functions
	MaxThreads   int // thread groups; the heaviest are kept, the others are OtherThreads
}

// DefaultLimits are those of a window.
func DefaultLimits() Limits {
	return Limits{MaxStacks: 20_000, MaxDepth: 512, MaxNameBytes: 1 << 10, MaxFunctions: 200_000, MaxThreads: 64}
}

// pendingFactor bounds how many more stacks a Builder holds than it keeps, so
// that memory is bounded although the heaviest are known only at the end.
const pendingFactor = 4

// CutFrames is the name of the frame, of kind Omitted, that stands for frames
// or functions cut by a limit.
const CutFrames = "(cut)"

// Builder makes the stack set and the ledger of one type from samples. Every
// amount handed to it is either in the stack set that Build returns or in the
// ledger's losses. It is not safe for concurrent use.
type Builder struct {
	limits    Limits
	coverage  Coverage
	functions []Function
	shortened []Reason // by function: why it is not whole, or empty
	index     map[Function]uint32
	stacks    []Stack
	full      bool             // there were too many stacks to tell threads apart,
	untold    string           // and this is the group of all
	byHash    map[uint64]int32 // first stack of a chain
	next      []int32          // next stack of the same hash, or -1
	notes     [][]Loss         // by stack, shorter than stacks if the last have none
	last      int              // stack that Add entered last, or -1
	arena     []uint32
	cut       uint32 // index of CutFrames; valid if hasCut
	hasCut    bool
	scratch   []uint32
}

// NewBuilder returns an empty Builder.
func NewBuilder(t Type, limits Limits) *Builder {
	return &Builder{
		limits:   limits,
		coverage: Coverage{Type: t},
		index:    map[Function]uint32{},
		byHash:   map[uint64]int32{},
		last:     -1,
	}
}

// Function returns the index of a function for use in Add. The name must be
// normalised; it is copied if it is new.
func (b *Builder) Function(name string, kind Kind) uint32 {
	short := b.shorten(name)
	if i, ok := b.index[Function{short, kind}]; ok {
		return i
	}
	if b.limits.MaxFunctions > 0 && len(b.functions) >= b.limits.MaxFunctions {
		return b.cutFrame()
	}
	f := Function{Name: string([]byte(short)), Kind: kind}
	if len(short) != len(name) {
		return b.intern(f, NameLimit)
	}
	return b.intern(f, "")
}

func (b *Builder) intern(f Function, shortened Reason) uint32 {
	i := uint32(len(b.functions))
	b.functions = append(b.functions, f)
	b.shortened = append(b.shortened, shortened)
	b.index[f] = i
	return i
}

func (b *Builder) shorten(name string) string {
	limit := b.limits.MaxNameBytes
	if limit <= 0 || len(name) <= limit {
		return name
	}
	for limit > 0 && !utf8.RuneStart(name[limit]) {
		limit--
	}
	return name[:limit]
}

func (b *Builder) cutFrame() uint32 {
	if !b.hasCut {
		b.cut, b.hasCut = b.intern(Function{CutFrames, Omitted}, FunctionLimit), true
	}
	return b.cut
}

// Add enters samples taken in a stack (root first, indexes from Function), by
// threads that are not known. It does not keep frames.
func (b *Builder) Add(frames []uint32, a Amount) { b.AddIn("", frames, a) }

// AddIn is Add for samples of a thread group.
func (b *Builder) AddIn(thread string, frames []uint32, a Amount) {
	b.coverage.Captured = b.coverage.Captured.Add(a)
	short := b.shortenedBy(frames)
	frames, deep := b.limitDepth(frames)
	b.last = b.stack(frames, thread)
	if b.last < 0 {
		b.coverage.AddLoss(Truncated, StackLimit, a)
		return
	}
	s := &b.stacks[b.last]
	s.Value, s.Count = add(s.Value, a.Value), add(s.Count, a.Count)
	if short != "" {
		b.Note(Shortened, short, a)
	}
	if deep {
		b.Note(Shortened, DepthLimit, a)
	}
}

// stack returns the index of a stack, or -1 if it is new and there are too many,
// even without telling threads apart.
func (b *Builder) stack(frames []uint32, thread string) int {
	if b.full {
		thread = b.untold
	}
	if i := b.find(frames, thread); i >= 0 {
		return i
	}
	if b.limits.MaxStacks > 0 && len(b.stacks) >= pendingFactor*b.limits.MaxStacks {
		if b.full {
			return -1
		}
		if b.full = true; b.foldThreads(0) {
			b.untold = OtherThreads
		}
		return b.stack(frames, thread)
	}
	b.enter(Stack{Frames: b.keep(frames), Thread: thread})
	return len(b.stacks) - 1
}

func (b *Builder) find(frames []uint32, thread string) int {
	first, ok := b.byHash[hashOf(frames, thread)]
	if !ok {
		return -1
	}
	for i := first; i >= 0; i = b.next[i] {
		if b.stacks[i].Thread == thread && slices.Equal(b.stacks[i].Frames, frames) {
			return int(i)
		}
	}
	return -1
}

// enter appends a stack that is not there.
func (b *Builder) enter(s Stack) {
	hash := hashOf(s.Frames, s.Thread)
	first, ok := b.byHash[hash]
	if !ok {
		first = -1
	}
	b.byHash[hash] = int32(len(b.stacks))
	b.next = append(b.next, first)
	b.stacks = append(b.stacks, s)
}

func hashOf(frames []uint32, thread string) uint64 {
	hash := xxhash.Sum64(bytesOf(frames))
	if thread != "" {
		hash ^= xxhash.Sum64String(thread)
	}
	return hash
}

func (b *Builder) limitDepth(frames []uint32) (limited []uint32, deep bool) {
	limit := b.limits.MaxDepth
	if limit <= 0 || len(frames) <= limit {
		return frames, false
	}
	b.scratch = append(b.scratch[:0], b.cutFrame())
	b.scratch = append(b.scratch, frames[len(frames)-limit+1:]...)
	return b.scratch, true
}

func (b *Builder) shortenedBy(frames []uint32) Reason {
	for _, f := range frames {
		if reason := b.shortened[f]; reason != "" {
			return reason
		}
	}
	return ""
}

// keep copies frames into an arena of large blocks.
func (b *Builder) keep(frames []uint32) []uint32 {
	if b.arena == nil || cap(b.arena)-len(b.arena) < len(frames) {
		b.arena = make([]uint32, 0, max(1<<14, len(frames)))
	}
	start := len(b.arena)
	b.arena = append(b.arena, frames...)
	return b.arena[start:len(b.arena):len(b.arena)]
}

// Lose enters samples that were captured and cannot be stored.
func (b *Builder) Lose(o Outcome, r Reason, a Amount) {
	b.coverage.Captured = b.coverage.Captured.Add(a)
	b.coverage.AddLoss(o, r, a)
}

// Note enters what is to be known of samples that were handed to the last Add: it
// goes with them if a limit takes their stack.
func (b *Builder) Note(o Outcome, r Reason, a Amount) {
	if b.last < 0 {
		return
	}
	if missing := b.last + 1 - len(b.notes); missing > 0 {
		b.notes = append(b.notes, make([][]Loss, missing)...)
	}
	b.notes[b.last] = addLoss(b.notes[b.last], Loss{Outcome: o, Reason: r, Value: a.Value, Count: a.Count})
}

// AddRaw adds to the unscaled sum of the recording.
func (b *Builder) AddRaw(v int64) { b.coverage.Raw = add(b.coverage.Raw, v) }

// Build returns the canonical stack set and its ledger. The Builder must not be
// used afterwards.
func (b *Builder) Build() (StackSet, Coverage) {
	set, coverage, _ := b.BuildNoted()
	return set, coverage
}

// BuildNoted is Build that also returns, by stack, what was noted of its samples;
// nil if nothing was. The ledger has the sums. Who takes a stack out of the set
// takes its notes out of the ledger.
func (b *Builder) BuildNoted() (StackSet, Coverage, [][]Loss) {
	b.padNotes()
	b.limitThreads()
	b.truncate()
	b.noteOther()
	set := StackSet{Type: b.coverage.Type, Functions: b.functions, Stacks: b.stacks}
	set.canonical(b.notes)
	for _, of := range b.notes {
		b.coverage.Losses = AddLosses(b.coverage.Losses, of...)
	}
	b.coverage.Stored = set.Total()
	return set, b.coverage, b.notes
}

// truncate keeps the heaviest stacks.
func (b *Builder) truncate() {
	limit := b.limits.MaxStacks
	if limit <= 0 || len(b.stacks) <= limit {
		return
	}
	heavier := func(x, y Stack) int { return cmp.Or(cmp.Compare(y.Value, x.Value), cmp.Compare(y.Count, x.Count)) }
	sortStacks(b.stacks, b.notes, heavier)
	for _, s := range b.stacks[limit:] {
		b.coverage.AddLoss(Truncated, StackLimit, Amount{s.Value, s.Count})
	}
	b.stacks = b.stacks[:limit]
	if b.notes != nil {
		b.notes = b.notes[:limit]
	}
}

// sortStacks sorts stacks, and what is noted of each, if anything is. Equal
// stacks keep their order.
func sortStacks(stacks []Stack, notes [][]Loss, compare func(a, b Stack) int) {
	if notes == nil {
		slices.SortStableFunc(stacks, compare)
		return
	}
	type noted struct {
		stack Stack
		notes []Loss
	}
	list := make([]noted, len(stacks))
	for i := range stacks {
		list[i] = noted{stacks[i], notes[i]}
	}
	slices.SortStableFunc(list, func(a, b noted) int { return compare(a.stack, b.stack) })
	for i := range list {
		stacks[i], notes[i] = list[i].stack, list[i].notes
	}
}

func bytesOf(frames []uint32) []byte {
	if len(frames) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&frames[0])), 4*len(frames))
}
