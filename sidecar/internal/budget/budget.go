// Package budget decides how far apart the samples of a JVM are taken, so that
// profiling costs the application little whatever it does.
//
// Whatever the event, a sample stands for at least its interval: of CPU time, of
// allocated bytes, of time spent waiting. So no more samples a second can come than
// the amount of a second divided by the interval, and the interval follows from the
// amount and the rate alone. The amount that a profile finds does not depend on the
// interval, so a change brings about no further one.
//
// Also the lock interval (async-profiler calls it a threshold) leaves nothing out:
// the profiler adds waits up and takes the one by which the sum passes a multiple of
// the interval. A wait is taken with the probability wait / interval and then stands
// for an interval, or is taken for sure and stands for itself.
package budget

import "time"

// Rule is what holds for one event.
type Rule struct {
	Rate    int   // samples a second, at most about; 0: the interval is as asked for
	Asked   int64 // interval, which is never shorter
	Longest int64 // interval that the budget leads to
}

// An interval is changed only if it is wrong by some: it is made longer if more
// than the rate by a quarter can come, and shorter if no more than four fifths of
// the rate can come with half of it.
const (
	above = 1.25
	below = 0.8
)

// Next is the interval after the current one, for what the last window had of the
// event per second, and the most that a window had for a while. Intervals are the
// one asked for times a power of two, so that there are few of them.
func (r Rule) Next(current int64, last, peak float64, mayShorten bool) int64 {
	current = r.Bound(current)
	rate := float64(r.Rate)
	switch {
	case r.Rate == 0:
		return r.Asked
	case last > above*rate*float64(current):
		return max(current, r.fit(last/rate))
	case mayShorten && peak <= below*rate*float64(current/2):
		return r.fit(peak / rate / below)
	}
	return current
}

// Bound is an interval within the bounds of the rule.
func (r Rule) Bound(interval int64) int64 {
	if r.Rate == 0 {
		return r.Asked
	}
	return max(r.Asked, min(interval, r.Longest))
}

// Bounded says whether more samples come than should, and the interval may not be
// longer.
func (r Rule) Bounded(current int64, last float64) bool {
	return r.Rate > 0 && current > r.Longest/2 && last > above*float64(r.Rate)*float64(current)
}

// fit is the shortest interval that is at least so long.
func (r Rule) fit(least float64) int64 {
	interval := r.Asked
	for float64(interval) < least && interval <= r.Longest/2 {
		interval *= 2
	}
	return interval
}

// Load is how much of one event there was per second.
type Load struct {
	last          float64 // in the newest window
	this, earlier float64 // the most in a window of this period, and of the one before
}

// Loads are those of all events of a JVM, in periods.
type Loads struct {
	Period time.Duration
	began  time.Duration // this period
	whole  bool          // there was one before
	events map[string]Load
}

// Begin forgets what was noted but for what the newest window had.
func (l *Loads) Begin(now time.Duration) {
	events := map[string]Load{}
	for name, e := range l.events {
		events[name] = Load{last: e.last}
	}
	l.began, l.whole, l.events = now, false, events
}

// Note enters what a window had.
func (l *Loads) Note(now time.Duration, event string, perSecond float64) {
	if now-l.began >= l.Period {
		for name, e := range l.events {
			l.events[name] = Load{last: e.last, earlier: e.this}
		}
		l.began, l.whole = now, true
	}
	e := l.events[event]
	e.last, e.this = perSecond, max(e.this, perSecond)
	l.events[event] = e
}

// Of is what the newest window had of an event per second, the most that one had
// for a period at least, and whether there was one.
func (l *Loads) Of(event string) (last, peak float64, whole bool) {
	e := l.events[event]
	return e.last, max(e.this, e.earlier), l.whole
}
