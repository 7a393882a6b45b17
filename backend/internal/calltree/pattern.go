package calltree

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// Pattern chooses functions by name. The zero Pattern chooses none.
type Pattern struct {
	text  string
	match func(name string) bool
}

// What a pattern may be. The time of a match grows with the product of the
// length of the name and the number of instructions.
const (
	MaxPatternBytes        = 256
	MaxPatternInstructions = 1_000
)

// ParsePattern reads what people type into a search box: a part of a name,
// without regard to case, or a regular expression (RE2) as /expression/ or
// /expression/i.
func ParsePattern(text string) (Pattern, error) {
	if len(text) > MaxPatternBytes {
		return Pattern{}, fmt.Errorf("it has %d bytes, at most %d are allowed", len(text), MaxPatternBytes)
	}
	if !utf8.ValidString(text) {
		return Pattern{}, fmt.Errorf("%.40q is not UTF-8", text)
	}
	if strings.TrimSpace(text) == "" {
		return Pattern{}, nil
	}
	if expression, ok := delimited(text); ok {
		compiled, err := compile(expression)
		if err != nil {
			return Pattern{}, err
		}
		return Pattern{text, compiled.MatchString}, nil
	}
	part := strings.ToLower(text)
	return Pattern{text, func(name string) bool { return strings.Contains(strings.ToLower(name), part) }}, nil
}

func delimited(text string) (expression string, ok bool) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return "", false
	}
	if inner, ok := strings.CutSuffix(rest, "/i"); ok && inner != "" {
		return "(?i:" + inner + ")", true
	}
	inner, ok := strings.CutSuffix(rest, "/")
	return inner, ok && inner != ""
}

func compile(expression string) (*regexp.Regexp, error) {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if n := len(program.Inst); n > MaxPatternInstructions {
		return nil, fmt.Errorf("the expression takes %d instructions, at most %d are allowed", n, MaxPatternInstructions)
	}
	return regexp.Compile(expression)
}

// IsZero reports whether the pattern chooses nothing, because nothing was asked.
func (p Pattern) IsZero() bool { return p.match == nil }

// Match reports whether a function of that name is chosen.
func (p Pattern) Match(name string) bool { return p.match != nil && p.match(name) }

// String returns what was parsed.
func (p Pattern) String() string { return p.text }
