package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	from, to := f.seconds()
	all := &activities{span: seconds{from, to}, steps: st, of: map[ServiceKey]*serviceBoards{}, targetsOf: map[ServiceKey]int{}}
	have, err := r.stale(ctx, seconds{max(from-lookBack, 0), to})
	if err != nil {
		return nil, err
	}
	all.inside, all.before = have.divide(all.span, st), have.divide(before(all.span), steps{0, from})
	list, listed, err := r.services(ctx, f, &all.inside, m)
	if err != nil {
		return nil, err
	}
	limit := r.store.limits.Services
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
	for i := range list {
		list[i].Targets = all.targetsOf[list[i].ServiceKey]
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
	inside    sources // of the span
	before    sources // of the time before it that is looked at as well
	of        map[ServiceKey]*serviceBoards
	targetsOf map[ServiceKey]int // that sent windows within the span
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
		exact("sum(toInt128(stored_value))")+`, `+exact("sum(toInt128(stored_count))")+`, `+exact("sum(toInt128(recorded_ns))")+`, sum(recordings)
FROM (%s) WHERE type != '' GROUP BY cluster, namespace, service, type, cell`, all.steps.cell("start"), all.inside.services(m, narrow))
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
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, type, o, e, any(n > 0), sumIf(prints, n <= 1 AND type = ''), %s
FROM (%s) %s GROUP BY cluster, namespace, service, type, o, e`, lossSums(), all.inside.services(m, narrow), lossRows)
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
	where, args, err := r.gapsMayBe(ctx, all, narrow, args)
	if err != nil || where == "" {
		return err
	}
	statement := fmt.Sprintf("SELECT cluster, namespace, service, n, e, %s FROM @.profiles FINAL %s WHERE type = '' AND (%s) AND %s AND %s%s",
		gapSpan(all.span), lossRows, where, reachesInto(all.span), m.received(), narrow)
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

// maxGapServices bounds the services whose headers are looked at by name for gaps.
const maxGapServices = 200

// gapsMayBe is the condition on headers among which are all windows without a
// recording that began before the range and reach into it; empty if there are none.
func (r *read) gapsMayBe(ctx context.Context, all *activities, narrow string, args params) (string, params, error) {
	var list []string
	if len(all.before.headers) > 0 {
		list = append(list, inAny("window_start", all.before.headers))
	}
	summed := all.before.summed()
	if len(summed) == 0 {
		return strings.Join(list, ""), args, nil
	}
	statement := fmt.Sprintf("SELECT DISTINCT service FROM (%s) WHERE lost > 0 AND last > %d LIMIT %d",
		strings.Join(all.before.rows("service, lost, last", "target_activity", narrow), " UNION ALL "), all.span.from, maxGapServices+1)
	services := []string{}
	err := r.query(ctx, statement, args, func(row driver.Rows) error {
		var service string
		err := row.Scan(&service)
		services = append(services, service)
		return err
	})
	switch {
	case err != nil:
		return "", nil, err
	case len(services) > maxGapServices:
		list = append(list, inAny("window_start", summed))
	case len(services) > 0:
		args = args.with("gaps", services)
		list = append(list, "service IN {gaps:Array(String)} AND "+inAny("window_start", summed))
	}
	return strings.Join(list, " OR "), args, nil
}

// activeTarget is what a target did. Times are Unix s.
type activeTarget struct {
	Cluster   string   `ch:"cluster"`
	Namespace string   `ch:"namespace"`
	Service   string   `ch:"service"`
	First     int64    `ch:"first"`
	Last      int64    `ch:"last"`
	Length    int64    `ch:"length"`
	Born      int64    `ch:"born"`
	Stored    int64    `ch:"stored"`
	Lost      int64    `ch:"lost"`
	LostS     int64    `ch:"lost_s"`
	Prints    uint64   `ch:"prints"`
	Until     int64    `ch:"until_s"`
	Gone      uint8    `ch:"is_gone"`
	Kinds     []string `ch:"kinds"`
}

// activeTargets counts the windows of each target as the timeline does. A target
// counts for the types of its windows, or for those that its sidecar reports, or
// for all if neither is known.
func (r *read) activeTargets(ctx context.Context, f ServiceFilter, all *activities, m moment) (read uint64, err error) {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	rows := all.inside.targets(m, narrow)
	if earlier := all.before.targets(m, narrow); earlier != "" {
		rows += " UNION ALL " + earlier
	}
	limit := r.store.limits.Counted
	within := fmt.Sprintf("start >= toDateTime(%d, 'UTC')", all.span.from)
	statement := fmt.Sprintf(`SELECT w.cluster AS cluster, w.namespace AS namespace, w.service AS service, w.first AS first, w.last AS last, w.length AS length, w.born AS born,
  w.stored AS stored, w.lost AS lost, w.lost_s AS lost_s, w.prints AS prints,
  toInt64(toUnixTimestamp(t.until)) AS until_s, t.gone AS is_gone, if(notEmpty(w.kinds), w.kinds, t.records) AS kinds FROM (
  SELECT cluster, namespace, service, series_id, min(rows.first) AS first, max(rows.last) AS last,
    if(minIf(recorded_length, recorded_length > 0) > 0, minIf(recorded_length, recorded_length > 0), min(any_length)) AS length, min(rows.born) AS born,
    groupUniqArrayArray(rows.kinds) AS kinds, sumIf(rows.stored, %s) AS stored, sumIf(rows.lost, %s) AS lost, sumIf(rows.lost_s, %s) AS lost_s,
    sumIf(rows.prints, %s) AS prints
  FROM (%s) AS rows GROUP BY cluster, namespace, service, series_id
) AS w LEFT JOIN (
  SELECT cluster, namespace, service, series_id, `+aliveUntil+`, argMax(events, reported_at) AS records FROM @.targets GROUP BY cluster, namespace, service, series_id
) AS t ON t.cluster = w.cluster AND t.namespace = w.namespace AND t.service = w.service AND t.series_id = w.series_id ORDER BY w.series_id LIMIT %d`,
		within, within, within, within, rows, limit+1)
	err = r.query(ctx, statement, args, func(row driver.Rows) error {
		var one activeTarget
		if err := row.ScanStruct(&one); err != nil {
			return err
		}
		read += one.Prints
		if all.targets++; all.targets > limit {
			all.uncounted = true
			return nil
		}
		key := ServiceKey{one.Cluster, one.Namespace, one.Service}
		if one.Stored+one.Lost > 0 {
			all.targetsOf[key]++
		}
		if boards := all.of[key]; boards != nil {
			boards.any.count(one.Stored, one.Lost, one.LostS)
			boards.enter(life{
				now: m.at / 1000, first: one.First, last: one.Last, length: one.Length, born: one.Born, until: one.Until, gone: one.Gone > 0,
			}, one.Kinds)
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
