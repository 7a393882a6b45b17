package store

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// board is a range in steps while its cells are being filled.
type board struct {
	grid
	cells     []boardCell
	lives     []seconds // of targets, within the span
	targets   int
	uncounted bool
	reports   reports
	stale     []int64 // rolled up hours that lack a window, Unix s
	length    int64   // s, of the longest windows
	whole     Account
}

type boardCell struct {
	Account
	expected    int64 // windows, while targets are being entered
	met         int64 // of these, by stored windows
	underway    bool  // a target that lives records a window in it that has not ended, or ended just now
	lostSeconds int64 // that windows without a recording stand for
}

func newBoard(t profile.Type, span seconds, st steps) *board {
	b := &board{grid: grid{span, st}, cells: make([]boardCell, st.number(span))}
	for i := range b.cells {
		b.cells[i].Ledger.Type = t
	}
	return b
}

// gap is the part within a range of a time without a recording that began before
// it: a row of lossRows.
type gap struct {
	Cluster   string `ch:"cluster"` // of the service; empty where that is known
	Namespace string `ch:"namespace"`
	Service   string `ch:"service"`
	Number    uint32 `ch:"n"` // of the loss in its window; 0 if that has none, 1 for the first
	Reason    string `ch:"e"`
	Length    int64  `ch:"inside_s"` // of the part of the window
	Lost      int64  `ch:"lost_ns"`
}

func (b *board) enterGap(g *gap) {
	c := &b.cells[0]
	if g.Number <= 1 { // a window with several reasons counts once
		c.lostSeconds += g.Length
	}
	if g.Number > 0 {
		c.Losses = profile.AddLosses(c.Losses, profile.Loss{Outcome: profile.Dropped, Reason: profile.Reason(g.Reason), Duration: time.Duration(g.Lost)})
	}
}

// lookBack is how long before a range a target may have sent its latest window
// and still be expected to send more.
const lookBack = int64(time.Hour / time.Second)

// life is what is known of the life of a target. All times are Unix s.
type life struct {
	first, last int64 // window: start of the first, end of the last
	length      int64 // of its windows
	born, until int64 // JVM start, and last report or end; 0 if not known
	gone        bool
	now         int64
}

// alive is the time in which windows of the target are expected. A JVM that
// still lives owes whole windows only. The last window of one that has ended ends
// where windows do, however early in it the JVM did.
func (l life) alive() seconds {
	last, until := l.last, l.until
	switch {
	case !l.gone:
		until = until / l.length * l.length
	case until > 0 && last-until <= l.length:
		last = min(last, until+1) // the second in which it ended
	}
	return seconds{max(l.first, min(l.born, last)), max(last, until)}
}

// underway is the time of which no window need have come yet, if the target still
// lives by its last report.
func (l life) underway() seconds {
	from := l.alive().to
	if l.gone || l.until == 0 || from <= l.now-2*l.length-arrival {
		return seconds{}
	}
	return seconds{from, min(l.until+l.length, l.now+1)} // with the second that it is now
}

// count enters windows of a target into a board of one cell.
func (b *board) count(stored, lost, lostSeconds int64) {
	b.cells[0].Windows.Stored += stored
	b.cells[0].Windows.Lost += lost
	b.cells[0].lostSeconds += lostSeconds
}

// within is the part of the life that is in a span, if there is one.
func (l life) within(span seconds) (part seconds, some bool) {
	alive := l.alive()
	return seconds{max(alive.from, span.from), min(alive.to, span.to)}, alive.from < span.to && alive.to > span.from
}

// enter enters a target.
func (b *board) enter(l life) {
	if part, some := l.within(b.span); some {
		b.targets++
		b.lives = append(b.lives, part)
		b.live(part, b.time)
		b.expect(part, l)
	}
	b.mark(l.underway())
}

// mark marks the cells in which a window is under way.
func (b *board) mark(underway seconds) {
	for i := b.cellOf(underway.from); i < len(b.cells) && b.cell(i).from < underway.to; i++ {
		b.cells[i].underway = b.cells[i].underway || overlap(b.cell(i), underway) > 0
	}
}

// arrival is how long after its end a window may take to arrive before it is
// missed, beyond its own length.
const arrival = 30

// expect enters the windows of a target within the range: those that start at whole
// multiples of their length, and the one in which it began to live. Before its first
// window none is expected: that may have been shorter than they are now.
func (b *board) expect(part seconds, l life) {
	length := l.length
	b.length = max(b.length, length)
	windows := seconds{max(part.from/length*length, min(l.first, part.from), b.span.from), part.to}
	for i := b.cellOf(windows.from); i < len(b.cells); i++ {
		cell := b.cell(i)
		if cell.from >= windows.to {
			return
		}
		lo, hi := max(cell.from, windows.from), min(cell.to, windows.to)
		b.cells[i].expected += starts(lo, hi, length)
		b.cells[i].Windows.Pending += starts(max(lo, l.now-2*length-arrival), hi, length)
	}
}

// cellColumn is an expression: the number of the cell in which a time is. Each
// operation in a statement costs ClickHouse about 0.1 ms of planning.
func (b *board) cellColumn(column string) string {
	if len(b.cells) == 1 {
		return "toInt64(0)"
	}
	return b.steps.cell(column)
}

func (b *board) time(cell int) *Time { return &b.cells[cell].Time }

// starts counts the multiples of length in [lo, hi).
func starts(lo, hi, length int64) int64 {
	return max((hi+length-1)/length-(lo+length-1)/length, 0)
}

// meet enters a stored window. It may be shorter than usual, as the first of a session
// is, or longer, if it was cut late: it is those of the expected windows that begin in it.
func (b *board) meet(window seconds, length int64) {
	from := max(window.from, b.span.from)
	for i := b.cellOf(from); i < len(b.cells); i++ {
		cell := b.cell(i)
		if cell.from >= window.to {
			return
		}
		b.cells[i].met += starts(max(cell.from, from), min(cell.to, window.to), length)
	}
}

// settle works out what is missing, once all targets are entered, and returns
// the account of the whole range.
func (b *board) settle(op string) (Account, error) {
	b.cover(b.lives, b.time)
	b.spread()
	var whole boardCell
	for i := range b.cells {
		whole.Account = whole.add(&b.cells[i].Account)
		whole.expected, whole.met = whole.expected+b.cells[i].expected, whole.met+b.cells[i].met
		if whole.overflows() {
			return Account{}, &Error{Class: SumTooLarge, Op: op, Hint: narrow, Err: errors.New("a sum is 2^63 or more")}
		}
	}
	for i := range b.cells {
		b.cells[i].settle(b.length)
	}
	whole.settle(b.length)
	return whole.Account, nil
}

// spread shares a window without a recording, which may stand for a long time,
// among the cells that it covers: each takes what it lacks.
func (b *board) spread() {
	var windows int64
	var losses []profile.Loss
	for i := range b.cells {
		c := &b.cells[i]
		if b.length > 0 {
			windows += max(c.lostSeconds/b.length, c.Windows.Lost)
		}
		if windows == c.Windows.Lost && len(losses) == 0 {
			windows = 0
			continue
		}
		last := i == len(b.cells)-1 // what is left over is of the time after the range
		c.Windows.Lost = min(windows, max(c.expected-c.met, c.Windows.Lost))
		windows -= c.Windows.Lost
		pool := profile.AddLosses(losses, c.Losses...)
		c.Losses, losses = nil, nil
		share := 1.0 // of each loss: which reason came first is not known
		if room := time.Duration(c.Windows.Lost*b.length) * time.Second; windows > 0 && !last {
			share = min(float64(room)/float64(durations(pool)), 1)
		}
		for _, l := range pool {
			if here := time.Duration(share * float64(l.Duration)); share < 1 && here < l.Duration {
				losses = profile.AddLosses(losses, profile.Loss{Outcome: l.Outcome, Reason: l.Reason, Duration: l.Duration - here})
				l.Duration = here
			}
			c.Losses = profile.AddLosses(c.Losses, l)
		}
	}
}

func durations(losses []profile.Loss) (sum time.Duration) {
	for _, l := range losses {
		sum += l.Duration
	}
	return max(sum, 1)
}

func (c *boardCell) settle(length int64) {
	w := &c.Windows
	w.Missing = max(c.expected-c.met-w.Lost, 0)
	w.Expected = w.Stored + w.Lost + w.Missing
	w.Pending = min(w.Pending, w.Missing)
	if w.Missing == 0 {
		return
	}
	// Windows that did not arrive stand for their share of the targets' lives, at
	// most for what nobody else accounts for: a JVM that lived for seconds is not
	// charged with a minute.
	share := float64(c.Time.Lived) / float64(c.expected)
	open := c.Time.Lived - c.Time.Recorded - time.Duration(w.Lost*length)*time.Second
	share = min(share, float64(max(open, 0))/float64(w.Missing), float64(length)*float64(time.Second))
	missed := func(r profile.Reason, windows int64) profile.Loss {
		return profile.Loss{Outcome: profile.Dropped, Reason: r, Duration: time.Duration(share * float64(windows)).Round(time.Second)}
	}
	c.Losses = profile.AddLosses(c.Losses, missed(profile.WindowNotYetArrived, w.Pending), missed(profile.NoReport, w.Missing-w.Pending))
}

func (b *board) coverage() *Coverage {
	return &Coverage{Account: b.whole, Targets: b.targets, Uncounted: b.uncounted}
}

// add returns the sum of two accounts that are not settled yet.
func (a Account) add(o *Account) Account {
	a.Windows.Stored += o.Windows.Stored
	a.Windows.Lost += o.Windows.Lost
	a.Windows.Pending += o.Windows.Pending
	a.Ledger = profile.MergeCoverage(o.Ledger.Type, a.Ledger, o.Ledger)
	a.Losses = profile.AddLosses(a.Losses, o.Losses...)
	a.Time = a.Time.add(o.Time)
	a.Kernel.Windows += o.Kernel.Windows
	a.Kernel.Charged = sum(a.Kernel.Charged, o.Kernel.Charged)
	a.Kernel.Profiled = sum(a.Kernel.Profiled, o.Kernel.Profiled)
	return a
}

// sum is that of numbers of which neither is negative. As with profile.Amount, one
// that passes 2^63 stays at the largest number.
func sum[T ~int64](a, b T) T {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// overflows reports whether one of the sums is not exact, which leaves it at the
// largest number.
func (a *Account) overflows() bool {
	sums := []int64{a.Ledger.Captured.Value, a.Ledger.Captured.Count, a.Ledger.Stored.Value, a.Ledger.Stored.Count, a.Ledger.Raw,
		int64(a.Time.Recorded), int64(a.Time.Lived), int64(a.Kernel.Charged), int64(a.Kernel.Profiled)}
	for _, l := range slices.Concat(a.Ledger.Losses, a.Losses) {
		sums = append(sums, l.Value, l.Count, int64(l.Duration), l.Bytes)
	}
	return slices.Min(sums) < 0 || slices.Max(sums) == math.MaxInt64
}
