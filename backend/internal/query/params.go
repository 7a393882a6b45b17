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
	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// params are the parameters that an endpoint takes.
type params map[string]presence

type presence int

const (
	optional presence = iota
	required
	repeated // may come several times, or not at all
)

// and returns the parameters with optional ones added.
func (p params) and(names ...string) params {
	out := params{}
	for _, name := range names {
		out[name] = optional
	}
	return p.with(out)
}

// with returns the parameters with others added.
func (p params) with(others params) params {
	out := maps.Clone(p)
	maps.Copy(out, others)
	return out
}

// request is what was asked for, checked.
type request struct {
	sel       store.Selection
	rng       api.Range
	has       map[string]bool // the parameters that were given
	points    int
	by        store.Column // what a timeline is taken apart by, if anything
	parts     int          // of a timeline
	rows      int          // of a heat map; 0 if not said
	nodes     int
	functions int
	byTotal   bool // order of the top table
	filter    calltree.Filter
	function  string        // whose callers or callees are asked for
	format    string        // of an export
	byCount   bool          // the numbers of collapsed stacks
	base      *request      // what the selection is compared to, if that is said
	warmUp    time.Duration // of each version that is left out, where nothing says what the base is
	cold      bool          // the version has windows of its warm-up only
}

// base is what a selection is compared to: the same, but for what is given; nil
// if nothing is.
func (p *parser) base(r request, now time.Time, limits Limits) *request {
	base, given := r, false
	text := func(name string, field *string) {
		if p.values.Has(name) {
			*field, given = p.text(name), true
		}
	}
	list := func(name string, field *[]string) {
		if p.values.Has(name) {
			*field, given = p.list(name, maxText), true
		}
	}
	text("baseCluster", &base.sel.Cluster)
	text("baseNamespace", &base.sel.Namespace)
	text("baseService", &base.sel.Service)
	list("baseVersion", &base.sel.Versions)
	list("basePod", &base.sel.Pods)
	list("baseContainer", &base.sel.Containers)
	list("baseNode", &base.sel.Nodes)
	if p.values.Has("baseThread") {
		base.sel.Threads, given = p.threads("baseThread"), true
	}
	if p.values.Has("baseSeries") {
		base.sel.Series, given = p.series("baseSeries"), true
	}
	if p.values.Has("baseFrom") || p.values.Has("baseTo") {
		base.rng, given = p.timeRange("baseFrom", "baseTo", now, limits), true
		base.sel.Range = store.Range{From: base.rng.From, To: base.rng.To}
	}
	if !given {
		return nil
	}
	if base.sel.Service == "" {
		p.fail("baseService", "required, and empty")
	}
	return &base
}

const (
	maxQueryBytes = 64 << 10
	maxText       = 256     // bytes of a name, as in openapi.yaml
	maxFunction   = 1 << 10 // bytes of the name of a function, as in profile.DefaultLimits
	maxRepeated   = store.MaxSelected
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
	r.function = p.functionName("function")
	r.sel.Type = p.profileType()
	r.sel.ServiceKey = store.ServiceKey{Cluster: p.text("cluster"), Namespace: p.text("namespace"), Service: p.text("service")}
	r.sel.Versions, r.sel.Pods, r.sel.Containers, r.sel.Nodes = p.list("version", maxText), p.list("pod", maxText), p.list("container", maxText), p.list("node", maxText)
	r.sel.Series = p.series("series")
	r.sel.Threads, r.sel.NotThreads = p.threads("thread"), p.threads("excludeThread")
	r.rng = p.timeRange("from", "to", now, limits)
	r.sel.Range = store.Range{From: r.rng.From, To: r.rng.To}
	r.filter = calltree.Filter{
		Include: p.pattern("include"), Exclude: p.pattern("exclude"),
		Package: strings.TrimSuffix(p.text("package"), "."), Path: p.list("path", maxFunction),
	}
	r.by = store.Column(p.choice("by", string(store.ByVersion), string(store.ByPod), string(store.ByContainer), string(store.ByNode), string(store.ByThread)))
	r.parts = p.number("parts", limits.Parts, limits.MaxParts)
	r.rows = p.number("rows", 0, limits.MaxRows)
	r.points = p.number("points", limits.Points, limits.MaxPoints)
	r.format = p.choice("format", formatPprof, formatCollapsed, formatSpeedscope, formatOTLP)
	r.byCount = p.choice("amount", "value", "count") == "count"
	nodes := limits.Nodes
	if r.format != "" { // a file is not drawn
		nodes = limits.MaxNodes
	}
	r.nodes = p.number("nodes", nodes, limits.MaxNodes)
	r.functions = p.number("limit", limits.Functions, limits.MaxFunctions)
	r.byTotal = p.choice("order", "self", "total") == "total"
	if _, ok := takes["baseFrom"]; ok {
		r.base = p.base(r, now, limits)
	}
	return r, p.err
}

// parser keeps the first error.
type parser struct {
	takes  params
	values url.Values
	err    error
}

func (p *parser) fail(name, format string, args ...any) {
	p.refuse(name, "See /api/v1 in api/openapi.yaml for what "+name+" may be", format, args...)
}

func (p *parser) refuse(name, hint, format string, args ...any) {
	if p.err == nil {
		e := api.Errorf(profile.BadParameter, "parameter %s: %s", name, fmt.Sprintf(format, args...))
		e.Hint = hint
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
		switch n := len(p.values[name]); {
		case p.takes[name] != repeated && n > 1:
			p.fail(name, "given %d times", n)
		case n > maxRepeated:
			p.exceeds("number of times that "+name+" is given", int64(n), maxRepeated, "Select fewer")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.takes)) {
		if p.takes[name] == required && p.values.Get(name) == "" {
			p.fail(name, "required, and missing or empty")
		}
	}
}

func (p *parser) text(name string) string { return p.checked(name, p.values.Get(name), maxText) }

func (p *parser) functionName(name string) string {
	return p.checked(name, p.values.Get(name), maxFunction)
}

func (p *parser) checked(name, value string, limit int) string {
	if len(value) > limit {
		p.exceeds(name, int64(len(value)), int64(limit), fmt.Sprintf("Names have at most %d bytes", limit))
		return ""
	}
	if !utf8.ValidString(value) {
		p.fail(name, "%.40q is not UTF-8", value)
		return ""
	}
	return value
}

// list returns the values that are not empty.
func (p *parser) list(name string, limit int) []string {
	var out []string
	for _, value := range p.values[name] {
		if value = p.checked(name, value, limit); value != "" {
			out = append(out, value)
		}
	}
	return out
}

// threads are the thread groups that a parameter names as people read them.
func (p *parser) threads(name string) []string {
	groups := p.list(name, maxText)
	for i, group := range groups {
		if group == profile.UnknownThreads {
			groups[i] = ""
		}
	}
	return groups
}

func (p *parser) pattern(name string) calltree.Pattern {
	pattern, err := calltree.ParsePattern(p.values.Get(name))
	if err != nil {
		p.fail(name, "%v", err)
	}
	return pattern
}

func (p *parser) profileType() profile.Type {
	s := p.values.Get("type")
	if s == "" {
		return ""
	}
	t, err := profile.ParseType(s[:min(len(s), 40)])
	if err != nil {
		p.refuse("type", "Use one of "+profile.TypeNames(), "%v", err)
	}
	return t
}

func (p *parser) series(name string) []uint64 {
	s := p.values.Get(name)
	if s == "" {
		return nil
	}
	id, err := strconv.ParseUint(s, 16, 64)
	if err != nil || len(s) != 16 || s != strings.ToLower(s) {
		p.fail(name, "%.40q is not 16 lower-case hexadecimal digits", s)
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

func (p *parser) timeRange(fromName, toName string, now time.Time, limits Limits) api.Range {
	if _, ok := p.takes[fromName]; !ok {
		return api.Range{}
	}
	from, to := p.seconds(fromName), p.seconds(toName)
	if p.err != nil {
		return api.Range{}
	}
	if from >= to {
		p.refuse(fromName, "Swap them, or choose a later end", "%d is not before %s=%d", from, toName, to)
	}
	if length, limit := to-from, int64(limits.Retention/time.Second); length > limit {
		p.exceeds(toName+" - "+fromName+", in s,", length, limit, "Data is kept for "+limits.Retention.String()+": narrow the range")
	}
	if latest := now.Add(limits.Ahead).Unix(); to > latest {
		p.exceeds(toName, to, latest, "The range ends in the future; check the clock of the browser and of the backend")
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
