package jfr

import (
	"math"
	"math/bits"
)

// How an event becomes an amount:
//
//   - cpu: one sample stands for one interval of CPU time, or for one tick of
//     the kernel, if that is longer and the engine fires at ticks; the event of
//     async-profiler has no weight of its own, that of the JDK's CPU-time
//     sampler has. Where the interval or the tick is not known the value is not.
//   - wall: a batch of n samples carries the time from the first to the last of
//     them, which is n-1 times the time between two; the samples stand for n
//     times that. On a machine without a CPU to spare that is longer than the
//     interval. A single sample stands for one interval.
//   - alloc: the JVM's heap sampler (JDK 11 and later) takes each byte with the
//     same small probability, and with it the object that it is of. So an object
//     of size s is taken with p = 1 - e^(-s/interval), and stands for s/p. What
//     the event says, the larger of both, is right for objects much smaller or
//     larger: at the interval it is 0.63 of the truth. The other ways to sample:
//     one stands for tlabSize bytes, or for the object if it was allocated outside
//     of a TLAB. The JDK's sample has its weight; where its recorder wrote both
//     kinds only the first is counted.
//   - live: a sampled object stands for as much as it did when it was allocated.
//   - nativemem: the profiler adds up allocations and takes the one by which the sum
//     passes a multiple of the interval: it stands for that, or for more by itself.
//   - lock, nativelock: the profiler adds up waits and emits an event each time that the
//     sum passes its threshold; the event has the duration of the last wait. So
//     an event stands for at least the threshold, and for about threshold /
//     duration contentions. Without that, short waits are underestimated by far
//     (measured: 3.3 s instead of 10 s at a threshold of 50 ms). The threshold of
//     the JDK's recorder leaves shorter waits out and says nothing about others.
//
// The raw amount of an event is what the recording says: one sample, bytes, the
// duration of the wait.

// Amounts of one event and of one type that are not believed, so that sums stay
// far from overflow and within what a window may hold.
const (
	maxEventValue = 1 << 50 // 13 days, or a pebibyte
	maxTotal      = 1 << 52
)

// shortestWait bounds how many contentions an event may stand for.
const shortestWait = 1_000 // ns

// lockClock converts the numbers by which waits are weighed into ticks.
type lockClock struct{ threshold, shortest, longest int64 }

func newLockClock(thresholdNanos, perSecond int64) lockClock {
	return lockClock{
		threshold: nanosToTicks(thresholdNanos, perSecond),
		shortest:  max(1, nanosToTicks(shortestWait, perSecond)),
		longest:   nanosToTicks(maxEventValue, perSecond),
	}
}

// weigh returns what a wait of that many ticks stands for.
func (c lockClock) weigh(ticks int64) sum {
	w := sum{ticks: ticks, raw: ticks, count: 1}
	if ticks < c.threshold {
		w.ticks = c.threshold
		wait := max(ticks, c.shortest)
		w.count = max(1, (c.threshold+wait/2)/wait)
	}
	return w
}

// heapSampler is JVMTI's sampler of allocations (threadHeapSampler.cpp): after each
// sample it draws how many bytes it lets pass before the next, which are
// exponentially distributed.
type heapSampler struct {
	interval int64 // 0: the events are not of this sampler, or not known to be
	// resumes: the draw counts from the sampled byte, not from the end of its
	// object, unless the next byte would be of the same object: then it counts from
	// the end after all. So what a thread allocates after a large object is taken
	// too often.
	resumes bool
	// forgets: an object that does not fit into its thread's TLAB is looked at as if
	// the TLAB had not been used since the last sample, and that is made good later,
	// twice over (JDK-8356372). So objects that do not fit into TLABs are taken too
	// seldom, and little ones that do too often.
	forgets bool
}

// The first versions of Java whose sampler does not do so: 11 resumes, 17 does not;
// 21 forgets, 25 does not.
const (
	resetsSince    = 16
	remembersSince = 25
)

// took says whether the sampler took the object: async-profiler then writes the
// larger of size and interval in the place of a TLAB's size.
func (h heapSampler) took(size, tlab int64) bool {
	return h.interval > 0 && size > 0 && tlab == max(size, h.interval)
}

// weigh is what a sampled object stands for, in bytes. Of a sampler that resumes, an
// object is taken with the probability p/(p+(1-p)^2) if it follows others like it.
// Otherwise some of the excess goes to what follows it: the sum stays right.
func (h heapSampler) weigh(size int64) int64 {
	passed := math.Exp(-float64(size) / float64(h.interval))
	p := -math.Expm1(-float64(size) / float64(h.interval))
	if h.resumes {
		p /= p + passed*passed
	}
	return int64(math.Round(float64(size) / p))
}

// shifts says whether an object of the size makes shares estimates, its own and
// those of others of its thread. Little objects alone do not: measured with objects
// of two sizes, 3 to 1, shares are within 2 % up to interval/29, 8 % off at
// interval/17.
func (h heapSampler) shifts(size int64) bool {
	return (h.resumes || h.forgets) && size >= h.interval/32
}

// wallTicks is the time that n samples stand for which were taken over a span.
func wallTicks(span, n int64) int64 { return span + span/(n-1) }

// ticksToNanos converts without overflow. What is not believed converts to the
// most that is.
func ticksToNanos(ticks, perSecond int64) int64 {
	return scale(ticks, 1_000_000_000, perSecond)
}

func nanosToTicks(nanos, perSecond int64) int64 {
	return scale(nanos, perSecond, 1_000_000_000)
}

// scale returns v * mul / div, at most maxTotal.
func scale(v, mul, div int64) int64 {
	if v <= 0 || mul <= 0 || div <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(v), uint64(mul))
	if hi >= uint64(div) {
		return maxTotal
	}
	out, _ := bits.Div64(hi, lo, uint64(div))
	return int64(min(out, maxTotal))
}
