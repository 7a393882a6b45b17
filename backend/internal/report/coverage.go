package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// mostReasons bounds the losses that a text lists; it says how many more there
// are.
const mostReasons = 8

// Coverage says what there is of a range and what is missing, and why.
func Coverage(c api.Coverage, t profile.Type, s Style) string {
	var b strings.Builder
	coverage(&b, s, "coverage", c, t)
	return b.String()
}

func coverage(b *strings.Builder, s Style, label string, c api.Coverage, t profile.Type) {
	w := c.Windows
	fmt.Fprintf(b, "%s: %s of %s stored", label, Count(w.Stored), plural(int(w.Expected), "window"))
	if w.Lost > 0 {
		b.WriteString(", " + s.in(yellow, Count(w.Lost)+" lost"))
	}
	if missing := w.Expected - w.Stored - w.Lost; missing > 0 {
		b.WriteString(", " + s.in(yellow, Count(missing)+" not arrived"))
	}
	fmt.Fprintf(b, " (%s recorded)", span(c.RecordedSeconds*1e9))
	switch {
	case c.Captured.Count == 0:
		b.WriteString("; no samples were captured")
	case c.Stored == c.Captured:
		fmt.Fprintf(b, "; all %s %s that were captured are in it", Count(c.Captured.Count), t.CountUnit())
	default:
		fmt.Fprintf(b, "; of %s captured %s %s are stored, %s truncated, %s dropped", Count(c.Captured.Count), t.CountUnit(),
			percent(float64(c.Stored.Count), float64(c.Captured.Count)), percent(float64(c.Truncated.Count), float64(c.Captured.Count)),
			percent(float64(c.Dropped.Count), float64(c.Captured.Count)))
	}
	b.WriteByte('\n')
	told(b, s, c.Told, t)
}

// told lists what is to be known, what is no routine first.
func told(b *strings.Builder, s Style, of api.Told, t profile.Type) {
	type line struct {
		what string
		api.Loss
	}
	var lines []line
	for _, l := range of.Losses {
		lines = append(lines, line{l.Outcome, l})
	}
	for _, l := range of.NotCaptured {
		lines = append(lines, line{"not captured", l})
	}
	for _, l := range of.Notices {
		lines = append(lines, line{l.Outcome, l})
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		rank := func(l line) int { return map[bool]int{true: 1}[l.Routine] }
		return cmp.Compare(rank(a), rank(b))
	})
	for _, l := range lines[:min(len(lines), mostReasons)] {
		tint := yellow
		if l.Routine {
			tint = faint
		}
		fmt.Fprintf(b, "  %s %s%s: %s", s.in(tint, l.what), Clean(string(l.Reason)), measure(l.Loss, t), Clean(strings.TrimSuffix(l.Text, ".")))
		if l.Remedy != "" && !l.Routine {
			b.WriteString(". " + Clean(strings.TrimSuffix(l.Remedy, ".")))
		}
		b.WriteString(".\n")
	}
	if n := len(lines) - mostReasons; n > 0 {
		fmt.Fprintf(b, "  and %s more, see -o json or the page\n", plural(n, "reason"))
	}
}

func measure(l api.Loss, t profile.Type) string {
	var parts []string
	if l.Count > 0 {
		parts = append(parts, plural(int(l.Count), strings.TrimSuffix(t.CountUnit(), "s")))
	}
	if l.DurationNS > 0 {
		parts = append(parts, time.Duration(l.DurationNS).Round(time.Millisecond).String())
	}
	if l.Bytes > 0 {
		parts = append(parts, Bytes(float64(l.Bytes)))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// heading says what an answer is about.
func heading(b *strings.Builder, s Style, what string, r api.Range) {
	fmt.Fprintf(b, "%s, %s to %s (%s)\n", s.in(bold, Clean(what)),
		r.From.UTC().Format("2006-01-02 15:04:05"), r.To.UTC().Format("15:04:05Z"), r.To.Sub(r.From))
}

// outside says what filters leave out.
func outside(b *strings.Builder, t profile.Type, out, total profile.Amount) {
	if out != (profile.Amount{}) {
		fmt.Fprintf(b, "filters leave out %s (%s)\n", Value(t, out.Value), percent(float64(out.Value), float64(total.Value)))
	}
}
