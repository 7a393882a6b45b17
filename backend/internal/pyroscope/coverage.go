package pyroscope

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/api"
)

// coverageHeader says in every answer about samples what it lacks, or "complete",
// and what is to be known of what it has.
const coverageHeader = "Podflame-Coverage"

const complete = "complete"

// coverageNote is the text of the header.
func coverageNote(c api.Coverage) string {
	note := lack(c)
	if note == "" {
		note = complete
	}
	return withNotices(note, c)
}

// rootName is the name of the root of a flame graph, where people see it.
func rootName(c api.Coverage) string {
	note := lack(c)
	if note != "" {
		note = "incomplete: " + note
	}
	if note = withNotices(note, c); note == "" {
		return "total"
	}
	return "total [" + note + "]"
}

// lack says in words what there should be and is not: windows, samples, and time
// that nobody recorded, with the codes of their reasons. It is empty if nothing is
// lacking.
func lack(c api.Coverage) string {
	var parts []string
	if missing := c.Windows.Expected - c.Windows.Stored; missing > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d windows missing", missing, c.Windows.Expected))
	}
	if lost := c.Truncated.Count + c.Dropped.Count; lost > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d samples lost", lost, c.Captured.Count))
	}
	if codes := codesOf(slices.Concat(c.Losses, c.NotCaptured)); codes != "" {
		parts = append(parts, codes)
	}
	return strings.Join(parts, "; ")
}

// withNotices adds to a note the codes of what is to be known of what is there.
func withNotices(note string, c api.Coverage) string {
	codes := codesOf(c.Notices)
	switch {
	case codes == "":
		return note
	case note == "":
		return "notices: " + codes
	}
	return note + "; notices: " + codes
}

// codesOf are the codes of reasons that are no routine, each once.
func codesOf(list []api.Loss) string {
	var codes []string
	for _, l := range list {
		if code := string(l.Reason); !l.Routine && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return strings.Join(codes, ", ")
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
