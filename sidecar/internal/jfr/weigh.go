package jfr

import (
	"math/bits"

	"github.com/podflame/podflame/backend/profile"
)

// How an event becomes an amount:
//
//   - cpu: one sample stands for one interval of CPU time; the event has no
//     weight of its own.
//   - wall: an event stands for a number of samples, each of one interval.
//   - alloc: one sample stands for tlabSize bytes, which with the sampling of
//     JDK 11 and later is the larger of object and interval, or for the object
//     if it was allocated outside of a TLAB.
//   - lock: the profiler adds up waits and emits an event each time that the
//     sum passes its threshold; the event has the duration of the last wait. So
//     an event stands for at least the threshold, and for about threshold /
//     duration contentions. Without that, short waits are underestimated by far
//     (measured: 3.3 s instead of 10 s at a threshold of 50 ms).
//
// The raw amount of an event is what the recording says: one sample, bytes, ns.

// Amounts of one event and of one type that are not believed, so that sums stay
// far from overflow and within what a window may hold.
const (
	maxEventValue = 1 << 50 // 13 days, or a pebibyte
	maxTotal      = 1 << 52
)

// weight is an event's amount and raw amount.
type weight struct {
	amount profile.Amount
	raw    int64
}

// shortestWait bounds how many contentions an event may stand for.
const shortestWait = 1_000 // ns

func lockWeight(duration, threshold int64) weight {
	w := weight{profile.Amount{Value: duration, Count: 1}, duration}
	if duration < threshold {
		w.amount.Value = threshold
		wait := max(duration, shortestWait)
		w.amount.Count = max(1, (threshold+wait/2)/wait)
	}
	return w
}

// ticksToNanos converts without overflow; it reports false if the result is not
// believed.
func ticksToNanos(ticks uint64, perSecond int64) (int64, bool) {
	if perSecond <= 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(ticks, 1_000_000_000)
	if hi >= uint64(perSecond) {
		return 0, false
	}
	ns, _ := bits.Div64(hi, lo, uint64(perSecond))
	return int64(ns), ns < maxEventValue
}

// unscaled returns the weight that says what the recording says.
func (w weight) unscaled(samples int64) weight {
	return weight{profile.Amount{Value: w.raw, Count: samples}, w.raw}
}
