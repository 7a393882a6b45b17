package mcp

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/report"
	"github.com/podflame/podflame/backend/profile"
)

// span is a time. The schemas of tools are made of these structs.
type span struct {
	Since string `json:"since,omitempty" jsonschema:"the last so long, such as 15m (the default), 6h or 72h"`
	From  string `json:"from,omitempty" jsonschema:"instead of since: begin, RFC 3339"`
	To    string `json:"to,omitempty" jsonschema:"end of from, RFC 3339; now if not given"`
}

func (s span) resolve(now time.Time) (client.Span, error) {
	length, err := time.ParseDuration(cmp.Or(s.Since, "15m"))
	if err != nil || length <= 0 {
		return client.Span{}, api.Errorf(profile.BadParameter, "since %.40q is no duration such as 15m or 6h", s.Since)
	}
	out := client.Span{To: now}
	for _, one := range []struct {
		text string
		into *time.Time
	}{{s.To, &out.To}, {s.From, &out.From}} {
		if one.text == "" {
			continue
		}
		if *one.into, err = time.Parse(time.RFC3339, one.text); err != nil {
			return client.Span{}, api.Errorf(profile.BadParameter, "time %.40q is not RFC 3339, such as 2026-11-26T10:00:00Z", one.text)
		}
	}
	if s.From == "" {
		out.From = out.To.Add(-length)
	}
	out.From, out.To = out.From.Truncate(time.Second), out.To.Truncate(time.Second)
	return out, nil
}

type selection struct {
	Service   string   `json:"service" jsonschema:"name of the service, namespace/name, or name of a pod"`
	Namespace string   `json:"namespace,omitempty" jsonschema:"of the service, if several have one of that name"`
	Cluster   string   `json:"cluster,omitempty"`
	Type      string   `json:"type,omitempty" jsonschema:"cpu (the default), alloc, lock, wall, live (allocations that survived a garbage collection), nativemem (malloc) or nativelock (mutexes of native code)"`
	Versions  []string `json:"versions,omitempty" jsonschema:"only these versions"`
	Pods      []string `json:"pods,omitempty" jsonschema:"only these pods"`
	span
}

type filter struct {
	Include string `json:"include,omitempty" jsonschema:"only samples with a function that matches: a part of its name, or /expression/"`
	Exclude string `json:"exclude,omitempty" jsonschema:"only samples without such a function"`
}

// choose finds the service and returns what was chosen.
func (t tools) choose(ctx context.Context, c *Connection, in selection, f filter) (client.Selection, error) {
	kind, err := kindOf(in.Type)
	if err != nil {
		return client.Selection{}, err
	}
	when, err := in.resolve(t.Now())
	if err != nil {
		return client.Selection{}, err
	}
	found, err := client.Find(ctx, c, when, in.Cluster, in.Namespace, in.Service)
	if err != nil {
		return client.Selection{}, err
	}
	out := client.Selection{Key: found.Key, Span: when, Type: kind, Versions: in.Versions, Pods: in.Pods, Include: f.Include, Exclude: f.Exclude}
	if found.Pod != "" && !slices.Contains(out.Pods, found.Pod) {
		out.Pods = append(out.Pods, found.Pod)
	}
	return out, nil
}

// kindOf is the type that is asked for.
func kindOf(said string) (profile.Type, error) {
	kind, err := profile.ParseType(cmp.Or(said, string(profile.CPU)))
	if err != nil {
		return "", api.Errorf(profile.BadParameter, "%v", err)
	}
	return kind, nil
}

// count is a number that is asked for, within limits.
func count(asked, standard, most int) int {
	if asked <= 0 {
		return standard
	}
	return min(asked, most)
}

// The most that a tool shows, whatever is asked for.
const (
	mostServices  = 50
	mostFunctions = 100
	mostLines     = 200
	mostTargets   = 50
	treeNodes     = 8192
)

func (t tools) services(ctx context.Context, c *Connection, in span) (string, error) {
	when, err := in.resolve(t.Now())
	if err != nil {
		return "", err
	}
	a, err := client.Ask[api.Services](ctx, c, "/api/v1/services", when.Query())
	if err != nil {
		return "", err
	}
	text := report.Services(a, report.Price{}, mostServices, report.Style{})
	if c.Link != "" {
		text += "link: " + c.Link + "/?" + when.Query().Encode() + "\n"
	}
	return text, nil
}

// threads choose groups of threads of one service.
type threads struct {
	Threads        []string `json:"threads,omitempty" jsonschema:"only samples of threads of these groups, such as http-nio-8080-exec-#"`
	ExcludeThreads []string `json:"exclude_threads,omitempty" jsonschema:"no samples of threads of these groups"`
}

// within chooses them of a selection. Those that it does not have are refused, as
// by the command line.
func (t threads) within(ctx context.Context, c *Connection, s client.Selection) (client.Selection, error) {
	s.Threads, s.NotThreads = t.Threads, t.ExcludeThreads
	return s, client.CheckThreads(ctx, c, s, "The tool thread_groups lists them")
}

type threadsInput struct {
	selection
	Limit int `json:"limit,omitempty" jsonschema:"the most groups, up to 200; 60 if not given"`
}

func (t tools) threadGroups(ctx context.Context, c *Connection, in threadsInput) (string, error) {
	s, err := t.choose(ctx, c, in.selection, filter{})
	if err != nil {
		return "", err
	}
	a, err := client.Ask[api.Series](ctx, c, "/api/v1/series", s.ByThread())
	if err != nil {
		return "", err
	}
	return client.Linked(report.Threads(a, s.Title(), count(in.Limit, 60, mostLines), report.Style{}), c.Link, s), nil
}

type topInput struct {
	selection
	filter
	threads
	Order string `json:"order,omitempty" jsonschema:"self (the default) or total"`
	Limit int    `json:"limit,omitempty" jsonschema:"the most functions, up to 100; 20 if not given"`
}

func (t tools) top(ctx context.Context, c *Connection, in topInput) (string, error) {
	s, err := t.choose(ctx, c, in.selection, in.filter)
	if err != nil {
		return "", err
	}
	if s, err = in.within(ctx, c, s); err != nil {
		return "", err
	}
	query := s.Query()
	query.Set("limit", strconv.Itoa(count(in.Limit, 20, mostFunctions)))
	query.Set("order", cmp.Or(in.Order, "self"))
	a, err := client.Ask[api.Top](ctx, c, "/api/v1/top", query)
	if err != nil {
		return "", err
	}
	return client.Linked(report.Top(a, s.Title(), report.Style{}), c.Link, s), nil
}

type fleetInput struct {
	Namespace string `json:"namespace,omitempty" jsonschema:"only services of this namespace"`
	Cluster   string `json:"cluster,omitempty"`
	Type      string `json:"type,omitempty" jsonschema:"cpu (the default), alloc, lock, wall, live (allocations that survived a garbage collection), nativemem (malloc) or nativelock (mutexes of native code)"`
	span
	filter
	Order string `json:"order,omitempty" jsonschema:"self (the default) or total"`
	Limit int    `json:"limit,omitempty" jsonschema:"the most functions, up to 100; 20 if not given"`
}

func (t tools) fleet(ctx context.Context, c *Connection, in fleetInput) (string, error) {
	kind, err := kindOf(in.Type)
	if err != nil {
		return "", err
	}
	when, err := in.resolve(t.Now())
	if err != nil {
		return "", err
	}
	f := client.Fleet{Span: when, Type: kind, Cluster: in.Cluster, Namespace: in.Namespace, Include: in.Include, Exclude: in.Exclude}
	query := f.Query()
	query.Set("limit", strconv.Itoa(count(in.Limit, 20, mostFunctions)))
	query.Set("order", cmp.Or(in.Order, "self"))
	a, err := client.Ask[api.FleetTop](ctx, c, "/api/v1/fleet/top", query)
	if err != nil {
		return "", err
	}
	return client.Linked(report.Fleet(a, f.Title(), report.Price{}, report.Style{}), c.Link, f), nil
}

type treeInput struct {
	selection
	filter
	threads
	LeastPercent float64 `json:"least_percent,omitempty" jsonschema:"share of the total that a line must have; 1 if not given"`
	Depth        int     `json:"depth,omitempty" jsonschema:"the deepest frame; any if not given"`
	Lines        int     `json:"lines,omitempty" jsonschema:"the most lines, up to 200; 60 if not given"`
}

func (t tools) tree(ctx context.Context, c *Connection, in treeInput) (string, error) {
	s, err := t.choose(ctx, c, in.selection, in.filter)
	if err != nil {
		return "", err
	}
	if s, err = in.within(ctx, c, s); err != nil {
		return "", err
	}
	query := s.Query()
	query.Set("nodes", strconv.Itoa(treeNodes))
	a, err := client.Ask[api.Flame](ctx, c, "/api/v1/flame", query)
	if err != nil {
		return "", err
	}
	options := report.TreeOptions{Least: cmp.Or(max(in.LeastPercent, 0), 1) / 100, Lines: count(in.Lines, 60, mostLines), Depth: max(in.Depth, 0)}
	return client.Linked(report.Tree(a, s.Title(), options, report.Style{}), c.Link, s), nil
}

type diffInput struct {
	selection
	BaseVersions []string `json:"base_versions,omitempty" jsonschema:"versions to compare with"`
	BaseAgo      string   `json:"base_ago,omitempty" jsonschema:"compare with the same, so long before, such as 24h"`
	Limit        int      `json:"limit,omitempty" jsonschema:"the most functions, up to 100; 20 if not given"`
}

// base is what is compared to.
func (in diffInput) base(s client.Selection) (client.Selection, error) {
	base := s
	if len(in.BaseVersions) > 0 {
		base.Versions = in.BaseVersions
	}
	if in.BaseAgo != "" {
		ago, err := time.ParseDuration(in.BaseAgo)
		if err != nil || ago <= 0 {
			return base, api.Errorf(profile.BadParameter, "base_ago %.40q is no duration such as 24h", in.BaseAgo)
		}
		base.Span = client.Span{From: s.From.Add(-ago), To: s.To.Add(-ago)}
	}
	return base, nil
}

func (t tools) diff(ctx context.Context, c *Connection, in diffInput) (string, error) {
	s, base, err := t.sides(ctx, c, in)
	if err != nil {
		return "", err
	}
	query := s.Base(s.Query(), base)
	query.Set("nodes", strconv.Itoa(treeNodes))
	a, err := client.Ask[api.Diff](ctx, c, "/api/v1/diff", query)
	if err != nil {
		return "", err
	}
	return client.Linked(report.Diff(a, base.Title(), s.Title(), count(in.Limit, 20, mostFunctions), false, report.Style{}), c.Link,
		client.Comparison{Page: "/compare", Head: s, Base: base}), nil
}

func (t tools) sides(ctx context.Context, c *Connection, in diffInput) (s, base client.Selection, err error) {
	if s, err = t.choose(ctx, c, in.selection, filter{}); err == nil {
		base, err = in.base(s)
	}
	return s, base, err
}

func (t tools) changes(ctx context.Context, c *Connection, in diffInput) (string, error) {
	in.Since = cmp.Or(in.Since, "24h") // both versions must be in it
	s, base, err := t.sides(ctx, c, in)
	if err != nil {
		return "", err
	}
	query := s.Base(s.Query(), base)
	query.Set("limit", strconv.Itoa(count(in.Limit, 20, mostFunctions)))
	a, err := client.Ask[api.Changes](ctx, c, "/api/v1/changes", query)
	if err != nil {
		return "", err
	}
	return client.Linked(report.Changes(a, s.Title(), report.Style{}), c.Link, client.Comparison{Page: "/changes", Head: s, Base: base}), nil
}

type regressionsInput struct {
	Namespace string `json:"namespace,omitempty"`
}

func (t tools) regressions(ctx context.Context, c *Connection, in regressionsInput) (string, error) {
	query := url.Values{}
	if in.Namespace != "" {
		query.Set("namespace", in.Namespace)
	}
	a, err := client.Ask[api.Regressions](ctx, c, "/api/v1/regressions", query)
	if err != nil {
		return "", err
	}
	text := report.Regressions(a, mostServices, report.Style{})
	if c.Link != "" {
		text += "link: " + c.Link + "/\n"
	}
	return text, nil
}

func (t tools) coverage(ctx context.Context, c *Connection, in selection) (string, error) {
	s, err := t.choose(ctx, c, in, filter{})
	if err != nil {
		return "", err
	}
	a, err := client.Ask[api.Coverage](ctx, c, "/api/v1/coverage", s.Query())
	if err != nil {
		return "", err
	}
	return client.Linked(s.Title()+"\n"+report.Coverage(*a, s.Type, report.Style{}), c.Link, s), nil
}

type targetsInput struct {
	Service   string `json:"service,omitempty" jsonschema:"name of the service; all if not given"`
	Namespace string `json:"namespace,omitempty"`
	Cluster   string `json:"cluster,omitempty"`
}

func (t tools) targets(ctx context.Context, c *Connection, in targetsInput) (string, error) {
	query := url.Values{}
	for name, value := range map[string]string{"service": in.Service, "namespace": in.Namespace, "cluster": in.Cluster} {
		if value != "" {
			query.Set(name, value)
		}
	}
	a, err := client.Ask[api.Targets](ctx, c, "/api/v1/targets", query)
	if err != nil {
		return "", err
	}
	text := report.Targets(a, t.Now(), mostTargets, report.Style{})
	if c.Link != "" {
		text += "link: " + c.Link + "/targets\n"
	}
	return text, nil
}
