package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/profile"
)

// spanFlags are a span of time that ends now, or lies between two instants.
type spanFlags struct {
	Since time.Duration `short:"s" default:"15m" help:"The last so long: 15m, 6h, 168h."`
	From  instant       `placeholder:"TIME" help:"Instead of --since: RFC 3339, Unix seconds, or how long ago."`
	To    instant       `placeholder:"TIME" help:"End of --from; now if not said."`
}

func (f spanFlags) span(now time.Time) (client.Span, error) {
	to := now
	if f.To.said {
		to = f.To.at(now)
	}
	from := to.Add(-f.Since)
	if f.From.said {
		from = f.From.at(now)
	}
	out := client.Span{From: from.Truncate(time.Second), To: to.Truncate(time.Second)}
	if !out.From.Before(out.To) {
		return out, usagef("the time from %s to %s is empty: swap --from and --to, or give a longer --since", out.From.UTC().Format(time.RFC3339), out.To.UTC().Format(time.RFC3339))
	}
	return out, nil
}

// instant is a time, or how long ago one was.
type instant struct {
	said bool
	time time.Time
	ago  time.Duration
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *instant) UnmarshalText(text []byte) error {
	said := string(text)
	if n, err := strconv.ParseInt(said, 10, 64); err == nil {
		*i = instant{said: true, time: time.Unix(n, 0)}
		return nil
	}
	if d, err := time.ParseDuration(said); err == nil {
		*i = instant{said: true, ago: d.Abs()}
		return nil
	}
	t, err := time.Parse(time.RFC3339, said)
	if err != nil {
		return fmt.Errorf("%q is no time such as 2026-11-26T10:00:00Z, 1793000000 or 2h (ago)", said)
	}
	*i = instant{said: true, time: t}
	return nil
}

func (i instant) at(now time.Time) time.Time {
	if i.time.IsZero() {
		return now.Add(-i.ago)
	}
	return i.time
}

// targetFlags choose a service and targets of it.
type targetFlags struct {
	Service string `arg:"" predictor:"service" help:"Service, namespace/service, pod, pod/NAME, or a workload such as deploy/NAME."`
	narrowFlags
}

// narrowFlags narrow to a cluster, a namespace and targets.
type narrowFlags struct {
	Cluster   string   `help:"Cluster of the service, if several have one of that name."`
	Namespace string   `short:"n" help:"Namespace of the service, or of the workload."`
	Type      string   `short:"t" enum:"cpu,alloc,lock,wall,live,nativemem,nativelock" default:"cpu" help:"What was measured: cpu, alloc, lock, wall, live (allocations that survived a collection), nativemem (malloc) or nativelock (mutexes of native code)."`
	Versions  []string `name:"version" placeholder:"VERSION" help:"Only targets of these versions."`
	Pods      []string `name:"pod" placeholder:"POD" help:"Only these pods."`
	Container []string `placeholder:"NAME" help:"Only these containers."`
	Nodes     []string `name:"node" placeholder:"NODE" help:"Only targets on these nodes."`
}

// filterFlags narrow call trees.
type filterFlags struct {
	Include string `help:"Only samples with a function that matches: a part of its name, or /expression/."`
	Exclude string `help:"Only samples without such a function."`
	Package string `help:"Only samples with a function of this package or one below."`
	threadFlags
}

// threadFlags choose thread groups.
type threadFlags struct {
	Threads    []string `name:"thread" sep:"none" placeholder:"GROUP" help:"Only samples of threads of these groups, such as http-nio-8080-exec-#."`
	NotThreads []string `name:"exclude-thread" sep:"none" placeholder:"GROUP" help:"No samples of threads of these groups."`
}

// selection asks what the name stands for and returns what was chosen.
func (a *app) selection(ctx context.Context, b *backend, t targetFlags, f filterFlags, s spanFlags) (client.Selection, error) {
	span, err := s.span(a.now())
	if err != nil {
		return client.Selection{}, err
	}
	found, err := a.find(ctx, b, span, t.Cluster, t.Namespace, t.Service)
	if err != nil {
		return client.Selection{}, err
	}
	out := client.Selection{
		Key: found.Key, Span: span, Type: profile.Type(t.Type), Versions: t.Versions, Pods: t.Pods, Containers: t.Container, Nodes: t.Nodes,
		Include: f.Include, Exclude: f.Exclude, Package: f.Package, Threads: f.Threads, NotThreads: f.NotThreads,
	}
	if found.Pod != "" && !slices.Contains(out.Pods, found.Pod) {
		out.Pods = append(out.Pods, found.Pod)
	}
	return out, client.CheckThreads(ctx, b, out, "podflame threads lists them")
}

// find finds a service by what people write.
func (a *app) find(ctx context.Context, b *backend, span client.Span, cluster, namespace, name string) (client.Found, error) {
	kind, rest, split := strings.Cut(name, "/")
	switch {
	case split && (kind == "pod" || kind == "pods"):
		return client.Find(ctx, b, span, cluster, namespace, rest)
	case split && workloads()[kind] != "":
		return a.findWorkload(ctx, b, cluster, namespace, workloads()[kind], rest)
	}
	return client.Find(ctx, b, span, cluster, namespace, name)
}

// findWorkload finds the service that the pods of a workload belong to.
func (a *app) findWorkload(ctx context.Context, b *backend, cluster, namespace, kind, name string) (client.Found, error) {
	k, err := a.kubectl()
	if err != nil {
		return client.Found{}, hinted{usageError{err}, "Name the service itself: podflame services lists them"}
	}
	in, pods, err := k.pods(ctx, namespace, kind, name)
	if err != nil {
		return client.Found{}, hinted{err, "Check the name, --namespace and the kubectl context, or name the service itself: podflame services lists them"}
	}
	query := url.Values{"namespace": {in}}
	if cluster != "" {
		query.Set("cluster", cluster)
	}
	targets, err := client.Ask[api.Targets](ctx, b, "/api/v1/targets", query)
	if err != nil {
		return client.Found{}, err
	}
	var found []client.Key
	for _, t := range targets.Targets {
		key := client.Key{Cluster: t.Identity.Cluster, Namespace: t.Identity.Namespace, Service: t.Identity.Service}
		if slices.Contains(pods, t.Identity.Pod) && !slices.Contains(found, key) {
			found = append(found, key)
		}
	}
	switch len(found) {
	case 1:
		a.note("%s/%s is service %s", kind, name, found[0])
		return client.Found{Key: found[0]}, nil
	case 0:
		e := api.Errorf(profile.UnknownService, "no sidecar in the %d pods of %s/%s in namespace %s has reported", len(pods), kind, name, in)
		e.Hint = "Is it annotated profiling.io/enabled, and were its pods started after that? webhook check says why a pod is not profiled"
		return client.Found{}, e
	}
	slices.SortFunc(found, func(a, b client.Key) int { return cmp.Compare(a.String(), b.String()) })
	return client.Found{}, usagef("the pods of %s/%s are %d services, such as %s and %s: name one of them", kind, name, len(found), found[0], found[1])
}
