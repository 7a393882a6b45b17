package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/profile"
)

// Overview is a list of services with what each did, all of one moment.
type Overview struct {
	Services  []Service // sorted by namespace, service and cluster; at most Limits.Services
	Activity  map[ServiceKey]*Activity
	Truncated bool // there are more services
	Uncounted bool // there are more targets than Limits.Counted, see Coverage
	Cost      Cost
}

// Activity is what a service did in a range, short enough for a list of
// services.
type Activity struct {
	Windows      WindowCount // Stored is those with a ledger of any type
	WindowLength time.Duration
	Types        map[profile.Type]*TypeActivity
	// Losses are those of all types, Unclaimed those that no type can claim.
	// Value is 0, as the types have no unit in common.
	Losses, Unclaimed []profile.Loss
}

// TypeActivity is a type of a service. Losses are not in its accounts.
type TypeActivity struct {
	Total Account
	Steps []Account
	// Unvalued is how many samples of Total are stored without a value.
	Unvalued int64
}

// Overview returns what each service did in a range, by steps; see Timeline for
// first.
func (s *Store) Overview(ctx context.Context, f ServiceFilter, first time.Time, step time.Duration) (*Overview, error) {
	const op = "read the activity of services"
	if err := s.checkSteps(op, f.Range, step); err != nil {
		return nil, err
	}
	if first.Before(f.From) || !first.Before(f.To) || first.Sub(f.From) >= step {
		first = f.From
	}
	var out *Overview
	cost, err := s.reading(ctx, op, func(ctx context.Context, r *read) error {
		return r.atOneMoment(ctx, func(m moment) (err error) {
			out, err = r.overview(ctx, f, steps{ceilSecond(first), int64(step / time.Second)}, m)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	out.Cost = cost
	return out, nil
}

func (r *read) overview(ctx context.Context, f ServiceFilter, st steps, m moment) (*Overview, error) {
	list, listed, err := r.services(ctx, f, m)
	if err != nil {
		return nil, err
	}
	limit := r.store.limits.Services
	from, to := f.seconds()
	all := &activities{span: seconds{from, to}, steps: st, of: map[ServiceKey]*serviceBoards{}}
	for i := range list[:min(len(list), limit)] {
		all.of[list[i].ServiceKey] = all.boards()
	}
	if err := r.activeSteps(ctx, f, all, m); err != nil {
		return nil, fmt.Errorf("sum up steps: %w", err)
	}
	losses, err := r.activeLosses(ctx, f, all, m)
	if err != nil {
		return nil, fmt.Errorf("read losses: %w", err)
	}
	targets, err := r.activeTargets(ctx, f, all, m)
	if err != nil {
		return nil, fmt.Errorf("count windows: %w", err)
	}
	if err := r.activeGaps(ctx, f, all, m); err != nil {
		return nil, fmt.Errorf("read what began before the range: %w", err)
	}
	out := &Overview{Services: list[:min(len(list), limit)], Activity: map[ServiceKey]*Activity{}, Truncated: len(list) > limit, Uncounted: all.uncounted}
	if listed != losses && !out.Truncated || losses != targets && !all.uncounted || !all.agrees(out.Services) {
		return nil, errMoved
	}
	for key, one := range all.of {
		if out.Activity[key], err = one.settled(r.op); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// activities are an overview while it is being filled.
type activities struct {
	span      seconds
	steps     steps
	of        map[ServiceKey]*serviceBoards
	targets   int
	uncounted bool
}

// serviceBoards are a board for each type, and one for windows of any type.
type serviceBoards struct {
	any               *board
	types             map[profile.Type]*board
	unvalued          map[profile.Type]int64
	losses, unclaimed []profile.Loss
}

func (a *activities) boards() *serviceBoards {
	one := &serviceBoards{
		any: newBoard("", a.span, steps{a.span.from, a.span.to - a.span.from}), types: map[profile.Type]*board{}, unvalued: map[profile.Type]int64{},
	}
	for _, t := range profile.Types() {
		one.types[t] = newBoard(t, a.span, a.steps)
	}
	return one
}

// agrees says whether the steps add up to the totals of the list.
func (a *activities) agrees(list []Service) bool {
	for i := range list {
		for _, total := range list[i].Types {
			var sum profile.Amount
			for j := range a.of[list[i].ServiceKey].types[total.Type].cells {
				sum = sum.Add(a.of[list[i].ServiceKey].types[total.Type].cells[j].Ledger.Stored)
			}
			if sum != total.Stored {
				return false
			}
		}
	}
	return true
}

func (one *serviceBoards) settled(op string) (*Activity, error) {
	whole, err := one.any.settle(op)
	if err != nil {
		return nil, err
	}
	out := &Activity{
		Windows: whole.Windows, WindowLength: time.Duration(one.any.length) * time.Second, Types: map[profile.Type]*TypeActivity{},
		Losses: one.losses, Unclaimed: profile.AddLosses(one.unclaimed, whole.Losses...),
	}
	for t, b := range one.types {
		total, err := b.settle(op)
		if err != nil {
			return nil, err
		}
		of := &TypeActivity{Total: total, Steps: make([]Account, len(b.cells)), Unvalued: one.unvalued[t]}
		for i := range b.cells {
			of.Steps[i] = b.cells[i].Account
		}
		out.Types[t] = of
	}
	return out, nil
}

func (r *read) activeSteps(ctx context.Context, f ServiceFilter, all *activities, m moment) error {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, type, %s AS cell, `+
		exact("sum(toInt128(stored_value))")+`, `+exact("sum(toInt128(stored_count))")+`, `+exact("sum(toInt128("+recordedSpan+"))")+`, toInt64(countIf(`+recorded+`))
FROM @.profiles FINAL WHERE type != '' AND %s AND %s%s GROUP BY cluster, namespace, service, type, cell`,
		all.steps.cell("window_start"), startsIn("window_start", all.span), m.received(), narrow)
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		var key ServiceKey
		var of string
		var cell, span int64
		var a Account
		if err := row.Scan(&key.Cluster, &key.Namespace, &key.Service, &of, &cell, &a.Ledger.Stored.Value, &a.Ledger.Stored.Count, &span, &a.Windows.Stored); err != nil {
			return err
		}
		if boards := all.of[key]; boards != nil && boards.types[profile.Type(of)] != nil {
			c := &boards.types[profile.Type(of)].cells[cell]
			c.Windows, c.Ledger.Stored, c.Time.Recorded = a.Windows, a.Ledger.Stored, time.Duration(span)
		}
		return r.checkSums(a.Ledger.Stored.Value, a.Ledger.Stored.Count, span)
	})
}

func (r *read) activeLosses(ctx context.Context, f ServiceFilter, all *activities, m moment) (read uint64, err error) {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, type, o, e, any(n > 0), sumIf(`+fingerprint+`, n <= 1 AND type = ''), %s
FROM @.profiles FINAL %s WHERE %s AND %s%s GROUP BY cluster, namespace, service, type, o, e`,
		lossSums(), lossRows, startsIn("window_start", all.span), m.received(), narrow)
	err = r.query(ctx, statement, args, func(row driver.Rows) error {
		var key ServiceKey
		var prints uint64
		var of string
		l, some, err := r.scanLoss(row, &key.Cluster, &key.Namespace, &key.Service, &of, &prints)
		read += prints
		boards := all.of[key]
		if err != nil || !some || boards == nil {
			return err
		}
		l.Value = 0 // ns of one type and bytes of another do not add up
		if l.Outcome == profile.Unvalued {
			boards.unvalued[profile.Type(of)] += l.Count
		}
		if of == "" {
			boards.unclaimed = profile.AddLosses(boards.unclaimed, l)
		} else {
			boards.losses = profile.AddLosses(boards.losses, l)
		}
		return nil
	})
	return read, err
}

func (r *read) activeGaps(ctx context.Context, f ServiceFilter, all *activities, m moment) error {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	statement := fmt.Sprintf("SELECT cluster, namespace, service, n, e, %s FROM @.profiles FINAL %s WHERE type = '' AND %s AND %s AND %s%s",
		gapSpan(all.span), lossRows, startsIn("window_start", before(all.span)), reachesInto(all.span), m.received(), narrow)
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		var key ServiceKey
		var g gap
		if err := g.scan(row, &key.Cluster, &key.Namespace, &key.Service); err != nil {
			return err
		}
		if boards := all.of[key]; boards != nil {
			boards.any.enterGap(g)
		}
		return nil
	})
}

// activeTargets counts the windows of each target as the timeline does. A target
// counts for the types of its windows, or for those that its sidecar reports, or
// for all if neither is known.
func (r *read) activeTargets(ctx context.Context, f ServiceFilter, all *activities, m moment) (read uint64, err error) {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	wide := seconds{max(all.span.from-lookBack, 0), all.span.to}
	limit := r.store.limits.Counted
	statement := fmt.Sprintf(`SELECT w.cluster, w.namespace, w.service, w.first, w.last, w.length, w.born, w.stored, w.lost, w.lost_s, w.prints,
  toInt64(toUnixTimestamp(t.until)), t.gone, if(notEmpty(w.kinds), w.kinds, t.records) FROM (
  SELECT cluster, namespace, service, series_id, min(at) AS first, max(at + length_s) AS last, toInt64(if(minIf(length_s, has) > 0, minIf(length_s, has), min(length_s))) AS length, min(born_s) AS born,
    groupUniqArrayArray(kinds_s) AS kinds, toInt64(countIf(at >= %d AND has)) AS stored, toInt64(countIf(at >= %d AND NOT has)) AS lost, sumIf(length_s, at >= %d AND NOT has) AS lost_s,
    sumIf(print, at >= %d) AS prints FROM (
    SELECT cluster, namespace, service, series_id, toInt64(toUnixTimestamp(window_start)) AS at, toInt64(max(duration_s)) AS length_s,
      toInt64(toUnixTimestamp(min(jvm_start))) AS born_s, groupUniqArrayArray(types) AS kinds_s, sum(`+fingerprint+`) AS print,
      max(notEmpty(types) AND `+recorded+`) AS has
    FROM @.profiles FINAL WHERE type = '' AND %s AND %s%s GROUP BY cluster, namespace, service, series_id, window_start
  ) GROUP BY cluster, namespace, service, series_id
) AS w LEFT JOIN (
  SELECT cluster, namespace, service, series_id, `+aliveUntil+`, argMax(events, reported_at) AS records FROM @.targets GROUP BY cluster, namespace, service, series_id
) AS t ON t.cluster = w.cluster AND t.namespace = w.namespace AND t.service = w.service AND t.series_id = w.series_id ORDER BY w.series_id LIMIT %d`,
		all.span.from, all.span.from, all.span.from, all.span.from, startsIn("window_start", wide), m.received(), narrow, limit+1)
	err = r.query(ctx, statement, args, func(row driver.Rows) error {
		var key ServiceKey
		l := life{now: m.at / 1000}
		var gone uint8
		var prints uint64
		var kinds []string
		var stored, lost, lostSeconds int64
		if err := row.Scan(&key.Cluster, &key.Namespace, &key.Service, &l.first, &l.last, &l.length, &l.born, &stored, &lost, &lostSeconds, &prints, &l.until, &gone, &kinds); err != nil {
			return err
		}
		l.gone = gone > 0
		read += prints
		if all.targets++; all.targets > limit {
			all.uncounted = true
			return nil
		}
		if boards := all.of[key]; boards != nil {
			boards.any.count(stored, lost, lostSeconds)
			boards.enter(l, kinds)
		}
		return nil
	})
	return read, err
}

// enter enters a target into the boards of the types that it is recorded for.
func (one *serviceBoards) enter(l life, kinds []string) {
	one.any.enter(l)
	for t, b := range one.types {
		if len(kinds) == 0 || slices.Contains(kinds, string(t)) {
			b.enter(l)
		}
	}
}
