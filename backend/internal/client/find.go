package client

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Found is what a name stands for: a service, and a pod of it if the name was
// that of a pod.
type Found struct {
	Key
	Pod string
}

// Find looks a service up by its name, by namespace/name, or by the name of one
// of its pods. Empty cluster and namespace stand for any. A name that is not known, or
// that several services have, is an *api.Error.
func Find(ctx context.Context, a API, span Span, cluster, namespace, name string) (Found, error) {
	if before, after, ok := strings.Cut(name, "/"); ok && namespace == "" {
		namespace, name = before, after
	}
	services, err := Ask[api.Services](ctx, a, "/api/v1/services", span.Query())
	if err != nil {
		return Found{}, err
	}
	var known []Found
	for _, s := range services.Services {
		known = append(known, Found{Key: Key{s.Cluster, s.Namespace, s.Service}})
	}
	in := func(f Found) bool {
		return (cluster == "" || f.Cluster == cluster) && (namespace == "" || f.Namespace == namespace)
	}
	matching := among(known, func(f Found) bool { return f.Service == name && in(f) })
	if len(matching) == 0 {
		targets, err := Ask[api.Targets](ctx, a, "/api/v1/targets", url.Values{})
		if err != nil {
			return Found{}, err
		}
		for _, t := range targets.Targets {
			f := Found{Key: Key{t.Identity.Cluster, t.Identity.Namespace, t.Identity.Service}}
			known = append(known, f)
			if t.Identity.Pod == name {
				f.Pod = name
			} else if f.Service != name {
				continue
			}
			if in(f) && !slices.Contains(matching, f) {
				matching = append(matching, f)
			}
		}
	}
	switch len(matching) {
	case 1:
		return matching[0], nil
	case 0:
		return Found{}, unknown(name, namespace, known)
	}
	return Found{}, several(name, matching)
}

func among(list []Found, keep func(Found) bool) []Found {
	return slices.DeleteFunc(slices.Clone(list), func(f Found) bool { return !keep(f) })
}

// mostNamed bounds the names in an error.
const mostNamed = 8

func unknown(name, namespace string, known []Found) error {
	e := api.Errorf(profile.UnknownService, "no service and no pod %q", name)
	if namespace != "" {
		e = api.Errorf(profile.UnknownService, "no service and no pod %q in namespace %q", name, namespace)
	}
	var names []string
	for _, f := range known {
		if text := f.Namespace + "/" + f.Service; !slices.Contains(names, text) {
			names = append(names, text)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(a, name), distance(b, name)), cmp.Compare(a, b))
	})
	if len(names) > 0 {
		e.Hint = "Known are " + strings.Join(names[:min(len(names), mostNamed)], ", ") + more(len(names)-mostNamed) + ". A longer time knows more"
	}
	return e
}

// distance puts names that hold the one asked for, or are part of it, first.
func distance(known, name string) int {
	_, service, _ := strings.Cut(known, "/")
	if strings.Contains(service, name) || strings.Contains(name, service) {
		return 0
	}
	return 1
}

func several(name string, matching []Found) error {
	e := api.Errorf(profile.BadParameter, "%d services have the name %q", len(matching), name)
	var names []string
	for _, f := range matching[:min(len(matching), mostNamed)] {
		names = append(names, f.String())
	}
	e.Hint = "Say which by namespace and cluster: " + strings.Join(names, ", ") + more(len(matching)-mostNamed)
	return e
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}
