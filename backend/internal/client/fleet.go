package client

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/podflame/podflame/backend/profile"
)

// Fleet is what an answer about all services is about. Empty parts do not narrow.
type Fleet struct {
	Span
	Type                      profile.Type
	Cluster, Namespace        string
	Include, Exclude, Package string
}

// Query is the fleet as parameters of the API.
func (f Fleet) Query() url.Values {
	q := f.Span.Query()
	q.Set("type", string(f.Type))
	for name, value := range map[string]string{
		"cluster": f.Cluster, "namespace": f.Namespace, "include": f.Include, "exclude": f.Exclude, "package": f.Package,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// Link is the address under which a person sees the table in a browser.
func (f Fleet) Link(server string) string {
	q := f.Span.Query()
	for name, value := range map[string]string{"cluster": f.Cluster, "namespace": f.Namespace, "q": f.Include} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Type != profile.CPU {
		q.Set("type", string(f.Type))
	}
	return server + "/functions?" + q.Encode()
}

// Title says what an answer is about.
func (f Fleet) Title() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of all services", f.Type)
	for _, part := range []struct{ name, value string }{
		{"cluster", f.Cluster}, {"namespace", f.Namespace}, {"include", f.Include}, {"exclude", f.Exclude}, {"package", f.Package},
	} {
		if part.value != "" {
			fmt.Fprintf(&b, ", %s %s", part.name, part.value)
		}
	}
	return b.String()
}
