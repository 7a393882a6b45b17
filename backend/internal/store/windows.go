package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/profile"
)

// windowHeader is what the header of a window, or of a type in it, says of a window.
type windowHeader struct {
	series         uint64
	start          time.Time
	kind           string // type; empty for the window as a whole
	untyped        uint8  // the window has no ledger of any type
	length         uint32 // s
	begin, end     int64  // of the recording, Unix ns; end is 0 if there is none
	born           time.Time
	received       time.Time
	captured       profile.Amount
	stored         profile.Amount
	raw, kernelCPU int64  // kernelCPU is -1 if it is not known
	losses         uint64 // number of
	print          uint64
}

// columns are what a header is read by, and where that goes.
func (h *windowHeader) columns() (list []string, into []any) {
	for _, column := range []struct {
		of   string
		into any
	}{
		{"series_id", &h.series}, {"window_start", &h.start}, {"p.type", &h.kind}, {"empty(types)", &h.untyped}, {"duration_s", &h.length},
		{"recorded_start_ns", &h.begin}, {"recorded_end_ns", &h.end}, {"jvm_start", &h.born}, {"received_at", &h.received},
		{"captured_value", &h.captured.Value}, {"captured_count", &h.captured.Count}, {"stored_value", &h.stored.Value}, {"stored_count", &h.stored.Count},
		{"raw", &h.raw}, {"kernel_cpu_ns", &h.kernelCPU}, {"length(loss_outcome)", &h.losses}, {fingerprint, &h.print},
	} {
		list, into = append(list, column.of), append(into, column.into)
	}
	return list, into
}

func (h *windowHeader) recorded() bool { return h.end > 0 }

// windows counts windows by target and start, so that two parts of the same
// window, from before and after a restart, are one: those of the range by cell;
// and those of each target, from lookBack before the range on. The counts are of
// selections that differ in their range. Headers come as they are, those of a window
// one after the other: to plan a statement that counts takes ClickHouse longer than
// to read thousands of rows.
func (r *read) windows(ctx context.Context, counts []*windowCount, m moment) error {
	spans := make([]seconds, len(counts))
	for i, c := range counts {
		spans[i] = c.looksAt()
	}
	source, args := counts[0].board.headersOf(counts[0].Selection, spans, "", m)
	var h windowHeader
	columns, into := h.columns()
	statement := "SELECT * FROM @(SELECT " + strings.Join(columns, ", ") + "\n" + source + ")\nORDER BY window_start, series_id" + uncompiled
	err := r.query(ctx, statement, args, func(row driver.Rows) error {
		if err := row.Scan(into...); err != nil {
			return err
		}
		for _, c := range counts {
			c.add(&h)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range counts {
		c.end(m)
	}
	return nil
}

// uncompiled ends a statement about few rows: to look whether its expressions are
// compiled already takes ClickHouse longer than to work them out.
const uncompiled = "\nSETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0"

// seen is what windows have that is read apart.
type seen struct {
	prints uint64 // of the headers in the range
	losses uint64 // of these
	gaps   int    // windows without a recording that began before the range and reach into it
}

// windowCount is a count of windows while their headers come.
type windowCount struct {
	seen
	asked
	freshAfter map[int64]int64
	limit      int                       // of targets
	targets    map[uint64]*targetWindows // by series
	stale      map[int64]bool            // hours, Unix s
	last       window
}

// targetWindows are those of a target. All times are Unix s.
type targetWindows struct {
	first, last int64     // start of the first, end of the last
	recorded    int64     // s, length of the shortest with a recording; 0 if there is none
	shortest    int64     // s
	born        int64     // JVM start
	stored      []seconds // windows of a target whose length no report tells
}

// window is the latest window. lost says that one of its parts is without a
// recording.
type window struct {
	series    uint64
	start     int64 // Unix s
	length    int64 // s
	has, lost bool
}

func (r *read) countOf(a asked) *windowCount {
	return &windowCount{asked: a, freshAfter: r.freshAfter(a.hours), limit: r.store.limits.Counted, targets: map[uint64]*targetWindows{}, stale: map[int64]bool{}}
}

// looksAt is the time in which the windows of the count begin.
func (c *windowCount) looksAt() seconds {
	return seconds{max(c.board.span.from-lookBack, 0), c.board.span.to}
}

func (c *windowCount) add(h *windowHeader) {
	start, length := h.start.Unix(), int64(h.length)
	if at := c.looksAt(); start < at.from || start >= at.to {
		return // it is of another range
	}
	if c.last.series != h.series || c.last.start != start {
		c.settle()
		c.last = window{series: h.series, start: start}
	}
	w := &c.last
	w.length = max(w.length, length)
	w.has = w.has || h.kind != "" && h.recorded()
	if h.kind == "" {
		w.lost = w.lost || h.untyped > 0
	} else {
		w.lost = w.lost || !h.recorded()
	}
	c.enterTarget(h, start, length)
	if start >= c.board.span.from {
		c.enterCell(h, start)
	} else if h.kind == "" && (h.untyped > 0 || !h.recorded()) && start+length > c.board.span.from {
		c.gaps++
	}
}

// settle enters the latest window, of which all headers have come.
func (c *windowCount) settle() {
	w := &c.last
	if w.has {
		c.enterStored(w)
	}
	if w.start < c.board.span.from || !w.has && !w.lost {
		return
	}
	cell := &c.board.cells[c.board.cellOf(w.start)]
	if w.has {
		cell.Windows.Stored++
		return
	}
	cell.Windows.Lost++
	cell.lostSeconds += w.length
}

// enterStored enters a window, which may have begun before the range and reach into it, for
// the windows that are expected of its target; one that is not counted has none.
func (c *windowCount) enterStored(w *window) {
	t, span := c.targets[w.series], seconds{w.start, w.start + w.length}
	if t == nil || span.to <= c.board.span.from {
		return
	}
	if length := c.board.reports.of[w.series].length; length > 0 {
		c.board.meet(span, length)
	} else {
		t.stored = append(t.stored, span)
	}
}

func (c *windowCount) enterTarget(h *windowHeader, start, length int64) {
	t := c.targets[h.series]
	if t == nil {
		if len(c.targets) == c.limit {
			c.board.uncounted = true
			return
		}
		t = &targetWindows{first: start, shortest: length, born: h.born.Unix()}
		c.targets[h.series] = t
	}
	t.last, t.shortest, t.born = max(t.last, start+length), min(t.shortest, length), min(t.born, h.born.Unix())
	if h.recorded() && (t.recorded == 0 || length < t.recorded) {
		t.recorded = length
	}
}

func (c *windowCount) enterCell(h *windowHeader, start int64) {
	c.prints, c.losses = c.prints+h.print, c.losses+h.losses
	cell := &c.board.cells[c.board.cellOf(start)]
	cell.Ledger.Captured = cell.Ledger.Captured.Add(h.captured)
	cell.Ledger.Stored = cell.Ledger.Stored.Add(h.stored)
	cell.Ledger.Raw = sum(cell.Ledger.Raw, h.raw)
	if h.kind != "" { // recordings do not end quite where windows do
		span := min(max(h.end-h.begin, 0), 2*int64(h.length)*int64(time.Second))
		cell.Time.Recorded = sum(cell.Time.Recorded, time.Duration(span))
	}
	if h.kernelCPU >= 0 {
		cell.Kernel.Windows++
		cell.Kernel.Charged = sum(cell.Kernel.Charged, time.Duration(h.kernelCPU))
		cell.Kernel.Profiled = sum(cell.Kernel.Profiled, time.Duration(h.captured.Value))
	}
	hour := start / oneHour * oneHour
	if after, ok := c.freshAfter[hour]; ok && h.received.UnixMilli() > after {
		c.stale[hour] = true
	}
}

// end enters what is known once all headers have come.
func (c *windowCount) end(m moment) {
	c.settle()
	for series, t := range c.targets {
		last := c.board.reports.of[series]
		length := cmp.Or(last.length, t.recorded, t.shortest)
		for _, span := range t.stored {
			c.board.meet(span, length)
		}
		c.board.enter(life{first: t.first, last: t.last, length: length, born: t.born, until: last.until, gone: last.gone, now: m.at / 1000})
	}
	c.board.stale = slices.Sorted(maps.Keys(c.stale))
}

// freshAfter is, by rolled up hour, the time in Unix ms after which a header of it
// came if its roll-up may lack the window, as it came after the roll-up or not long
// enough before. The times are those of ClickHouse: a window's header is written after
// its samples, and the time of a roll-up is taken before they are read, so all older
// headers have their samples in it.
func (r *read) freshAfter(hours []rolledHour) map[int64]int64 {
	after := make(map[int64]int64, len(hours))
	for _, h := range hours {
		after[h.hour] = h.at - r.store.skew.Milliseconds()
	}
	return after
}
