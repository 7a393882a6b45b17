package jfr

import (
	"bytes"
	"fmt"

	"github.com/podflame/podflame/backend/profile"
)

// chunkReader reads the events of one chunk into tallies.
type chunkReader struct {
	header  header
	schema  *schema
	prelude prelude
	session *session
	pools   *pools
	options *Options
	state   *state
	// The tally of each type, or nil if the type is not asked for.
	cpu, wall, alloc, lock, live, nativeMem, nativeLock *tally
	// damaged are the bytes of events that could not be read.
	damaged int64

	takes      answer
	tickless   bool // a tick that is not known may be longer than the interval
	onlyWall   bool // execution samples are of elapsed time
	cpuSample  sum  // what an execution sample stands for
	wallSample sum  // what a sample of elapsed time stands for that says no span
	locks      lockClock
	natives    lockClock // of native locks
	heap       heapSampler
	locked     map[uint64]bool // by class: whether threads that park on it wait for a lock
	threads    *threads
}

// prepare works out what an event stands for, once for the chunk.
func (r *chunkReader) prepare() {
	s, raw := r.session, r.options.Raw
	r.locks, r.heap = newLockClock(int64(s.LockThreshold), r.header.ticksPerSecond), s.heapSampler()
	r.natives = newLockClock(int64(s.NativeThreshold), r.header.ticksPerSecond)
	r.locked = map[uint64]bool{}
	r.tickless, r.onlyWall = s.ticksUnknown(), s.onlyWall()
	interval, reason := s.cpuWeight()
	if s.event.Name != "" {
		interval, reason = s.event.Weight, ""
		if interval == 0 {
			reason = profile.IntervalUnknown
		}
	}
	r.cpuSample = sampleOf(interval, raw)
	r.wallSample = sampleOf(int64(s.WallInterval), raw)
	if r.cpu != nil {
		r.cpu.unvalued = reason
	}
	for _, t := range []*tally{r.wall, r.lock, r.live, r.nativeMem, r.nativeLock} {
		if t != nil {
			t.unvalued = profile.IntervalUnknown
		}
	}
}

// sampleOf is one sample that stands for value, which is not known if it is 0.
func sampleOf(value int64, raw bool) sum {
	switch {
	case raw:
		return sum{value: 1, raw: 1, count: 1}
	case value == 0:
		return sum{raw: 1, count: 1, unvalued: 1}
	}
	return sum{value: value, raw: 1, count: 1}
}

func (s sum) times(n int64) sum {
	return sum{s.value * n, s.ticks * n, s.raw * n, s.count * n, s.unvalued * n}
}

// read walks all events of the chunk. An event that cannot be decoded costs
// itself; where the next one begins is known from its size. If a size is wrong
// the rest of the chunk cannot be read.
func (r *chunkReader) read(buf []byte) {
	var v values
	end := walk(buf, func(id uint64, data []byte, size int) {
		e := r.schema.event(id)
		if e == nil {
			return
		}
		if e.read == nil {
			if !e.known {
				r.state.unread[e.name]++
			}
			return
		}
		v.number = [maxSlots + 1]uint64{}
		c := cursor{buf: data}
		e.layout.read(&c, &v)
		if c.bad || e.read(r, &v) != nil {
			r.damaged += int64(size)
		}
	})
	if end < len(buf) {
		r.damaged += r.restOfEvents(int64(end), int64(len(buf)))
	}
}

// restOfEvents is the number of bytes from at to where the constant pools or
// the chunk end.
func (r *chunkReader) restOfEvents(at, end int64) int64 {
	if at < r.header.pools {
		return r.header.pools - at
	}
	return end - at
}

// Events that are not made a sample of, and why.
const (
	besideCPUTime = executionSample + " (beside " + cpuTimeSample + ")"
	besideTLAB    = allocSample + " (beside TLAB events)"
	noLock        = threadPark + " (no lock)"
)

// leaveOut counts an event that is not made a sample of.
func (r *chunkReader) leaveOut(event string) error {
	r.state.unread[event]++
	return nil
}

// executionSample is a sample of CPU time or, with nobatch and in old versions, of
// elapsed time. Where a session has both, async-profiler tells them apart by the
// state of the thread; the JDK knows only running ones.
func (r *chunkReader) executionSample(v *values) error {
	if r.onlyWall || !r.pools.isCPUState(v.number[2]) {
		return r.add(r.wall, v, 0, r.wallSample)
	}
	if r.prelude.cpu {
		return r.leaveOut(besideCPUTime)
	}
	if r.takes == notAsked {
		r.takes = r.state.takes(r.session.event, r.options.AnyEvent)
	}
	if r.takes == refused {
		if r.cpu != nil {
			r.cpu.lose(profile.Dropped, profile.EventNotCPU, profile.Amount{Count: 1})
		}
		return nil
	}
	if r.tickless {
		r.state.spacing.note(v.number[1], int64(v.number[3]), r.header.ticksPerSecond)
		r.state.ticking = r.session.CPUInterval
	}
	return r.add(r.cpu, v, 0, r.cpuSample)
}

// answer is that to the question whether execution samples of a chunk go into
// the set of CPU.
type answer uint8

const (
	notAsked answer = iota
	taken
	refused
)

// takes says whether samples of an event go into the set of CPU, which counts one
// thing only.
func (s *state) takes(e Event, anyEvent bool) answer {
	if e.Name != "" && !anyEvent || s.entered && e.Name != s.event.Name {
		return refused
	}
	s.entered, s.event = true, e
	return taken
}

// cpuTimeSample is one of the JDK's sampler (JEP 509), which says its period.
func (r *chunkReader) cpuTimeSample(v *values) error {
	period := v.number[2]
	if period == 0 || period > uint64(r.locks.longest) {
		return fmt.Errorf("sampling period of %d ticks", period)
	}
	w := sum{ticks: int64(period), raw: 1, count: 1}
	if r.options.Raw {
		w = sum{value: 1, raw: 1, count: 1}
	}
	return r.add(r.cpu, v, 0, w)
}

// cpuTimeSamplesLost tells samples for which the JDK had no room. Their period is
// not said.
func (r *chunkReader) cpuTimeSamplesLost(v *values) error {
	if v.number[0] > maxEventValue {
		return fmt.Errorf("%d lost samples", v.number[0])
	}
	if r.cpu != nil {
		r.cpu.lose(profile.Dropped, profile.ProfilerSkipped, profile.Amount{Count: int64(v.number[0])})
	}
	return nil
}

func (r *chunkReader) wallClockSample(v *values) error {
	n, span := int64(max(v.number[2], 1)), v.number[3]
	if n < 1 || n > maxBatch || span > uint64(r.locks.longest) {
		return fmt.Errorf("%d samples over %d ticks", n, span)
	}
	w := r.wallSample.times(n)
	if n > 1 && span > 0 && !r.options.Raw {
		w = sum{ticks: wallTicks(int64(span), n), raw: n, count: n}
	}
	return r.add(r.wall, v, 0, w)
}

// maxBatch is more than the samples of one event: async-profiler batches 1000.
const maxBatch = 1 << 14

// allocInTLAB is an object that the JVM's heap sampler took or, in old versions and
// in the JDK's recordings, one that needed a new TLAB, for which it stands.
func (r *chunkReader) allocInTLAB(v *values) error {
	size := v.number[4]
	if v.number[3] == 0 {
		v.number[3] = size
	}
	tlab := v.number[3]
	if r.options.Raw || tlab > maxEventValue || !r.heap.took(int64(size), int64(tlab)) {
		return r.allocation(v)
	}
	r.state.allocations++
	if r.heap.shifts(int64(size)) {
		r.state.shifting++
	}
	w := sum{value: r.heap.weigh(int64(size)), raw: int64(tlab), count: 1}
	return r.add(r.alloc, v, v.number[2], w)
}

// liveObject is a sampled object that is there when the session ends. It counts if a
// collection has left it alive: before the first one every object is there.
func (r *chunkReader) liveObject(v *values) error {
	size := v.number[3]
	if size == 0 || size > maxEventValue {
		return fmt.Errorf("live object of %d bytes", size)
	}
	w := sum{raw: int64(size), count: 1}
	switch {
	case r.options.Raw:
		w.value = int64(size)
		return r.add(r.live, v, v.number[2], w)
	case r.heap.interval == 0:
		w.unvalued = 1
	default:
		w.value = r.heap.weigh(int64(size))
	}
	if !r.state.collections.passed(v.number[4]) {
		r.state.undecided = r.state.undecided.Add(profile.Amount{Value: w.value, Count: 1})
		return nil
	}
	return r.add(r.live, v, v.number[2], w)
}

func (r *chunkReader) allocSampled(v *values) error {
	if r.prelude.tlab {
		return r.leaveOut(besideTLAB)
	}
	return r.allocation(v)
}

// allocation is one that stands for itself: of an object, of a TLAB or of what was
// allocated since the last sample.
func (r *chunkReader) allocation(v *values) error {
	size := v.number[3]
	if size > maxEventValue {
		return fmt.Errorf("allocation of %d bytes", size)
	}
	return r.add(r.alloc, v, v.number[2], sum{value: int64(size), raw: int64(size), count: 1})
}

// threadPark is a wait for a lock only if the thread waits for one: threads that
// have nothing to do park as well.
func (r *chunkReader) threadPark(v *values) error {
	class := v.number[2]
	isLock, known := r.locked[class]
	if !known {
		isLock = isLockClass(r.pools.className(class))
		r.locked[class] = isLock
	}
	if !isLock {
		return r.leaveOut(noLock)
	}
	return r.contention(v)
}

// isLockClass reports whether a thread that parks on an object of the class
// waits for a lock: those whose waits async-profiler records (lockTracer.cpp)
// and StampedLock. Others are queues, timers, futures and latches.
func isLockClass(name []byte) bool {
	name = bytes.ReplaceAll(bytes.TrimPrefix(name, []byte("L")), []byte("."), []byte("/"))
	for _, lock := range []string{"java/util/concurrent/locks/Reentrant", "java/util/concurrent/locks/StampedLock", "java/util/concurrent/Semaphore"} {
		if bytes.HasPrefix(name, []byte(lock)) {
			return true
		}
	}
	return false
}

func (r *chunkReader) contention(v *values) error {
	return r.wait(r.lock, r.locks, v, v.number[2], v.number[3])
}

func (r *chunkReader) nativeContention(v *values) error {
	return r.wait(r.nativeLock, r.natives, v, 0, v.number[2])
}

// malloc is an allocation of native memory by which the sum of them has passed a
// multiple of the interval, or each one. An allocation of size s is taken with the
// probability s/interval, or for sure.
func (r *chunkReader) malloc(v *values) error {
	size := v.number[2]
	if size > maxEventValue {
		return fmt.Errorf("allocation of %d bytes of native memory", size)
	}
	w := sum{value: int64(size), raw: int64(size), count: 1}
	switch {
	case r.options.Raw:
	case !r.session.known:
		w = sum{raw: w.raw, count: 1, unvalued: 1}
	default:
		w.value = max(w.value, r.session.NativeInterval)
	}
	return r.add(r.nativeMem, v, 0, w)
}

// wait enters a wait for a lock of some kind.
func (r *chunkReader) wait(to *tally, clock lockClock, v *values, class, ticks uint64) error {
	if ticks > uint64(clock.longest) {
		return fmt.Errorf("wait of %d ticks at %d ticks per second", ticks, r.header.ticksPerSecond)
	}
	w := clock.weigh(int64(ticks))
	switch {
	case r.options.Raw:
		w = sum{ticks: w.raw, raw: w.raw, count: 1}
	case !r.session.known: // how long a wait below the threshold stands for is not known
		w = sum{raw: w.raw, count: 1, unvalued: 1}
	}
	return r.add(to, v, class, w)
}

// add enters an event of a type, the stack and thread of which are the first of its
// values.
func (r *chunkReader) add(to *tally, v *values, class uint64, w sum) error {
	if to == nil {
		return nil
	}
	beyond := r.options.MaxEvents > 0 && r.state.events >= r.options.MaxEvents
	if !to.add(cellKey{v.number[0], class, r.threads.group(v.number[1])}, &w, beyond) {
		return fmt.Errorf("a sum exceeds %d", int64(maxTotal))
	}
	r.state.events++
	return nil
}
