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
// Limits.Services.
func (s *Store) Services(ctx context.Context, f ServiceFilter) (list []Service, truncated bool, cost Cost, err error) {
	const op = "list services"
	if err := s.checkRange(op, f.Range); err != nil {
		return nil, false, Cost{}, err
	}
	var all []Service // not a result: a read that was given up may still write it
	cost, err = s.reading(ctx, op, func(ctx context.Context, r *read) (err error) {
		return r.atOneMoment(ctx, r.clock, func(m moment) (err error) {
			all, err = r.servicesWithTargets(ctx, f, m)
			return err
		})
	})
	if err != nil {
		return nil, false, cost, err
	}
	return all[:min(len(all), s.limits.Services)], len(all) > s.limits.Services, cost, nil
}

// servicesWithTargets lists services, with the number of their targets.
func (r *read) servicesWithTargets(ctx context.Context, f ServiceFilter, m moment) ([]Service, error) {
	from, to := f.seconds()
	span := seconds{from, to}
	have, err := r.stale(ctx, span)
	if err != nil {
		return nil, err
	}
	source := have.divide(span, steps{from, to - from})
	list, listed, err := r.services(ctx, f, &source, m, "", func(*serviceOfType) error { return nil })
	if err != nil {
		return nil, err
	}
	targets, counted := map[ServiceKey]int{}, uint64(0)
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	statement := fmt.Sprintf("SELECT cluster, namespace, service, uniqExact(series_id) AS targets, sum(prints) AS print FROM @(%s) GROUP BY cluster, namespace, service", source.targets(m, narrow))
	err = rowsOf(ctx, r, statement, args, func(one *targetsOfService) error {
		targets[ServiceKey{one.Cluster, one.Namespace, one.Service}] = int(one.Targets)
		counted += one.Print
		return nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("count targets: %w", err)
	case listed != counted && len(list) <= r.store.limits.Services:
		return nil, errMoved
	}
	for i := range list {
		list[i].Targets = targets[list[i].ServiceKey]
	}
	return list, nil
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

// services reads a row for each service and type; the one of the type ” counts
// windows, and comes first. It returns the fingerprint of the headers as well. The
// columns more are for each, which sees every row.
func (r *read) services(ctx context.Context, f ServiceFilter, from *sources, m moment, more string, each func(*serviceOfType) error) (list []Service, read uint64, err error) {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, type, groupUniqArrayArrayIf(%d)(versions, type = '') AS all_versions, sum(windows) AS number, sumIf(prints, type = '') AS print, max(last) AS last_end, `+
		exact("sum(toInt128(stored_value))")+` AS sv, `+exact("sum(toInt128(stored_count))")+` AS sc%s
FROM @(%s) GROUP BY cluster, namespace, service, type
ORDER BY namespace, service, cluster, type LIMIT %d`,
		MaxVersions, more, from.services(m, narrow), (r.store.limits.Services+1)*(len(profile.Types())+1))
	err = rowsOf(ctx, r, statement, args, func(one *serviceOfType) error {
		read += one.Print
		key := one.key()
		if one.Type == "" {
			slices.Sort(one.Versions)
			list = append(list, Service{
				ServiceKey: key, Versions: one.Versions, Windows: int64(one.Windows), LastEnd: time.Unix(one.Last, 0).UTC(),
			})
			return each(one)
		}
		if n := len(list); n > 0 && list[n-1].ServiceKey == key {
			stored, fits := one.stored()
			list[n-1].Types = append(list[n-1].Types, TypeTotal{Type: profile.Type(one.Type), Stored: stored, TooLarge: !fits})
		}
		return each(one)
	})
	return list, read, err
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
