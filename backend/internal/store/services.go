package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

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
		return r.atOneMoment(ctx, func(m moment) (err error) {
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
	list, listed, err := r.services(ctx, f, &source, m)
	if err != nil {
		return nil, err
	}
	targets, counted := map[ServiceKey]int{}, uint64(0)
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	statement := fmt.Sprintf("SELECT cluster, namespace, service, uniqExact(series_id), sum(prints) FROM (%s) GROUP BY cluster, namespace, service", source.targets(m, narrow))
	err = r.query(ctx, statement, args, func(row driver.Rows) error {
		var key ServiceKey
		var number, prints uint64
		err := row.Scan(&key.Cluster, &key.Namespace, &key.Service, &number, &prints)
		targets[key] = int(number)
		counted += prints
		return err
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

// services reads a row for each service and type; the one of the type ” counts
// windows. It returns the fingerprint of the headers as well.
func (r *read) services(ctx context.Context, f ServiceFilter, from *sources, m moment) (list []Service, read uint64, err error) {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, type, groupUniqArrayArray(%d)(versions), sum(windows), sumIf(prints, type = ''), min(first), max(last), `+
		exact("sum(toInt128(stored_value))")+`, `+exact("sum(toInt128(stored_count))")+`, `+
		exact("sum(toInt128(captured_value))")+`, `+exact("sum(toInt128(captured_count))")+`
FROM (%s) GROUP BY cluster, namespace, service, type
ORDER BY namespace, service, cluster, type LIMIT %d`,
		MaxVersions, from.services(m, narrow), (r.store.limits.Services+1)*(len(profile.Types())+1))
	err = r.query(ctx, statement, args, func(row driver.Rows) error {
		var one Service
		var of string
		var windows, prints uint64
		var first, last int64
		var stored, captured profile.Amount
		err := row.Scan(&one.Cluster, &one.Namespace, &one.Service, &of, &one.Versions, &windows, &prints, &first, &last,
			&stored.Value, &stored.Count, &captured.Value, &captured.Count)
		if err != nil {
			return err
		}
		read += prints
		if of == "" {
			slices.Sort(one.Versions)
			one.Windows, one.FirstStart, one.LastEnd = int64(windows), time.Unix(first, 0).UTC(), time.Unix(last, 0).UTC()
			list = append(list, one)
			return nil
		}
		if n := len(list); n > 0 && list[n-1].ServiceKey == one.ServiceKey {
			lost := profile.Amount{Value: captured.Value - stored.Value, Count: captured.Count - stored.Count}
			list[n-1].Types = append(list[n-1].Types, TypeTotal{Type: profile.Type(of), Stored: stored, Lost: lost})
		}
		return r.checkSums(stored.Value, stored.Count, captured.Value, captured.Count)
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
