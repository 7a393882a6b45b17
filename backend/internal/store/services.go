package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Services lists the services that sent windows in a range, sorted by
// namespace, service and cluster, and whether there are more than
// Limits.Services, or of one namespace more than three quarters of that.
func (s *Store) Services(ctx context.Context, f ServiceFilter) (list []Service, truncated bool, cost Cost, err error) {
	const op = "list services"
	if err := s.checkRange(op, f.Range); err != nil {
		return nil, false, Cost{}, err
	}
	var all serviceList // not a result: a read that was given up may still write it
	cost, err = s.reading(ctx, op, func(ctx context.Context, r *read) (err error) {
		return r.atOneMoment(ctx, r.clock, func(m moment) (err error) {
			all, err = r.servicesWithTargets(ctx, f, m)
			return err
		})
	})
	if err != nil {
		return nil, false, cost, err
	}
	return all.services[:min(len(all.services), s.limits.Services)], all.truncated(s.limits), cost, nil
}

// serviceList is a list of services while it is being read.
type serviceList struct {
	services []Service
	prints   uint64            // of their headers
	of       map[[2]string]int // services of a cluster and namespace
	cut      bool              // one of these has more than its part
}

func (l *serviceList) truncated(limits Limits) bool {
	return l.cut || len(l.services) > limits.Services
}

// ofNamespace is how much of a list one namespace may take, unless it alone is asked
// for: one that names as many as it can must not keep the others out.
func ofNamespace(limit int, asked []string) int {
	if len(asked) == 1 {
		return limit
	}
	return max(limit*3/4, 1)
}

// enter adds a service, unless its namespace has its part.
func (l *serviceList) enter(s Service, most int) {
	where := [2]string{s.Cluster, s.Namespace}
	if l.of[where]++; l.of[where] > most {
		l.cut = true
		return
	}
	l.services = append(l.services, s)
}

// servicesWithTargets lists services, with the number of their targets.
func (r *read) servicesWithTargets(ctx context.Context, f ServiceFilter, m moment) (all serviceList, err error) {
	from, to := f.seconds()
	span := seconds{from, to}
	have, err := r.stale(ctx, span)
	if err != nil {
		return all, err
	}
	source := have.divide(span, steps{from, to - from})
	all, err = r.services(ctx, f, &source, m, "", func(*serviceOfType) error { return nil })
	if err != nil {
		return all, err
	}
	limits := r.store.limits
	targets, counted := map[ServiceKey]int{}, uint64(0)
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	statement := fmt.Sprintf("SELECT cluster, namespace, service, uniqExact(series_id) AS targets, sum(prints) AS print FROM @(%s) GROUP BY cluster, namespace, service ORDER BY namespace, service, cluster LIMIT %d BY cluster, namespace LIMIT %d",
		source.targets(m, narrow), ofNamespace(limits.Services, f.Namespaces)+1, limits.Services+1)
	err = rowsOf(ctx, r, statement, args, func(one *targetsOfService) error {
		targets[ServiceKey{one.Cluster, one.Namespace, one.Service}] = int(one.Targets)
		counted += one.Print
		return nil
	})
	switch {
	case err != nil:
		return all, fmt.Errorf("count targets: %w", err)
	case all.prints != counted && !all.truncated(limits):
		return all, errMoved
	}
	for i := range all.services {
		all.services[i].Targets = targets[all.services[i].ServiceKey]
	}
	return all, nil
}

// targetsOfService is the number of a service's targets.
type targetsOfService struct {
	Cluster   string `ch:"cluster"`
	Namespace string `ch:"namespace"`
	Service   string `ch:"service"`
	Targets   uint64 `ch:"targets"`
	Print     uint64 `ch:"print"`
}

// serviceOfType is a row of the list of services, before types are put together.
type serviceOfType struct {
	Cluster     string   `ch:"cluster"`
	Namespace   string   `ch:"namespace"`
	Service     string   `ch:"service"`
	Type        string   `ch:"type"`
	Versions    []string `ch:"all_versions"`
	Windows     uint64   `ch:"number"`
	Print       uint64   `ch:"print"`
	Last        int64    `ch:"last_end"`
	StoredValue int64    `ch:"sv"`
	StoredCount int64    `ch:"sc"`
	inSteps
}

func (one *serviceOfType) key() ServiceKey {
	return ServiceKey{one.Cluster, one.Namespace, one.Service}
}

// stored is what a row says is stored, and whether that fits. One service whose sums
// do not must not keep all others out of the list.
func (one *serviceOfType) stored() (stored profile.Amount, fits bool) {
	if one.StoredValue < 0 || one.StoredCount < 0 {
		return profile.Amount{Count: atMost(one.StoredCount)}, false
	}
	return profile.Amount{Value: one.StoredValue, Count: one.StoredCount}, true
}

// atMost is a sum that stays at the largest number if it does not fit, see exact.
func atMost(sum int64) int64 {
	if sum < 0 {
		return math.MaxInt64
	}
	return sum
}

// known is false if a later version stored the type.
func (one *serviceOfType) known() bool {
	return slices.Contains(profile.Types(), profile.Type(one.Type))
}

// services reads a row for each service and type; the one of the type ” counts
// windows, and comes first. The columns more are for each, which sees every row of the
// services that are listed.
func (r *read) services(ctx context.Context, f ServiceFilter, from *sources, m moment, more string, each func(*serviceOfType) error) (all serviceList, err error) {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	part, rows := ofNamespace(r.store.limits.Services, f.Namespaces), len(profile.Types())+1
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, type, groupUniqArrayArrayIf(%d)(versions, type = '') AS all_versions, sum(windows) AS number, sumIf(prints, type = '') AS print, max(last) AS last_end, `+
		exact("sum(toInt128(stored_value))")+` AS sv, `+exact("sum(toInt128(stored_count))")+` AS sc%s
FROM @(%s) GROUP BY cluster, namespace, service, type
ORDER BY namespace, service, cluster, type LIMIT %d BY cluster, namespace LIMIT %d`,
		MaxVersions, more, from.services(m, narrow), part*rows+1, (r.store.limits.Services+1)*rows)
	all.of = map[[2]string]int{}
	err = rowsOf(ctx, r, statement, args, func(one *serviceOfType) error {
		all.prints += one.Print
		key := one.key()
		if one.Type == "" {
			slices.Sort(one.Versions)
			all.enter(Service{
				ServiceKey: key, Versions: one.Versions, Windows: int64(one.Windows), LastEnd: time.Unix(one.Last, 0).UTC(),
			}, part)
		}
		last := len(all.services) - 1
		if last < 0 || all.services[last].ServiceKey != key {
			return nil
		}
		if one.known() {
			stored, fits := one.stored()
			all.services[last].Types = append(all.services[last].Types, TypeTotal{Type: profile.Type(one.Type), Stored: stored, TooLarge: !fits})
		}
		return each(one)
	})
	return all, err
}

// oneOf is the condition that narrows by cluster and namespace, starting with
// AND; empty if both lists are nil.
func oneOf(clusters, namespaces []string) (condition string, args params) {
	if clusters != nil {
		condition, args = condition+" AND cluster IN {clusters:Array(String)}", args.with("clusters", clusters)
	}
	if namespaces != nil {
		condition, args = condition+" AND namespace IN {namespaces:Array(String)}", args.with("namespaces", namespaces)
	}
	return condition, args
}
