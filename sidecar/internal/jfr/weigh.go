package jfr

import "math/bits"

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
//   - alloc: one sample stands for tlabSize bytes, which with the sampling of
//     JDK 11 and later is the larger of object and interval, or for the object
//     if it was allocated outside of a TLAB. The JDK's sample has its weight;
//     where its recorder wrote both kinds only the first is counted.
//   - lock: the profiler adds up waits and emits an event each time that the
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
