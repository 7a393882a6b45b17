package jfr

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Options say what to make of a recording.
type Options struct {
	Types []profile.Type `json:"types,omitempty"` // none: all
	// Settings of the recording as far as an earlier Decode learned them: they
	// are in the first chunk only. Its Tick is that of the kernel that ran the
	// JVM; if it is 0 and matters it is inferred from the samples.
	Settings profile.Settings `json:"settings"`
	// OneSession says that all chunks are of the session that Settings are of,
	// whatever lies between them. Otherwise only a chunk that begins where the
	// one before ends continues its session.
	OneSession bool           `json:"oneSession,omitempty"`
	Limits     profile.Limits `json:"limits"`
	// AnyEvent asks for samples of another event than CPU time, too. They are in
	// the set of type CPU, and Result.Event says what they are.
	AnyEvent bool `json:"anyEvent,omitempty"`
	// MaxEvents bounds the samples that are read; further ones are counted as
	// truncated. 0 means no limit.
	MaxEvents int64 `json:"maxEvents,omitempty"`
	// MaxChunkBytes bounds the size of one chunk, which is held in memory. 0
	// means no limit.
	MaxChunkBytes int64 `json:"maxChunkBytes,omitempty"`
	// NoThreads says not to read the names of threads: all are of a group that is
	// not known.
	NoThreads bool `json:"noThreads,omitempty"`
	// Raw asks for what the recording says instead of what it stands for:
	// values are samples, bytes of allocation, and ns of recorded waits; counts
	// are events or, for wall, samples.
	Raw bool `json:"raw,omitempty"`
}

// DefaultMaxEvents bounds the samples of a window.
const DefaultMaxEvents = 5_000_000

// DefaultOptions are those of a window.
func DefaultOptions() Options {
	return Options{Limits: profile.DefaultLimits(), MaxEvents: DefaultMaxEvents}
}

func (o *Options) wants(t profile.Type) bool { return len(o.Types) == 0 || slices.Contains(o.Types, t) }

// Result is what chunks hold.
type Result struct {
	Sets     []profile.StackSet // of each type asked for that has samples
	Coverage []profile.Coverage // of each type asked for
	Losses   []profile.Loss     // bytes that could not be read
	Recorded profile.Span       // from the first chunk that was read to the last
	Settings profile.Settings   // for the next Decode of the same recording
	Event    Event              // what samples of CPU count if it is not CPU time
	Chunks   int                // that were read, at least in part
	Events   int64              // samples that were read or counted
	// Unread counts events with samples of which no type is made, by name and,
	// in parentheses, why.
	Unread map[string]int64
	// Problems say in words why bytes could not be read; the first few.
	Problems []string
	Cost     Cost
	// notes are by stack of a set what the ledger says of its samples.
	notes map[profile.Type][][]profile.Loss
}

// Cost is what the children of a Decode took.
type Cost struct {
	Waited    time.Duration // for the children of other Decodes
	CPU       time.Duration // of all
	PeakBytes int64         // resident, of the largest
	Children  int
}

// maxProblems bounds Result.Problems.
const maxProblems = 8

// AddTo enters the result into a window that has no stack sets yet.
func (r *Result) AddTo(w *profile.Window) {
	w.Sets, w.Coverage = r.Sets, r.Coverage
	w.Losses = profile.AddLosses(w.Losses, r.Losses...)
	w.Recorded, w.Settings = r.Recorded, r.Settings
}

// state is what is carried from chunk to chunk.
type state struct {
	session    session
	end        time.Time // of the last chunk
	event      Event     // of the execution samples that were entered, if any were
	entered    bool
	events     int64
	unread     map[string]int64
	spacing    spacing
	ticking    time.Duration // interval of samples whose tick is not known
	builders   map[profile.Type]*profile.Builder
	normalizer *profile.Normalizer
	// shifting counts allocations that make shares estimates.
	shifting int64
	groups   *groups // nil: threads are not told apart
	// Of live objects: how many allocations may have become one, the collections
	// that they may have survived, and those of which it is not known.
	allocations int64
	collections collections
	undecided   profile.Amount
}

// cellFactor bounds the distinct stacks of one chunk and type, as a multiple
// of the stacks that are kept.
const cellFactor = 16

// decode reads chunks in this process. begin is called before each. If the tick
// of the kernel is missing, and the samples show it, they are read again with it.
func decode(r io.ReaderAt, chunks []Chunk, o *Options, begin func(i int)) Result {
	out, s := decodeOnce(r, chunks, o, begin)
	tick := s.spacing.tick(s.ticking)
	if s.ticking == 0 || tick == 0 {
		return out
	}
	with := *o
	with.Settings.Tick = tick
	out, _ = decodeOnce(r, chunks, &with, begin)
	return out
}

func decodeOnce(r io.ReaderAt, chunks []Chunk, o *Options, begin func(i int)) (Result, *state) {
	s := newState(o)
	var out Result
	buffer := newBuffer(chunks, o)
	defer buffer.free()
	for i, c := range chunks {
		begin(i)
		reason, lost, err := decodeChunk(r, c, o, s, buffer, &out)
		out.lose(reason, lost, err)
		s.end = c.End
	}
	s.finish(&out)
	return out, s
}

func newState(o *Options) *state {
	s := &state{
		unread: map[string]int64{}, builders: map[profile.Type]*profile.Builder{}, normalizer: profile.NewNormalizer(),
		session: session{Settings: o.Settings, known: o.Settings != profile.Settings{Tick: o.Settings.Tick}},
	}
	if !o.NoThreads {
		s.groups = newGroups()
	}
	for _, t := range profile.Types() {
		if o.wants(t) {
			s.builders[t] = profile.NewBuilder(t, o.Limits)
		}
	}
	return s
}

// enter makes the session of a chunk the one that samples are read by.
func (s *state) enter(c Chunk, p prelude, o *Options) {
	switch {
	case p.known:
		s.session = p.said.session(o.Settings.Tick)
	case s.end.IsZero() || o.OneSession || c.Start.Sub(s.end).Abs() < time.Millisecond:
	default:
		s.session = session{Settings: profile.Settings{Tick: o.Settings.Tick}}
	}
}

func (s *state) finish(out *Result) {
	out.notes = map[profile.Type][][]profile.Loss{}
	for _, t := range profile.Types() {
		b := s.builders[t]
		if b == nil {
			continue
		}
		set, coverage, notes := b.BuildNoted()
		if len(set.Stacks) > 0 {
			out.Sets = append(out.Sets, set)
		}
		if notes != nil {
			out.notes[t] = notes
		}
		out.Coverage = append(out.Coverage, coverage)
	}
	out.Settings, out.Event, out.Events, out.Unread = s.session.Settings, s.event, s.events, s.unread
	out.noticeVirtualThreads()
	for _, t := range []profile.Type{profile.Alloc, profile.Live} {
		if c := out.coverageOf(t); c != nil && s.shifting > 0 {
			c.AddLoss(profile.Noticed, profile.AllocSharesEstimated, profile.Amount{Count: s.shifting})
		}
	}
	s.noticeLive(out.coverageOf(profile.Live))
}

// virtualThreadRun is the frame at the bottom of every virtual thread.
const virtualThreadRun = "java.lang.VirtualThread.run"

// noticeVirtualThreads enters into the ledger of locks that virtual threads ran.
// JVMTI, by which the profiler sees waits, does not tell of theirs; the JDK's own
// recorder does.
func (r *Result) noticeVirtualThreads() {
	c := r.coverageOf(profile.Lock)
	if c == nil || r.Settings.Engine == "" {
		return
	}
	var seen int64
	for j := range r.Sets {
		seen += samplesIn(&r.Sets[j], virtualThreadRun)
	}
	if seen > 0 {
		c.AddLoss(profile.Noticed, profile.VirtualThreadLocks, profile.Amount{Count: seen})
	}
}

// coverageOf returns the ledger of a type, or nil.
func (r *Result) coverageOf(t profile.Type) *profile.Coverage {
	for i := range r.Coverage {
		if r.Coverage[i].Type == t {
			return &r.Coverage[i]
		}
	}
	return nil
}

// samplesIn counts the samples of stacks with a Java method of that name.
func samplesIn(set *profile.StackSet, name string) (n int64) {
	f := slices.Index(set.Functions, profile.Function{Name: name, Kind: profile.Java})
	if f < 0 {
		return 0
	}
	for _, s := range set.Stacks {
		if slices.Contains(s.Frames, uint32(f)) {
			n += s.Count
		}
	}
	return n
}

// lose enters bytes that could not be read and, in words, why.
func (r *Result) lose(reason profile.Reason, bytes int64, err error) {
	r.Losses = profile.AddLosses(r.Losses, profile.Loss{Outcome: profile.Dropped, Reason: reason, Bytes: bytes})
	if err != nil && len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, err.Error())
	}
}

// decodeChunk reads one chunk and returns the bytes that it could not read,
// and why.
func decodeChunk(r io.ReaderAt, c Chunk, o *Options, s *state, buffer *buffer, out *Result) (reason profile.Reason, lost int64, err error) {
	if o.MaxChunkBytes > 0 && c.Size > o.MaxChunkBytes {
		return profile.DecodeMemory, c.Size, fmt.Errorf("chunk at byte %d has %d bytes, more than the limit of %d; raise --decode-memory", c.Offset, c.Size, o.MaxChunkBytes)
	}
	buf, err := buffer.read(r, c)
	if errors.Is(err, errNoBuffer) {
		return profile.DecodeMemory, c.Size, err
	}
	if err != nil {
		return profile.RecordingUnreadable, c.Size, err
	}
	damaged, err := readChunk(buffer, buf, c, o, s)
	if err != nil {
		return profile.RecordingUnreadable, c.Size, fmt.Errorf("chunk at byte %d: %w", c.Offset, err)
	}
	if damaged > 0 {
		err = fmt.Errorf("chunk at byte %d: %d bytes of events are damaged", c.Offset, damaged)
	}
	out.Chunks++
	out.Recorded = union(out.Recorded, profile.Span{Start: c.Start, End: c.End})
	return profile.RecordingUnreadable, min(damaged, c.Size), err
}

// readChunk adds the samples of a chunk to the builders. It returns the number
// of bytes that it could not read, or an error if that is all of them.
func readChunk(buffer *buffer, buf []byte, c Chunk, o *Options, s *state) (damaged int64, err error) {
	h, ok := parseHeader(buf)
	if !ok || !h.readable(int64(len(buf))) || !h.compressed {
		return 0, errors.New("header is damaged")
	}
	schema, err := readSchema(buf, h.metadata)
	if err != nil {
		return 0, err
	}
	pools, err := readPools(buf, h.pools, schema)
	if err != nil {
		return 0, err
	}
	prelude := schema.readPrelude(buf, &s.collections)
	s.enter(c, prelude, o)
	reader := &chunkReader{header: h, schema: schema, prelude: prelude, session: &s.session, pools: pools, options: o, state: s, threads: newThreads(pools, s.groups)}
	tallies := reader.openTallies()
	reader.prepare()
	reader.read(buf)
	buffer.release(pools.begin)
	for _, t := range profile.Types() {
		if tally := tallies[t]; tally != nil && (tally.total != sum{} || tally.losses != nil) {
			newResolver(pools, s.builders[t], s, h.ticksPerSecond).drain(tally)
		}
	}
	return reader.damaged, nil
}

func (r *chunkReader) openTallies() map[profile.Type]*tally {
	limit := 1 << 22
	if n := r.options.Limits.MaxStacks; n > 0 {
		limit = min(limit, cellFactor*n)
	}
	tallies := map[profile.Type]*tally{}
	for t := range r.state.builders {
		tallies[t] = newTally(r.pools.stacks.n, limit)
	}
	r.cpu, r.wall = tallies[profile.CPU], tallies[profile.Wall]
	r.alloc, r.lock, r.live = tallies[profile.Alloc], tallies[profile.Lock], tallies[profile.Live]
	r.nativeMem, r.nativeLock = tallies[profile.NativeMem], tallies[profile.NativeLock]
	for _, t := range []*tally{r.lock, r.nativeLock} {
		if t != nil {
			t.ticks = true
		}
	}
	return tallies
}

func union(a, b profile.Span) profile.Span {
	if b.Start.IsZero() {
		return a
	}
	if a.Start.IsZero() || b.Start.Before(a.Start) {
		a.Start = b.Start
	}
	if b.End.After(a.End) {
		a.End = b.End
	}
	return a
}
