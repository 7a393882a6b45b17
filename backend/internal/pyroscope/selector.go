package pyroscope

import (
	"regexp"
	"strconv"
	"strings"

	"connectrpc.com/connect"
)

// Limits of a selector. Patterns are RE2, whose time is linear.
const (
	maxSelector = 16 << 10 // bytes
	maxMatchers = 32
	maxPattern  = 4 << 10 // bytes; a variable of a dashboard is a pattern with every chosen name
)

// matcher is a condition on one label. A label that is not there is empty.
type matcher struct {
	label   string
	op      string // = != =~ !~
	value   string
	pattern *regexp.Regexp // of =~ and !~
}

func (m matcher) matches(value string) bool {
	switch m.op {
	case "=":
		return value == m.value
	case "!=":
		return value != m.value
	case "=~":
		return m.pattern.MatchString(value)
	}
	return !m.pattern.MatchString(value)
}

var (
	labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.]*`)
	operator  = regexp.MustCompile(`^(=~|!~|!=|=)`)
)

// parseSelector reads conditions such as {namespace="shop", pod=~"cart-.*"}. The
// empty text has none.
func parseSelector(text string) ([]matcher, error) {
	if len(text) > maxSelector {
		return nil, refuse(connect.CodeInvalidArgument, "the label selector has %d bytes, the limit is %d", len(text), maxSelector)
	}
	rest := strings.TrimSpace(text)
	if rest == "" {
		return nil, nil
	}
	rest, open := strings.CutPrefix(rest, "{")
	rest, closed := strings.CutSuffix(rest, "}")
	if !open || !closed {
		return nil, refuse(connect.CodeInvalidArgument, "the label selector %.100q is not in braces, as {service_name=\"shop\"} is", text)
	}
	var matchers []matcher
	for rest = strings.TrimSpace(rest); rest != ""; {
		m, after, err := parseMatcher(rest)
		if err != nil {
			return nil, err
		}
		if matchers = append(matchers, m); len(matchers) > maxMatchers {
			return nil, refuse(connect.CodeInvalidArgument, "the label selector has more than %d conditions, which is the limit", maxMatchers)
		}
		rest = strings.TrimSpace(after)
		if rest == "" {
			break
		}
		var more bool
		if rest, more = strings.CutPrefix(rest, ","); !more {
			return nil, refuse(connect.CodeInvalidArgument, "in the label selector a comma is missing before %.40q", rest)
		}
		rest = strings.TrimSpace(rest)
	}
	return matchers, nil
}

// parseMatcher reads the first condition of a text.
func parseMatcher(text string) (m matcher, rest string, err error) {
	m.label = labelName.FindString(text)
	rest = strings.TrimSpace(text[len(m.label):])
	m.op = operator.FindString(rest)
	if m.label == "" || m.op == "" {
		return matcher{}, "", refuse(connect.CodeInvalidArgument, "the label selector has %.40q where a condition such as pod=\"cart-0\" belongs; operators are = != =~ !~", text)
	}
	rest = strings.TrimSpace(rest[len(m.op):])
	quoted, err := strconv.QuotedPrefix(rest)
	if err == nil {
		m.value, err = strconv.Unquote(quoted)
	}
	if err != nil || quoted[0] == '\'' {
		return matcher{}, "", refuse(connect.CodeInvalidArgument, "the value of %s in the label selector is not in double quotes: %.40q", m.label, rest)
	}
	if !isLabel(m.label) {
		return matcher{}, "", refuse(connect.CodeInvalidArgument, "label %.40q is not known here; known are: %s", m.label, strings.Join(labelNames(), ", "))
	}
	if strings.HasSuffix(m.op, "~") {
		if m.pattern, err = anchored(m.value); err != nil {
			return matcher{}, "", err
		}
	}
	return m, rest[len(quoted):], nil
}

// anchored is a pattern that matches whole values, as in PromQL.
func anchored(text string) (*regexp.Regexp, error) {
	if len(text) > maxPattern {
		return nil, refuse(connect.CodeInvalidArgument, "a pattern of the label selector has %d bytes, the limit is %d", len(text), maxPattern)
	}
	pattern, err := regexp.Compile("^(?s:" + text + ")$")
	if err != nil {
		return nil, refuse(connect.CodeInvalidArgument, "pattern %.100q of the label selector: %v", text, err)
	}
	return pattern, nil
}
