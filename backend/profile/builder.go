package profile

import (
	"cmp"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// Limits bound the stack set that a Builder makes. Zero means no limit.
type Limits struct {
	MaxStacks    int // distinct stacks; the heaviest are kept
	MaxDepth     int // frames of a stack; the frames nearest the leaf are kept
	MaxNameBytes int // bytes of a function's name
	MaxFunctions int // distinct functions
}

// DefaultLimits are those of a window.
func DefaultLimits() Limits {
	return Limits{MaxStacks: 20_000, MaxDepth: 512, MaxNameBytes: 1 << 10, MaxFunctions: 200_000}
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
	byHash    map[uint64]int32 // first stack of a chain
	next      []int32          // next stack of the same hash, or -1
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

// Add enters samples taken in a stack (root first, indexes from Function). It
// does not keep frames.
func (b *Builder) Add(frames []uint32, a Amount) {
	b.coverage.Captured = b.coverage.Captured.Add(a)
	b.noteShortened(frames, a)
	frames = b.limitDepth(frames, a)
	hash := xxhash.Sum64(bytesOf(frames))
	first, ok := b.byHash[hash]
	if !ok {
		first = -1
	}
	for i := first; i >= 0; i = b.next[i] {
		if s := &b.stacks[i]; slices.Equal(s.Frames, frames) {
			s.Value += a.Value
			s.Count += a.Count
			return
		}
	}
	if b.limits.MaxStacks > 0 && len(b.stacks) >= pendingFactor*b.limits.MaxStacks {
		b.coverage.AddLoss(Truncated, StackLimit, a)
		return
	}
	b.byHash[hash] = int32(len(b.stacks))
	b.next = append(b.next, first)
	b.stacks = append(b.stacks, Stack{Frames: b.keep(frames), Value: a.Value, Count: a.Count})
}

func (b *Builder) limitDepth(frames []uint32, a Amount) []uint32 {
	limit := b.limits.MaxDepth
	if limit <= 0 || len(frames) <= limit {
		return frames
	}
	b.coverage.AddLoss(Shortened, DepthLimit, a)
	b.scratch = append(b.scratch[:0], b.cutFrame())
	b.scratch = append(b.scratch, frames[len(frames)-limit+1:]...)
	return b.scratch
}

func (b *Builder) noteShortened(frames []uint32, a Amount) {
	for _, f := range frames {
		if reason := b.shortened[f]; reason != "" {
			b.coverage.AddLoss(Shortened, reason, a)
			return
		}
	}
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

// Note enters that samples handed to Add are stored with less than their whole
// stack.
func (b *Builder) Note(r Reason, a Amount) { b.coverage.AddLoss(Shortened, r, a) }

// AddRaw adds to the unscaled sum of the recording.
func (b *Builder) AddRaw(v int64) { b.coverage.Raw += v }

// Build returns the canonical stack set and its ledger. The Builder must not be
// used afterwards.
func (b *Builder) Build() (StackSet, Coverage) {
	b.truncate()
	set := StackSet{Type: b.coverage.Type, Functions: b.functions, Stacks: b.stacks}
	set.canonical()
	b.coverage.Stored = set.Total()
	return set, b.coverage
}

// truncate keeps the heaviest stacks.
func (b *Builder) truncate() {
	limit := b.limits.MaxStacks
	if limit <= 0 || len(b.stacks) <= limit {
		return
	}
	slices.SortStableFunc(b.stacks, func(x, y Stack) int {
		return cmp.Or(cmp.Compare(y.Value, x.Value), cmp.Compare(y.Count, x.Count))
	})
	for _, s := range b.stacks[limit:] {
		b.coverage.AddLoss(Truncated, StackLimit, Amount{s.Value, s.Count})
	}
	b.stacks = b.stacks[:limit]
}

func bytesOf(frames []uint32) []byte {
	if len(frames) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&frames[0])), 4*len(frames))
}
