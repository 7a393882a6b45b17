package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	Types        map[profile.Type]*TypeActivity // those that windows have or that targets are recorded for
	// Losses are those of all types, Unclaimed those that no type can claim.
	// Value is 0, as the types have no unit in common.
	Losses, Unclaimed []profile.Loss
}

// TypeActivity is a type of a service. Losses are not in its accounts.
type TypeActivity struct {
	Total Account
	Steps []Step
	// Unvalued is how many samples of Total are stored without a value.
	Unvalued int64
}

// Step is what was stored of a type in a step.
type Step struct {
	Windows int64
	Stored  profile.Amount
	Time    Time
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
		return r.atOneMoment(ctx, r.clock, func(m moment) (err error) {
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
	limit := r.store.limits.Services
	list, listed, err := r.services(ctx, f, &all.inside, m, all.columns(), func(one *serviceOfType) error {
		if one.Type == "" && len(all.of) < limit {
			all.of[one.key()] = all.boards()
		}
		return r.enterSteps(all.of[one.key()], one)
	})
	if err != nil {
		return nil, err
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
	if listed != targets && !out.Truncated && !all.uncounted {
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

// serviceBoards are a board for each type that there is, and one for windows of any
// type.
type serviceBoards struct {
	any               *board
	types             map[profile.Type]*board
	span              seconds
	steps             steps
	unvalued          map[profile.Type]int64
	losses, unclaimed []profile.Loss
}

func (a *activities) boards() *serviceBoards {
	return &serviceBoards{
		any: newBoard("", a.span, steps{a.span.from, a.span.to - a.span.from}), types: map[profile.Type]*board{}, span: a.span, steps: a.steps,
		unvalued: map[profile.Type]int64{},
	}
}

// board is that of a type.
func (one *serviceBoards) board(t profile.Type) *board {
	if one.types[t] == nil {
		one.types[t] = newBoard(t, one.span, one.steps)
	}
	return one.types[t]
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
		of := &TypeActivity{Total: total, Steps: make([]Step, len(b.cells)), Unvalued: one.unvalued[t]}
		for i := range b.cells {
			c := &b.cells[i]
			of.Steps[i] = Step{Windows: c.Windows.Stored, Stored: c.Ledger.Stored, Time: c.Time}
		}
		out.Types[t] = of
	}
	return out, nil
}

// inSteps is what a service did of a type: a number for each step, and losses by
// outcome and reason. Numbers of steps are words, as clickhouse-go makes an object of
// each number of an array.
type inSteps struct {
	Values     string   `ch:"step_values"`
	Counts     string   `ch:"step_counts"`
	Recorded   string   `ch:"step_ns"`
	Recordings string   `ch:"step_recordings"`
	RecordedNs int64    `ch:"ns"`
	Lost       []string `ch:"lost"` // outcome and reason
	LostCount  []int64  `ch:"lost_count"`
	LostNs     []int64  `ch:"lost_ns"`
	LostBytes  []int64  `ch:"lost_bytes"`
}

// columns are those of inSteps. A step fits into Int64 where the sum of all does.
func (a *activities) columns() string {
	step := func(column string) string {
		return fmt.Sprintf("arrayStringConcat(sumResampleIf(0, %d, 1)(%s, %s, type != ''), ' ')", a.steps.number(a.span), column, a.steps.cell("start"))
	}
	loss := func(column string) string { return "arrayMap(n -> toInt128(n), " + column + ")" }
	sums := func(i int) string { return fmt.Sprintf("arrayMap(n -> %s, losses.%d)", exact("n"), i) }
	return fmt.Sprintf(`, %s AS step_values, %s AS step_counts, %s AS step_ns, %s AS step_recordings, %s AS ns,
  tupleElement(sumMap(arrayMap((o, e) -> concat(toString(o), ' ', e), loss_outcome, loss_reason), arrayMap(o -> 1, loss_outcome), %s, %s, %s) AS losses, 1) AS lost, %s AS lost_count, %s AS lost_ns, %s AS lost_bytes`,
		step("stored_value"), step("stored_count"), step("recorded_ns"), step("recordings"), exact("sum(toInt128(recorded_ns))"),
		loss("loss_count"), loss("loss_duration_ns"), loss("loss_bytes"), sums(3), sums(4), sums(5))
}

// enterSteps enters a row of the list into the boards of its service; nil if that
// is not shown.
func (r *read) enterSteps(boards *serviceBoards, one *serviceOfType) error {
	if err := r.checkSums(slices.Concat(one.LostCount, one.LostNs, one.LostBytes, []int64{one.RecordedNs})...); err != nil || boards == nil {
		return err
	}
	if err := boards.enterLosses(one); err != nil {
		return err
	}
	if !slices.Contains(profile.Types(), profile.Type(one.Type)) {
		return nil
	}
	b := boards.board(profile.Type(one.Type))
	return errors.Join(
		eachNumber(one.Values, func(i int, n int64) { b.cells[i].Ledger.Stored.Value = n }),
		eachNumber(one.Counts, func(i int, n int64) { b.cells[i].Ledger.Stored.Count = n }),
		eachNumber(one.Recorded, func(i int, n int64) { b.cells[i].Time.Recorded = time.Duration(n) }),
		eachNumber(one.Recordings, func(i int, n int64) { b.cells[i].Windows.Stored = n }),
	)
}

func eachNumber(words string, enter func(i int, n int64)) error {
	i := 0
	for word := range strings.SplitSeq(words, " ") {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return fmt.Errorf("read numbers of steps: %w", err)
		}
		enter(i, n)
		i++
	}
	return nil
}

// enterLosses leaves their values out: ns of one type and bytes of another do not
// add up.
func (one *serviceBoards) enterLosses(row *serviceOfType) error {
	for i, name := range row.Lost {
		number, reason, _ := strings.Cut(name, " ")
		outcome, err := strconv.ParseUint(number, 10, 8)
		if err != nil {
			return fmt.Errorf("read the outcome of a loss: %w", err)
		}
		l := profile.Loss{
			Outcome: profile.Outcome(outcome), Reason: profile.Reason(reason),
			Count: row.LostCount[i], Duration: time.Duration(row.LostNs[i]), Bytes: row.LostBytes[i],
		}
		if l.Outcome == profile.Unvalued {
			one.unvalued[profile.Type(row.Type)] += l.Count
		}
		if row.Type == "" {
			one.unclaimed = profile.AddLosses(one.unclaimed, l)
		} else {
			one.losses = profile.AddLosses(one.losses, l)
		}
	}
	return nil
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
	statement := fmt.Sprintf("SELECT DISTINCT service FROM @(%s) WHERE lost > 0 AND last > %d LIMIT %d",
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
	statement := fmt.Sprintf(`SELECT * EXCEPT (series_id) FROM @(SELECT w.series_id AS series_id, w.cluster AS cluster, w.namespace AS namespace, w.service AS service, w.first AS first, w.last AS last, w.length AS length, w.born AS born,
  w.stored AS stored, w.lost AS lost, w.lost_s AS lost_s, w.prints AS prints,
  toInt64(toUnixTimestamp(t.until)) AS until_s, t.gone AS is_gone, if(notEmpty(w.kinds), w.kinds, t.records) AS kinds FROM (
  SELECT cluster, namespace, service, series_id, min(rows.first) AS first, max(rows.last) AS last,
    if(minIf(recorded_length, recorded_length > 0) > 0, minIf(recorded_length, recorded_length > 0), min(any_length)) AS length, min(rows.born) AS born,
    groupUniqArrayArray(rows.kinds) AS kinds, sumIf(rows.stored, %s) AS stored, sumIf(rows.lost, %s) AS lost, sumIf(rows.lost_s, %s) AS lost_s,
    sumIf(rows.prints, %s) AS prints
  FROM (%s) AS rows GROUP BY cluster, namespace, service, series_id
) AS w LEFT JOIN (
  SELECT cluster, namespace, service, series_id, `+aliveUntil+`, argMax(events, reported_at) AS records FROM @.targets GROUP BY cluster, namespace, service, series_id
) AS t ON t.cluster = w.cluster AND t.namespace = w.namespace AND t.service = w.service AND t.series_id = w.series_id) ORDER BY series_id LIMIT %d`,
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
	for _, t := range profile.Types() {
		if len(kinds) == 0 || slices.Contains(kinds, string(t)) {
			one.board(t).enter(l)
		}
	}
}
