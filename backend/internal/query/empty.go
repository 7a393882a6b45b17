package query

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

// whyEmpty says why no window of a selection is in the store. It returns an
// error if nobody knows the service.
func (q *Query) whyEmpty(ctx context.Context, r request) ([]profile.Loss, error) {
	key := r.sel.ServiceKey
	inRange, err := q.sent(ctx, r.sel.Range, key)
	if err != nil {
		return nil, err
	}
	if inRange != nil {
		return q.because(r, []profile.Reason{absentPart(r, inRange)}), nil
	}
	targets, _, _, err := q.Catalog.Targets(ctx, store.TargetFilter{
		Clusters: []string{key.Cluster}, Namespaces: []string{key.Namespace}, Service: key.Service,
	})
	if err != nil {
		return nil, err
	}
	if len(targets) == 0 {
		if err := q.mustBeKnown(ctx, key); err != nil {
			return nil, err
		}
	}
	return q.because(r, q.reasonsOf(r, targets)), nil
}

// absentPart is the reason for which a service that sent windows in the range
// has none in the selection.
func absentPart(r request, s *store.Service) profile.Reason {
	for _, t := range s.Types {
		if t.Type == r.sel.Type { // so it is the version or the series
			return profile.NoTarget
		}
	}
	return profile.NotRecorded
}

// reasonsOf are the reasons for which targets sent nothing in the range. A
// target that has fallen silent keeps the reason that it gave before.
func (q *Query) reasonsOf(r request, targets []store.TargetStatus) []profile.Reason {
	now := q.Now()
	if r.rng.To.Before(now.Add(-q.Limits.Retention)) {
		return []profile.Reason{profile.BeforeRetention}
	}
	var reasons []profile.Reason
	for _, t := range targets {
		if !concerns(r, t) {
			continue
		}
		target := q.target(t)
		if t.Reason != "" {
			reasons = append(reasons, t.Reason)
		}
		switch {
		case target.Silent:
			reasons = append(reasons, profile.NoReport)
		case t.Reason != "" && t.State != string(profile.StateProfiled):
		case len(target.State.Events) > 0 && !slices.Contains(target.State.Events, string(r.sel.Type)):
			reasons = append(reasons, profile.NotRecorded)
		case t.State == string(profile.StateProfiled) && r.rng.To.After(now.Add(-patience(target.State.WindowSeconds))):
			reasons = append(reasons, profile.WindowNotYetArrived)
		}
	}
	if len(reasons) == 0 {
		reasons = append(reasons, profile.NoTarget)
	}
	return reasons
}

// concerns reports whether a target is in the selection and was running in its
// range.
func concerns(r request, t store.TargetStatus) bool {
	return !t.JVMStart.After(r.rng.To) && among(r.sel.Versions, t.Version) && among(r.sel.Pods, t.Pod) &&
		among(r.sel.Containers, t.Container) && among(r.sel.Nodes, t.Node) && among(r.sel.Series, t.SeriesID)
}

// among reports whether a list that narrows lets a value through.
func among[T comparable](list []T, value T) bool {
	return len(list) == 0 || slices.Contains(list, value)
}

// because enters each reason once, as time of the range that nobody profiled.
func (q *Query) because(r request, reasons []profile.Reason) []profile.Loss {
	var list []profile.Loss
	for _, reason := range reasons {
		list = profile.AddLosses(list, profile.Loss{Outcome: profile.Dropped, Reason: reason, Duration: 1})
	}
	for i := range list {
		list[i].Duration = r.rng.To.Sub(r.rng.From)
	}
	return list
}

// sent returns the service if it sent windows in a range, else nil.
func (q *Query) sent(ctx context.Context, span store.Range, key store.ServiceKey) (*store.Service, error) {
	list, _, _, err := q.Catalog.Services(ctx, store.ServiceFilter{
		Range: span, Clusters: []string{key.Cluster}, Namespaces: []string{key.Namespace},
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].ServiceKey == key {
			return &list[i], nil
		}
	}
	return nil, nil
}

// mustBeKnown returns an error unless the service sent windows at any time that
// is kept. The error names services of that name elsewhere.
func (q *Query) mustBeKnown(ctx context.Context, key store.ServiceKey) error {
	now := q.Now()
	list, _, _, err := q.Catalog.Services(ctx, store.ServiceFilter{Range: store.Range{From: now.Add(-q.Limits.Retention), To: now.Add(q.Limits.Ahead)}})
	if err != nil {
		return err
	}
	var elsewhere []string
	for _, s := range list {
		if s.ServiceKey == key {
			return nil
		}
		if s.Service == key.Service && len(elsewhere) < 5 {
			elsewhere = append(elsewhere, fmt.Sprintf("cluster=%s&namespace=%s", s.Cluster, s.Namespace))
		}
	}
	e := api.Errorf(profile.UnknownService, "no service %s has sent anything", nameOf(key))
	if len(elsewhere) > 0 {
		e.Hint = "There is a service of that name with " + strings.Join(elsewhere, " and with ")
	}
	return e
}

// nameOf is a service with the namespace and the cluster that it has.
func nameOf(key store.ServiceKey) string {
	name := key.Service
	if key.Namespace != "" {
		name += " in namespace " + key.Namespace
	}
	if key.Cluster != "" {
		name += " of cluster " + key.Cluster
	}
	return name
}
