package query

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// params are the parameters that an endpoint takes.
type params map[string]presence

type presence bool

const (
	optional presence = false
	required presence = true
)

// and returns the parameters with optional ones added.
func (p params) and(names ...string) params {
	out := maps.Clone(p)
	for _, name := range names {
		out[name] = optional
	}
	return out
}

// request is what was asked for, checked.
type request struct {
	sel       store.Selection
	rng       api.Range
	has       map[string]bool // the parameters that were given
	points    int
	nodes     int
	functions int
	byTotal   bool // order of the top table
}

const (
	maxQueryBytes = 4 << 10
	maxText       = 256 // bytes of a name, as in openapi.yaml
	// maxUnix is far beyond every range that is accepted and far below where
	// times overflow.
	maxUnix = 1 << 40
)

// parse checks a query string. Its errors name parameter, value and limit.
func parse(takes params, query string, now time.Time, limits Limits) (request, error) {
	if len(query) > maxQueryBytes {
		return request{}, api.Exceeded(profile.BadParameter, "length of the query string", int64(len(query)), maxQueryBytes)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return request{}, api.Errorf(profile.BadParameter, "the query string cannot be parsed: %v", err)
	}
	p := parser{takes: takes, values: values}
	p.checkNames()
	r := request{has: map[string]bool{}}
	for name := range values {
		r.has[name] = true
	}
	r.sel.Cluster, r.sel.Namespace = p.text("cluster"), p.text("namespace")
	r.sel.Service, r.sel.Version = p.text("service"), p.text("version")
	r.sel.Type = p.profileType()
	r.sel.Series = p.series()
	r.rng = p.timeRange(now, limits)
	r.sel.Range = store.Range{From: r.rng.From, To: r.rng.To}
	r.points = p.number("points", limits.Points, limits.MaxPoints)
	r.nodes = p.number("nodes", limits.Nodes, limits.MaxNodes)
	r.functions = p.number("limit", limits.Functions, limits.MaxFunctions)
	r.byTotal = p.choice("order", "self", "total") == "total"
	return r, p.err
}

// parser keeps the first error.
type parser struct {
	takes  params
	values url.Values
	err    error
}

func (p *parser) fail(name, format string, args ...any) {
	if p.err == nil {
		e := api.Errorf(profile.BadParameter, "parameter %s: %s", name, fmt.Sprintf(format, args...))
		e.Hint = "See /api/v1 in api/openapi.yaml for what " + name + " may be"
		p.err = e
	}
}

func (p *parser) exceeds(name string, actual, limit int64, hint string) {
	if p.err == nil {
		e := api.Exceeded(profile.BadParameter, "parameter "+name, actual, limit)
		e.Hint = hint
		p.err = e
	}
}

// checkNames refuses parameters that are unknown, come twice or are missing:
// an answer to another question than the one asked would mislead.
func (p *parser) checkNames() {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if _, ok := p.takes[name]; !ok {
			known := slices.Sorted(maps.Keys(p.takes))
			p.fail(fmt.Sprintf("%.40q", name), "not known here; known are: %s", strings.Join(known, ", "))
			return
		}
		if n := len(p.values[name]); n > 1 {
			p.fail(name, "given %d times", n)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.takes)) {
		if p.takes[name] == required && p.values.Get(name) == "" {
			p.fail(name, "required, and missing or empty")
		}
	}
}

func (p *parser) text(name string) string {
	s := p.values.Get(name)
	if len(s) > maxText {
		p.exceeds(name, int64(len(s)), maxText, "Names have at most 256 bytes")
		return ""
	}
	if !utf8.ValidString(s) {
		p.fail(name, "%.40q is not UTF-8", s)
		return ""
	}
	return s
}

func (p *parser) profileType() profile.Type {
	s := p.values.Get("type")
	if s == "" {
		return ""
	}
	t, err := profile.ParseType(s[:min(len(s), 40)])
	if err != nil {
		p.fail("type", "%v", err)
	}
	return t
}

func (p *parser) series() []uint64 {
	s := p.values.Get("series")
	if s == "" {
		return nil
	}
	id, err := strconv.ParseUint(s, 16, 64)
	if err != nil || len(s) != 16 || s != strings.ToLower(s) {
		p.fail("series", "%.40q is not 16 lower-case hexadecimal digits", s)
		return nil
	}
	return []uint64{id}
}

func (p *parser) seconds(name string) int64 {
	s := p.values.Get(name)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxUnix {
		p.fail(name, "%.40q is not a time in Unix seconds", s)
		return 0
	}
	return n
}

func (p *parser) timeRange(now time.Time, limits Limits) api.Range {
	if _, ok := p.takes["from"]; !ok {
		return api.Range{}
	}
	from, to := p.seconds("from"), p.seconds("to")
	if p.err != nil {
		return api.Range{}
	}
	if from >= to {
		p.fail("from", "%d is not before to=%d", from, to)
	}
	if length, limit := to-from, int64(limits.Retention/time.Second); length > limit {
		p.exceeds("to - from, in s,", length, limit, "Data is kept for "+limits.Retention.String()+": narrow the range")
	}
	if latest := now.Add(limits.Ahead).Unix(); to > latest {
		p.exceeds("to", to, latest, "The range ends in the future; check the clock of the browser and of the backend")
	}
	return api.Range{From: time.Unix(from, 0).UTC(), To: time.Unix(to, 0).UTC()}
}

func (p *parser) number(name string, standard, limit int) int {
	s := p.values.Get(name)
	if s == "" {
		return standard
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		p.fail(name, "%.40q is not a number from 1 to %d", s, limit)
		return standard
	}
	if n > int64(limit) {
		p.exceeds(name, n, int64(limit), fmt.Sprintf("Ask for at most %d", limit))
		return standard
	}
	return int(n)
}

func (p *parser) choice(name string, options ...string) string {
	s := p.values.Get(name)
	if s != "" && !slices.Contains(options, s) {
		p.fail(name, "%.40q is not one of %s", s, strings.Join(options, ", "))
	}
	return s
}
