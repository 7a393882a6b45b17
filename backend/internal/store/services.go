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
		all, _, err = r.services(ctx, f, moment{at: maxTime * 1000}) // one query is one moment
		return err
	})
	if err != nil {
		return nil, false, cost, err
	}
	return all[:min(len(all), s.limits.Services)], len(all) > s.limits.Services, cost, nil
}

// services reads a row for each service and type; the one of the type ” counts
// windows. It returns the fingerprint of the headers as well.
func (r *read) services(ctx context.Context, f ServiceFilter, m moment) (list []Service, read uint64, err error) {
	from, to := f.seconds()
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, type, groupUniqArray(%d)(version), uniqExact(series_id), count(), sumIf(`+fingerprint+`, type = ''),
  min(window_start), toInt64(max(toUnixTimestamp(window_start) + duration_s)), `+
		exact("sum(toInt128(stored_value))")+`, `+exact("sum(toInt128(stored_count))")+`, `+
		exact("sum(toInt128(captured_value))")+`, `+exact("sum(toInt128(captured_count))")+`
FROM @.profiles FINAL WHERE %s AND %s%s GROUP BY cluster, namespace, service, type
ORDER BY namespace, service, cluster, type LIMIT %d`,
		MaxVersions, startsIn("window_start", seconds{from, to}), m.received(), narrow, (r.store.limits.Services+1)*(len(profile.Types())+1))
	err = r.query(ctx, statement, args, func(row driver.Rows) error {
		var one Service
		var of string
		var targets, windows, prints uint64
		var last int64
		var stored, captured profile.Amount
		err := row.Scan(&one.Cluster, &one.Namespace, &one.Service, &of, &one.Versions, &targets, &windows, &prints, &one.FirstStart, &last,
			&stored.Value, &stored.Count, &captured.Value, &captured.Count)
		if err != nil {
			return err
		}
		read += prints
		if of == "" {
			slices.Sort(one.Versions)
			one.Targets, one.Windows, one.LastEnd = int(targets), int64(windows), time.Unix(last, 0).UTC()
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
