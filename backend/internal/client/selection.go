package client

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Key names a service.
type Key struct{ Cluster, Namespace, Service string }

// String names the service for people.
func (k Key) String() string {
	if k.Cluster == "" {
		return k.Namespace + "/" + k.Service
	}
	return fmt.Sprintf("%s/%s in cluster %s", k.Namespace, k.Service, k.Cluster)
}

// Span is a span of time, From inclusive, To exclusive, in whole seconds.
type Span struct{ From, To time.Time }

// Query is the span as parameters.
func (s Span) Query() url.Values {
	return url.Values{"from": {seconds(s.From)}, "to": {seconds(s.To)}}
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// Selection is what an answer is about.
type Selection struct {
	Key
	Span
	Type                              profile.Type
	Versions, Pods, Containers, Nodes []string
	Threads, NotThreads               []string // groups
	Include, Exclude, Package         string
}

// Query is the selection as parameters of the API.
func (s Selection) Query() url.Values {
	q := s.Span.Query()
	for name, value := range map[string]string{
		"cluster": s.Cluster, "namespace": s.Namespace, "service": s.Service, "type": string(s.Type),
		"include": s.Include, "exclude": s.Exclude, "package": s.Package,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	s.choose(q)
	return q
}

// choose adds what is chosen out of a service, which API and page name alike.
func (s Selection) choose(q url.Values) {
	for name, values := range map[string][]string{
		"version": s.Versions, "pod": s.Pods, "container": s.Containers, "node": s.Nodes, "thread": s.Threads, "excludeThread": s.NotThreads,
	} {
		if len(values) > 0 {
			q[name] = values
		}
	}
}

// Unfiltered is the selection without what only call trees know.
func (s Selection) Unfiltered() Selection {
	s.Include, s.Exclude, s.Package, s.Threads, s.NotThreads = "", "", "", nil, nil
	return s
}

// Base adds the parameters of what a selection is compared to: those in which
// it differs.
func (s Selection) Base(query url.Values, base Selection) url.Values {
	for _, one := range []struct{ name, mine, theirs string }{
		{"baseCluster", s.Cluster, base.Cluster}, {"baseNamespace", s.Namespace, base.Namespace}, {"baseService", s.Service, base.Service},
	} {
		if one.mine != one.theirs {
			query.Set(one.name, one.theirs)
		}
	}
	for name, values := range map[string][]string{"baseVersion": base.Versions, "basePod": base.Pods} {
		if len(values) > 0 {
			query[name] = values
		}
	}
	if base.Span != s.Span {
		query.Set("baseFrom", seconds(base.From))
		query.Set("baseTo", seconds(base.To))
	}
	return query
}

// Link is the address under which a person sees the selection in a browser. The
// page searches for what is included, and knows no function or package to leave out.
func (s Selection) Link(server string) string {
	return server + "/profile?" + s.page().Encode()
}

func (s Selection) page() url.Values {
	q := s.Span.Query()
	for name, value := range map[string]string{
		"cluster": s.Cluster, "namespace": s.Namespace, "service": s.Service, "q": s.Include,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if s.Type != profile.CPU {
		q.Set("type", string(s.Type))
	}
	s.choose(q)
	return q
}

// Comparison is a selection and what it is compared to, on a page of the UI:
// /compare or /changes.
type Comparison struct {
	Page       string
	Head, Base Selection
}

// Link is the address under which a person sees the comparison in a browser.
func (c Comparison) Link(server string) string {
	return server + c.Page + "?" + c.Head.Base(c.Head.page(), c.Base).Encode()
}

// Linked ends a text with the address under which a person sees what it is about,
// if there is a server to look at.
func Linked(text, server string, about interface{ Link(server string) string }) string {
	if server == "" {
		return text
	}
	return text + "link: " + about.Link(server) + "\n"
}

// Title says what an answer is about.
func (s Selection) Title() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s", s.Type, s.Key)
	for _, part := range []struct {
		name   string
		values []string
	}{
		{"version", s.Versions}, {"pod", s.Pods}, {"container", s.Containers}, {"node", s.Nodes},
		{"thread", s.Threads}, {"without thread", s.NotThreads},
		{"include", some(s.Include)}, {"exclude", some(s.Exclude)}, {"package", some(s.Package)},
	} {
		if len(part.values) > 0 {
			fmt.Fprintf(&b, ", %s %s", part.name, strings.Join(part.values, ", "))
		}
	}
	return b.String()
}

func some(one string) []string {
	if one == "" {
		return nil
	}
	return []string{one}
}
