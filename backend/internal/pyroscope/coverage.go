package pyroscope

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/api"
)

// coverageHeader says in every answer about samples what it lacks, or "complete".
const coverageHeader = "Podflame-Coverage"

const complete = "complete"

// lack says in words what there should be and is not: windows, samples, and time
// that nobody recorded, with the codes of their reasons.
func lack(c api.Coverage) string {
	var parts []string
	if missing := c.Windows.Expected - c.Windows.Stored; missing > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d windows missing", missing, c.Windows.Expected))
	}
	if lost := c.Truncated.Count + c.Dropped.Count; lost > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d samples lost", lost, c.Captured.Count))
	}
	var reasons []string
	for _, l := range slices.Concat(c.Losses, c.NotCaptured) {
		if code := string(l.Reason); !l.Routine && !slices.Contains(reasons, code) {
			reasons = append(reasons, code)
		}
	}
	if len(reasons) > 0 {
		parts = append(parts, strings.Join(reasons, ", "))
	}
	if len(parts) == 0 {
		return complete
	}
	return strings.Join(parts, "; ")
}

// rootName is the name of the root of a flame graph, where people see it.
func rootName(c api.Coverage) string {
	if l := lack(c); l != complete {
		return "total [incomplete: " + l + "]"
	}
	return "total"
}

// maxNote bounds the header, in bytes.
const maxNote = 1000

// headerText is what a header can hold of a text.
func headerText(text string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return plain[:min(len(plain), maxNote)]
}
