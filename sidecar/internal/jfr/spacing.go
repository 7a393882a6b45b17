package jfr

import (
	"math"
	"slices"
	"time"
)

// kernelTicks are the ticks that kernels have: CONFIG_HZ is 1000, 300, 250 or
// 100.
func kernelTicks() []time.Duration {
	return []time.Duration{time.Millisecond, time.Second / 300, 4 * time.Millisecond, 10 * time.Millisecond}
}

// spacing collects the time between samples of a thread, which shows the tick of
// the kernel that took them: that of another machine can be seen nowhere else.
type spacing struct {
	last   map[uint64]int64 // by thread of the chunk: ticks of the clock at its last sample
	deltas []float64        // ns
}

const (
	maxSpacings  = 1 << 16
	maxThreads   = 1 << 16
	longestDelta = float64(64 * time.Millisecond) // of a thread that ran all the time
)

// note enters a sample. Samples of a thread are in the order of time but for a
// few.
func (s *spacing) note(thread uint64, at, perSecond int64) {
	if s.last == nil {
		s.last = map[uint64]int64{}
	}
	before, ok := s.last[thread]
	if !ok && len(s.last) >= maxThreads {
		return
	}
	s.last[thread] = at
	if delta := float64(ticksToNanos(at-before, perSecond)); ok && delta > 0 && delta < longestDelta && len(s.deltas) < maxSpacings {
		s.deltas = append(s.deltas, delta)
	}
}

// tick returns the tick that the samples show, or 0 if they show none. Samples
// that come at ticks are multiples of a tick apart. A multiple of a tick is one
// of any divisor of it, too: so of the ticks that fit about as well as any the
// longest counts, if few samples are closer together; virtual machines make up
// for missed ticks. Where no tick is to be seen, one that is no longer than the
// interval is as good as any: so most samples must be closer together than each
// longer one.
func (s *spacing) tick(interval time.Duration) time.Duration {
	if len(s.deltas) < minSpacings {
		return 0
	}
	ticks := kernelTicks()
	best := minCoherence
	for _, tick := range ticks {
		if s.closer(tick) <= maxCloser {
			best = max(best, s.coherence(tick))
		}
	}
	for _, tick := range slices.Backward(ticks) {
		if c := s.coherence(tick); c >= asGood*best && s.closer(tick) <= maxCloser && c*math.Sqrt(2*float64(len(s.deltas))) >= minSignificance {
			return tick
		}
	}
	return s.noLongerThan(interval)
}

const (
	minSpacings     = 20
	minCoherence    = 0.25
	asGood          = 0.8
	minSignificance = 4.0  // standard deviations above chance
	maxCloser       = 0.25 // share of samples that are closer together than their tick
	mostlyCloser    = 0.5  // share of them that rules a tick out
)

// noLongerThan returns the longest tick that is no longer than the interval, if
// the samples rule all others out.
func (s *spacing) noLongerThan(interval time.Duration) time.Duration {
	longest := time.Duration(0)
	for _, tick := range kernelTicks() {
		switch {
		case tick <= interval:
			longest = tick
		case s.closer(tick) < mostlyCloser:
			return 0
		}
	}
	return longest
}

// coherence says how well the samples are multiples of a tick apart: 1 if they
// are, 0 if they have nothing to do with it.
func (s *spacing) coherence(tick time.Duration) float64 {
	var sum float64
	for _, d := range s.deltas {
		sum += math.Cos(2 * math.Pi * d / float64(tick))
	}
	return sum / float64(len(s.deltas))
}

// closer is the share of samples that are closer together than a tick.
func (s *spacing) closer(tick time.Duration) float64 {
	n := 0
	for _, d := range s.deltas {
		if d < 0.8*float64(tick) {
			n++
		}
	}
	return float64(n) / float64(len(s.deltas))
}
