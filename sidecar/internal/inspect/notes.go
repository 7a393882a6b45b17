package inspect

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/profile"
)

// note says in words what is missing in what is printed, if anything: bytes that
// could not be read, and samples of the types that are printed.
func (r *recording) note(notes io.Writer, printed []profile.Coverage) error {
	hint := "; see --format ledger"
	if r.req.Format == Ledger {
		hint = ""
	}
	for _, line := range r.missing(printed) {
		if _, err := fmt.Fprintf(notes, "note: %s%s\n", line, hint); err != nil {
			return fmt.Errorf("write note: %w", err)
		}
	}
	return nil
}

// noteCounts says that what is printed are counts although values were asked for.
func (r *recording) noteCounts(notes io.Writer, t profile.Type) error {
	if r.req.Value != Scaled || !r.unvalued(t) {
		return nil
	}
	if _, err := fmt.Fprintf(notes, "note: no value of %s is known; printed are %s\n", r.name(t), r.countUnit(t)); err != nil {
		return fmt.Errorf("write note: %w", err)
	}
	return nil
}

// missing describes each loss in a line.
func (r *recording) missing(printed []profile.Coverage) []string {
	var lines []string
	for _, l := range r.losses {
		lines = append(lines, fmt.Sprintf("%s: %d bytes of %d", explain(l.Reason), l.Bytes, r.size))
	}
	for _, c := range printed {
		for _, l := range c.Losses {
			lines = append(lines, r.describe(&c, l))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.result.Unread)) {
		lines = append(lines, fmt.Sprintf("events without a type here: %d of %s", r.result.Unread[name], name))
	}
	return lines
}

// describe says in one line what became of samples of a type.
func (r *recording) describe(c *profile.Coverage, l profile.Loss) string {
	line := fmt.Sprintf("%s: %s %s", explain(l.Reason), r.name(c.Type), l.Outcome)
	switch {
	case l.Outcome == profile.Noticed:
		return line
	case l.Value > 0:
		return fmt.Sprintf("%s, %d %s and %d %s of %d", line, l.Value, r.unit(c.Type), l.Count, r.countUnit(c.Type), c.Captured.Count)
	}
	return fmt.Sprintf("%s, %d %s of %d", line, l.Count, r.countUnit(c.Type), c.Captured.Count)
}

func explain(reason profile.Reason) string {
	return fmt.Sprintf("%s (%s)", profile.Explain(reason).Text, reason)
}

func (r *recording) unread() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.result.Unread)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", name, r.result.Unread[name]))
	}
	return strings.Join(parts, ", ")
}
