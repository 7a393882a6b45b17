// Package timeline accounts for the time of one JVM. Each moment, from the
// beginning up to where the account has come, is one of these:
//
//   - recorded: a window in the spool holds it;
//   - told: a window in the spool says for which reason nobody recorded it;
//   - owed: a session ran, and its recording has not been read that far;
//   - elsewhere: another sidecar accounts for it.
//
// So recorded + told + owed + elsewhere = wall time, and no moment is two of
// them, whatever commands, clocks and files say. The account only goes forward.
package timeline

import (
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Reasons that are none: what holds instead while somebody records.
const (
	Recording profile.Reason = ""          // a session of ours
	Elsewhere profile.Reason = "elsewhere" // another sidecar
)

// Gap is a span that nobody recorded.
type Gap struct {
	profile.Span
	Reason profile.Reason
}

// Step is one setting of the wall clock, on a clock that has not been set: it was
// after From, when the clock was looked at, and before To, when it was noticed.
type Step struct {
	From time.Time     `json:"from"`
	To   time.Time     `json:"to"`
	By   time.Duration `json:"by"`
}

// Bounds of what is remembered. Beyond them a neighbour's reason is told.
const (
	maxMarks = 256
	maxOwed  = 64
)

// Timeline is the account of one JVM. Clone it to try a step that may fail.
type Timeline struct {
	start   time.Time
	through time.Time
	marks   []mark         // ascending, never empty; the first holds at through
	owed    []profile.Span // ascending, before through
	sums    Sums
}

type mark struct {
	at     time.Time
	reason profile.Reason
}

// Sums are what the time since the beginning was.
type Sums struct{ Recorded, Told, Owed, Elsewhere time.Duration }

// New begins an account, with the reason that holds at first. What an earlier
// account of the same JVM owes is owed by this one, and counts as its time.
func New(start time.Time, reason profile.Reason, owed ...profile.Span) *Timeline {
	t := &Timeline{start: start, through: start, marks: []mark{{start, reason}}, owed: slices.Clone(owed[:min(len(owed), maxOwed)])}
	for _, o := range t.owed {
		t.start = t.start.Add(-length(o))
	}
	return t
}

// Owed are the spans in which a session ran and whose recording has not been
// read.
func (t *Timeline) Owed() []profile.Span { return slices.Clone(t.owed) }

// Clone returns a copy.
func (t *Timeline) Clone() *Timeline {
	c := *t
	c.marks, c.owed = slices.Clone(t.marks), slices.Clone(t.owed)
	return &c
}

// Start is where the account begins.
func (t *Timeline) Start() time.Time { return t.start }

// Through is up to where the account has come.
func (t *Timeline) Through() time.Time { return t.through }

// Sums says what the time from Start to Through was.
func (t *Timeline) Sums() Sums {
	s := t.sums
	for _, o := range t.owed {
		s.Owed += length(o)
	}
	return s
}

// Mark says which reason holds from a moment on; what was said of later moments
// is forgotten. What is told already stays.
func (t *Timeline) Mark(at time.Time, reason profile.Reason) {
	if at.Before(t.through) {
		at = t.through
	}
	kept := 0
	for kept < len(t.marks) && t.marks[kept].at.Before(at) {
		kept++
	}
	t.marks = t.marks[:kept]
	if kept > 0 && (t.marks[kept-1].reason == reason || kept >= maxMarks) {
		t.marks[kept-1].reason = reason
		return
	}
	t.marks = append(t.marks, mark{at, reason})
	t.goTo(t.through)
}

// Holds says whether one reason holds from where the account has come to a moment.
func (t *Timeline) Holds(reason profile.Reason, to time.Time) bool {
	return t.marks[0].reason == reason && (len(t.marks) == 1 || !t.marks[1].at.Before(to))
}

// MarkAll adds the marks of a later account.
func (t *Timeline) MarkAll(later *Timeline) {
	for _, m := range later.marks {
		t.Mark(m.at, m.reason)
	}
}

// Recorded enters a span that a window holds, and returns the gaps before it.
// What of it was told already, or recorded, does not count again.
func (t *Timeline) Recorded(span profile.Span) []Gap {
	if !span.Start.Before(span.End) {
		return nil
	}
	for _, paid := range t.payOff(span) {
		t.sums.Recorded += length(paid)
	}
	gaps := t.Tell(span.Start)
	if span.End.After(t.through) {
		t.sums.Recorded += span.End.Sub(t.through)
		t.goTo(span.End)
	}
	return gaps
}

// Tell closes the time up to a moment and returns its gaps. Time in which a
// session of ours ran is owed.
func (t *Timeline) Tell(to time.Time) []Gap {
	var gaps []Gap
	for t.through.Before(to) {
		end, reason := to, t.marks[0].reason
		if len(t.marks) > 1 && t.marks[1].at.Before(end) {
			end = t.marks[1].at
		}
		span := profile.Span{Start: t.through, End: end}
		switch reason {
		case Recording:
			gaps = append(gaps, t.owe(span)...)
		case Elsewhere:
			t.sums.Elsewhere += length(span)
		default:
			t.sums.Told += length(span)
			gaps = append(gaps, Gap{span, reason})
		}
		t.goTo(end)
	}
	return gaps
}

// Lost tells a span in which a session of ours ran and of which nothing can be
// read: what is owed of it, and, if it reaches beyond the account, the rest.
func (t *Timeline) Lost(span profile.Span, reason profile.Reason) []Gap {
	gaps := t.Tell(span.End)
	for _, paid := range t.payOff(span) {
		t.sums.Told += length(paid)
		gaps = append(gaps, Gap{paid, reason})
	}
	slices.SortFunc(gaps, func(a, b Gap) int { return a.Start.Compare(b.Start) })
	return gaps
}

// Shift moves the account because the clock was set.
func (t *Timeline) Shift(by time.Duration) {
	t.start, t.through = t.start.Add(by), t.through.Add(by)
	for i := range t.marks {
		t.marks[i].at = t.marks[i].at.Add(by)
	}
	for i := range t.owed {
		t.owed[i] = profile.Span{Start: t.owed[i].Start.Add(by), End: t.owed[i].End.Add(by)}
	}
}

// goTo moves the account forward, over marks that hold no longer.
func (t *Timeline) goTo(to time.Time) {
	t.through = to
	for len(t.marks) > 1 && !t.marks[1].at.After(to) {
		t.marks = t.marks[1:]
	}
}

// owe enters a span that is to be read. If too many wait, the oldest is told.
func (t *Timeline) owe(span profile.Span) []Gap {
	if n := len(t.owed); n > 0 && t.owed[n-1].End.Equal(span.Start) {
		t.owed[n-1].End = span.End
		return nil
	}
	t.owed = append(t.owed, span)
	if len(t.owed) <= maxOwed {
		return nil
	}
	oldest := t.owed[0]
	t.owed = slices.Delete(t.owed, 0, 1)
	t.sums.Told += length(oldest)
	return []Gap{{oldest, profile.RecordingUnreadable}}
}

// payOff takes away, and returns, what is owed of a span.
func (t *Timeline) payOff(span profile.Span) (paid []profile.Span) {
	var left []profile.Span
	for _, o := range t.owed {
		common := overlap(o, span)
		if length(common) <= 0 {
			left = append(left, o)
			continue
		}
		paid = append(paid, common)
		left = append(left, outside(o, common)...)
	}
	t.owed = left
	return paid
}

func length(s profile.Span) time.Duration { return s.End.Sub(s.Start) }

func overlap(a, b profile.Span) profile.Span {
	if b.Start.After(a.Start) {
		a.Start = b.Start
	}
	if b.End.Before(a.End) {
		a.End = b.End
	}
	return a
}

// outside is what a span has before and behind a part of it.
func outside(span, part profile.Span) (rest []profile.Span) {
	if span.Start.Before(part.Start) {
		rest = append(rest, profile.Span{Start: span.Start, End: part.Start})
	}
	if part.End.Before(span.End) {
		rest = append(rest, profile.Span{Start: part.End, End: span.End})
	}
	return rest
}
