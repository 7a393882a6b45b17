package pyroscope

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/client"
	"github.com/podflame/podflame/backend/internal/pyroscope/wire"
	"github.com/podflame/podflame/backend/profile"
)

// The labels.
const (
	labelService   = "service_name"
	labelNamespace = "namespace"
	labelCluster   = "cluster"
	labelVersion   = "version"
	labelPod       = "pod"
	labelContainer = "container"
	labelNode      = "node"
	labelType      = "__profile_type__"
)

// targetLabels tell targets of a service apart; they are called so in Podflame's
// API as well.
func targetLabels() []string { return []string{labelVersion, labelPod, labelContainer, labelNode} }

func labelNames() []string {
	return append([]string{labelType, labelCluster, labelNamespace, labelService}, targetLabels()...)
}

func isLabel(name string) bool { return slices.Contains(labelNames(), name) }

// labels are the labels of a series; none is empty.
type labels map[string]string

// newLabels keeps of all labels those that are not empty.
func newLabels(all labels) labels {
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

func (l labels) with(name, value string) labels {
	out := maps.Clone(l)
	out[name] = value
	return out
}

func (l labels) chosen(matchers []matcher) bool {
	for _, m := range matchers {
		if !m.matches(l[m.label]) {
			return false
		}
	}
	return true
}

func (l labels) message() []*wire.LabelPair {
	var pairs []*wire.LabelPair
	for _, name := range slices.Sorted(maps.Keys(l)) {
		pairs = append(pairs, &wire.LabelPair{Name: name, Value: l[name]})
	}
	return pairs
}

// key is equal for equal labels only.
func (l labels) key() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(l)) {
		b.WriteString(strconv.Quote(name) + strconv.Quote(l[name]))
	}
	return b.String()
}

// catalog lists the series that a selector chooses in a range, and whether there
// may be more. Without labels that tell targets apart it is read from the list of
// services, which is of the windows of the range.
func catalog(ctx context.Context, from client.API, rng span, matchers []matcher, wanted []string) (list []labels, more bool, err error) {
	ofTargets := slices.ContainsFunc(wanted, isTargetLabel) || slices.ContainsFunc(matchers, func(m matcher) bool { return isTargetLabel(m.label) })
	all := servicesAsLabels
	if ofTargets {
		all = targetsAsLabels
	}
	candidates, more, err := all(ctx, from, rng, matchers)
	if err != nil {
		return nil, false, err
	}
	for _, l := range candidates {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		if l.chosen(matchers) {
			list = append(list, l)
		}
	}
	return list, more, nil
}

func isTargetLabel(name string) bool { return slices.Contains(targetLabels(), name) }

func servicesAsLabels(ctx context.Context, from client.API, rng span, _ []matcher) (list []labels, more bool, err error) {
	services, err := client.Ask[api.Services](ctx, from, "/api/v1/services", rng.query())
	if err != nil {
		return nil, false, err
	}
	for _, s := range services.Services {
		of := newLabels(labels{labelCluster: s.Cluster, labelNamespace: s.Namespace, labelService: s.Service})
		for _, t := range s.Types {
			for _, id := range idsOf(t.Type) {
				list = append(list, of.with(labelType, id))
			}
		}
	}
	return list, services.Truncated, nil
}

func targetsAsLabels(ctx context.Context, from client.API, rng span, matchers []matcher) (list []labels, more bool, err error) {
	query := url.Values{}
	for _, m := range matchers {
		if name, ok := map[string]string{labelService: "service", labelNamespace: "namespace", labelCluster: "cluster"}[m.label]; ok && m.op == "=" {
			query.Set(name, m.value)
		}
	}
	targets, err := client.Ask[api.Targets](ctx, from, "/api/v1/targets", query)
	if err != nil {
		return nil, false, err
	}
	for _, t := range targets.Targets {
		if t.ReportedAt.Before(rng.from) || t.Identity.JVMStart.After(rng.to) {
			continue
		}
		id := t.Identity
		of := newLabels(labels{
			labelCluster: id.Cluster, labelNamespace: id.Namespace, labelService: id.Service,
			labelVersion: id.Version, labelPod: id.Pod, labelContainer: id.Container, labelNode: id.Node,
		})
		for _, kind := range eventsOf(t) {
			for _, name := range idsOf(kind) {
				list = append(list, of.with(labelType, name))
			}
		}
	}
	return list, targets.Truncated, nil
}

// eventsOf are the types that a target records; all if that is not known.
func eventsOf(t api.Target) []profile.Type {
	var known []profile.Type
	for _, kind := range profile.Types() {
		if slices.Contains(t.State.Events, string(kind)) {
			known = append(known, kind)
		}
	}
	if known == nil {
		return profile.Types()
	}
	return known
}

// chosen is what a selector chooses of one service.
type chosen struct {
	service labels
	query   url.Values // for Podflame's API
}

// selection is what a selector chooses, if that is of one service.
func selection(ctx context.Context, from client.API, rng span, t profileType, matchers []matcher) (url.Values, error) {
	list, err := selections(ctx, from, rng, t, matchers)
	if err != nil {
		return nil, err
	}
	if len(list) > 1 {
		return nil, refuse(connect.CodeInvalidArgument, "the selector chooses %d services (%s…), and a call tree is of one: name it by %s, %s and %s",
			len(list), someNames(list), labelService, labelNamespace, labelCluster)
	}
	return list[0].query, nil
}

func someNames(list []chosen) string {
	var names []string
	for _, one := range list[:min(len(list), 5)] {
		names = append(names, one.service.name())
	}
	return strings.Join(names, ", ")
}

// name is that of a service.
func (l labels) name() string {
	return strings.Trim(l[labelCluster]+"/"+l[labelNamespace]+"/"+l[labelService], "/")
}

// selections is what a selector chooses, by service, in the order of their names.
func selections(ctx context.Context, from client.API, rng span, t profileType, matchers []matcher) ([]chosen, error) {
	list, more, err := candidates(ctx, from, rng, t, matchers)
	if err != nil {
		return nil, err
	}
	if more && slices.ContainsFunc(matchers, func(m matcher) bool { return isTargetLabel(m.label) }) {
		return nil, refuse(connect.CodeResourceExhausted, "there are more JVMs than can be listed, so a selector with %v may miss some of them: choose by %s, %s and %s only", targetLabels(), labelService, labelNamespace, labelCluster)
	}
	of := map[string]chosen{}
	for _, l := range list {
		service := newLabels(labels{labelCluster: l[labelCluster], labelNamespace: l[labelNamespace], labelService: l[labelService]})
		one, ok := of[service.key()]
		if !ok {
			one = chosen{service, rng.query()}
			one.query.Set("type", string(t.of))
			for _, label := range []struct{ name, parameter string }{{labelService, "service"}, {labelNamespace, "namespace"}, {labelCluster, "cluster"}} {
				one.query.Set(label.parameter, service[label.name])
			}
			of[service.key()] = one
		}
		for _, m := range matchers {
			if !isTargetLabel(m.label) || slices.Contains(one.query[m.label], l[m.label]) {
				continue
			}
			if l[m.label] == "" {
				return nil, refuse(connect.CodeInvalidArgument, "the selector also chooses JVMs without a %s, which cannot be told apart here: add %s!=\"\" to it", m.label, m.label)
			}
			one.query.Add(m.label, l[m.label])
		}
	}
	if len(of) == 0 {
		return nil, refuse(connect.CodeNotFound, "the selector chooses no service with %s from %s to %s", t.id, rng.from.UTC().Format(readable), rng.to.UTC().Format(readable))
	}
	var out []chosen
	for _, key := range slices.Sorted(maps.Keys(of)) {
		out = append(out, of[key])
	}
	return out, nil
}

// candidates are the series that a selector chooses, whatever types they have:
// what was not recorded is told with the answer. A service that is named is looked
// for among targets, which costs least; one whose targets are no longer known is
// in the list of services.
func candidates(ctx context.Context, from client.API, rng span, t profileType, matchers []matcher) (list []labels, more bool, err error) {
	var conditions []matcher
	named := false
	for _, m := range matchers {
		if m.label == labelType {
			if !m.matches(t.id) {
				return nil, false, nil
			}
			continue
		}
		named = named || m.label == labelService && m.op == "="
		conditions = append(conditions, m)
	}
	if named {
		list, more, err = catalog(ctx, from, rng, conditions, targetLabels())
		if err != nil || len(list) > 0 || more {
			return list, more, err
		}
	}
	return catalog(ctx, from, rng, conditions, nil)
}
