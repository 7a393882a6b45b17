// Package report puts answers of the API into plain text, for terminals, scripts
// and assistants alike. Each text about a range ends with its coverage, and says
// what it leaves out. It asks nothing and decides nothing.
package report

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podflame/podflame/backend/profile"
)

// Style is how a text is to look. The zero value is plain.
type Style struct {
	Colour bool
	Width  int // of the terminal in columns, at which names are cut; 0 cuts nothing
}

// colour is an SGR parameter.
type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	faint  colour = "2"
	bold   colour = "1"
)

func (s Style) in(c colour, text string) string {
	if !s.Colour || text == "" || c == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// Clean replaces what could steer a terminal: names come from other programs.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, text)
}

// shorten cuts the middle out of a text that is too wide: both ends of a name
// tell something.
func shorten(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if width < 4 || n <= width {
		return text
	}
	runes := []rune(text)
	head := (width - 1) / 3
	return string(runes[:head]) + "…" + string(runes[n-(width-1-head):])
}

// Value says a value in the unit of its type.
func Value(t profile.Type, v int64) string {
	if t.Unit() == "bytes" {
		return Bytes(float64(v))
	}
	return span(float64(v))
}

// rate says a value per second: as CPUs or threads at a time, or as bytes.
func rate(t profile.Type, perSecond *float64) string {
	switch {
	case perSecond == nil:
		return "-"
	case t.Unit() == "bytes":
		return Bytes(*perSecond) + "/s"
	}
	return fmt.Sprintf("%.3g", *perSecond/float64(time.Second))
}

// Bytes says a number of bytes.
func Bytes(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for math.Abs(v) >= 1024 && i < len(units)-1 {
		v /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f B", v)
	}
	return fmt.Sprintf("%.*f %s", digits(v), v, units[i])
}

// span says a number of nanoseconds as seconds, or as less.
func span(ns float64) string {
	switch {
	case ns == 0:
		return "0 s"
	case math.Abs(ns) < 1e6:
		return fmt.Sprintf("%.0f µs", ns/1e3)
	case math.Abs(ns) < 1e9:
		return fmt.Sprintf("%.*f ms", digits(ns/1e6), ns/1e6)
	}
	return grouped(ns/1e9, digits(ns/1e9)) + " s"
}

// digits leaves three that count.
func digits(v float64) int {
	switch v = math.Abs(v); {
	case v >= 100:
		return 0
	case v >= 10:
		return 1
	}
	return 2
}

// Count says a whole number, with its thousands apart.
func Count(n int64) string {
	text := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

func grouped(v float64, decimals int) string {
	if decimals > 0 {
		return fmt.Sprintf("%.*f", decimals, v)
	}
	return Count(int64(math.Round(v)))
}

// percent says a share. What is there is never said to be nothing, and what is
// not all is never said to be all.
func percent(part, whole float64) string {
	if whole == 0 {
		return "-"
	}
	p := 100 * part / whole
	switch {
	case p > 0 && p < 0.01:
		return "<0.01%"
	case p < 100-1e-9 && p > 99.99:
		return ">99.99%"
	case p < 100-1e-9 && p >= 99.95:
		return fmt.Sprintf("%.2f%%", p)
	}
	return fmt.Sprintf("%.*f%%", map[bool]int{true: 2, false: 1}[math.Abs(p) < 1 && p != 0], p)
}

// points says by how much a share differs.
func points(difference float64) string { return fmt.Sprintf("%+.2f", 100*difference) }

// plural is a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(int64(n)) + " " + noun + "s"
}
