package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

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
	// TooLarge says that a sum is 2^63 or more. Values of such a type are left out,
	// and other numbers stay at the largest one.
	TooLarge bool
}

// TypeActivity is a type of a service.
type TypeActivity struct {
	Time  Time // of the whole range
	Steps []Step
	// Unvalued is how many samples are stored without a value.
	Unvalued int64
}

// Step is what was stored of a type in a step.
type Step struct {
	Value    int64
	Unvalued bool // samples are stored, and none of them has a value
	Time     Time
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
	all := &activities{grid: grid{seconds{from, to}, st}, of: map[ServiceKey]*serviceBoards{}, targetsOf: map[ServiceKey]int{}, gaps: map[string]bool{}}
	have, err := r.stale(ctx, seconds{max(from-lookBack, 0), to})
	if err != nil {
		return nil, err
	}
	all.inside, all.before = have.divide(all.span, st), have.divide(before(all.span), steps{0, from})
	list, same, err := r.enterActivity(ctx, f, all, m)
	if err != nil {
		return nil, err
	}
	if err := r.activeGaps(ctx, f, all, m); err != nil {
		return nil, fmt.Errorf("read what began before the range: %w", err)
	}
	for i, s := range list.services {
		list.services[i].Targets = all.targetsOf[s.ServiceKey]
	}
	shown := list.services[:min(len(list.services), r.store.limits.Services)]
	out := &Overview{Services: shown, Activity: map[ServiceKey]*Activity{}, Truncated: list.truncated(r.store.limits), Uncounted: all.uncounted}
	if !same && !out.Truncated && !all.uncounted {
		return nil, errMoved
	}
	for key, one := range all.of {
		out.Activity[key] = one.settled(r.op)
	}
	return out, nil
}

// enterActivity enters services and targets, which are read at the same time as what targets
// reported, and returns the list of services and whether both saw the same windows.
func (r *read) enterActivity(ctx context.Context, f ServiceFilter, all *activities, m moment) (list serviceList, same bool, err error) {
	var counted uint64
	var targets []activeTarget
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		list, err = r.services(ctx, f, &all.inside, m, all.columns(), func(one *serviceOfType) error {
			if one.Type == "" && len(all.of) < r.store.limits.Services {
				all.of[one.key()] = all.boards()
			}
			return all.of[one.key()].enterSteps(one)
		})
		return err
	})
	g.Go(func() (err error) {
		if targets, counted, err = r.activeTargets(ctx, f, all, m); err != nil {
			return fmt.Errorf("count windows: %w", err)
		}
		return nil
	})
	g.Go(func() (err error) {
		if all.reports, all.uncounted, err = r.reportsOf(ctx, f, all.span); err != nil {
			return fmt.Errorf("read reports of targets: %w", err)
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return list, false, err
	}
	all.uncounted = all.uncounted || len(targets) > r.store.limits.Counted
	for i := range targets[:min(len(targets), r.store.limits.Counted)] {
		all.enter(&targets[i], m)
	}
	return list, list.prints == counted, nil
}

// activities are an overview while it is being filled.
type activities struct {
	grid
	inside    sources // of the span
	before    sources // of the time before it that is looked at as well
	of        map[ServiceKey]*serviceBoards
	targetsOf map[ServiceKey]int // that sent windows within the span
	reports   map[seriesOf]report
	gaps      map[string]bool // names of services, see activeTarget.Gaps
	uncounted bool
}

// serviceBoards are a board for windows of any type, and what there is of each type.
type serviceBoards struct {
	grid
	any               *board
	types             map[profile.Type]*typeSteps
	losses, unclaimed []profile.Loss
	tooLarge          bool
}

// typeSteps are a type of a service while its steps are being filled.
type typeSteps struct {
	TypeActivity
	lives []seconds // of targets, within the span
}

func (t *typeSteps) time(step int) *Time { return &t.Steps[step].Time }

func (a *activities) boards() *serviceBoards {
	return &serviceBoards{
		grid: a.grid, any: newBoard("", a.span, steps{a.span.from, a.span.to - a.span.from}), types: map[profile.Type]*typeSteps{},
	}
}

// of is what there is of a type.
func (one *serviceBoards) of(t profile.Type) *typeSteps {
	if one.types[t] == nil {
		one.types[t] = &typeSteps{TypeActivity: TypeActivity{Steps: make([]Step, one.number())}}
	}
	return one.types[t]
}

func (one *serviceBoards) settled(op string) *Activity {
	whole, err := one.any.settle(op)
	out := &Activity{
		TooLarge: one.tooLarge || err != nil, Windows: whole.Windows, WindowLength: time.Duration(one.any.length) * time.Second, Types: make(map[profile.Type]*TypeActivity, len(one.types)),
		Losses: one.losses, Unclaimed: profile.AddLosses(one.unclaimed, whole.Losses...),
	}
	for t, of := range one.types {
		one.cover(of.lives, of.time)
		for i := range of.Steps {
			of.Time = of.Time.add(of.Steps[i].Time)
		}
		out.Types[t] = &of.TypeActivity
	}
	return out
}

// inSteps is what a service did of a type by steps, and losses by outcome and reason.
// clickhouse-go would make an object of each element of an array.
type inSteps struct {
	Steps      []byte `ch:"steps"` // see columns; empty if there is no type
	RecordedNs int64  `ch:"ns"`
	Lost       string `ch:"lost"` // lines of count, ns, bytes, outcome and reason
}

// columns are those of inSteps. Steps are three arrays: the value and the recorded ns of
// each, and the steps in which samples are stored without a value. A step fits into
// Int64 where the sum of all does. A loss stays whose numbers are all 0.
func (a *activities) columns() string {
	cell := a.steps.cell("start")
	step := func(column string) string {
		return fmt.Sprintf("sumResample(0, %d, 1)(%s, %s)", a.number(), column, cell)
	}
	return fmt.Sprintf(`, if(type = '', '', formatRow('RowBinary', %s, %s, groupUniqArrayIf(%s, stored_value = 0 AND stored_count > 0))) AS steps, %s AS ns,
  arrayStringConcat(arrayMap((name, sums) -> concat(arrayStringConcat(arrayMap(n -> %s, sums), ' '), ' ', name),
    mapKeys(sumForEachMap(mapFromArrays(arrayMap((o, e) -> concat(toString(o), ' ', e), loss_outcome, loss_reason),
      arrayMap((c, d, y) -> [toInt128(c), d, y], loss_count, loss_duration_ns, loss_bytes))) AS losses), mapValues(losses)), '\n') AS lost`,
		step("stored_value"), step("recorded_ns"), cell, exact("sum(toInt128(recorded_ns))"), exact("n"))
}

// enterSteps enters a row of the list into the boards of its service, which are nil if
// that is not shown.
func (one *serviceBoards) enterSteps(row *serviceOfType) error {
	losses, lossesFit, err := parseLosses(row.Lost)
	if err != nil || one == nil {
		return err
	}
	one.enterLosses(profile.Type(row.Type), losses)
	stored, storedFits := row.stored()
	fits := storedFits && row.RecordedNs >= 0
	one.tooLarge = one.tooLarge || !fits || !lossesFit
	if !row.known() {
		return nil
	}
	of := one.of(profile.Type(row.Type))
	for _, l := range losses {
		if l.Outcome == profile.Unvalued {
			of.Unvalued = sum(of.Unvalued, l.Count)
		}
	}
	steps, rest := of.Steps, row.Steps
	if !storedFits {
		of.Unvalued = stored.Count
		for i := range steps {
			steps[i].Unvalued = true
		}
	}
	if !fits { // steps may have wrapped around
		return nil
	}
	for _, enter := range []func(i int, n int64){
		func(i int, n int64) { steps[i].Value = n },
		func(i int, n int64) { steps[i].Time.Recorded = time.Duration(n) },
		func(_ int, step int64) { steps[step].Unvalued = steps[step].Value == 0 },
	} {
		if rest, err = eachNumber(rest, enter); err != nil {
			return fmt.Errorf("read the steps of %s of %s: %w", row.Type, row.Service, err)
		}
	}
	return nil
}

// eachNumber calls a function for each number of an array of Int64 in the format RowBinary,
// and returns what follows it.
func eachNumber(text []byte, enter func(i int, n int64)) (rest []byte, err error) {
	const size = 8
	length, prefix := binary.Uvarint(text)
	if prefix <= 0 || length > uint64(len(text)-prefix)/size {
		return nil, fmt.Errorf("%d bytes are no array of Int64", len(text))
	}
	rest = text[prefix:]
	for i := range int(length) {
		enter(i, int64(binary.LittleEndian.Uint64(rest)))
		rest = rest[size:]
	}
	return rest, nil
}

// parseLosses leaves their values out: ns of one type and bytes of another do not
// add up. It says whether all numbers fit.
func parseLosses(lines string) (losses []profile.Loss, fit bool, err error) {
	if lines == "" {
		return nil, true, nil
	}
	fit = true
	for line := range strings.SplitSeq(lines, "\n") {
		var numbers [4]int64
		for i := range numbers {
			word, rest, _ := strings.Cut(line, " ")
			if numbers[i], err = strconv.ParseInt(word, 10, 64); err != nil {
				return nil, false, fmt.Errorf("read a loss: %w", err)
			}
			fit, numbers[i] = fit && numbers[i] >= 0, atMost(numbers[i])
			line = rest
		}
		losses = append(losses, profile.Loss{
			Count: numbers[0], Duration: time.Duration(numbers[1]), Bytes: numbers[2], Outcome: profile.Outcome(numbers[3]), Reason: profile.Reason(line),
		})
	}
	return losses, fit, nil
}

func (one *serviceBoards) enterLosses(t profile.Type, losses []profile.Loss) {
	if t == "" {
		one.unclaimed = profile.AddLosses(one.unclaimed, losses...)
	} else {
		one.losses = profile.AddLosses(one.losses, losses...)
	}
}

// maxGapServices bounds the services whose headers are looked at by name for gaps.
const maxGapServices = 200

// activeGaps enters what windows without a recording that began before the range
// say of its first time, where a target has one that may reach into it.
func (r *read) activeGaps(ctx context.Context, f ServiceFilter, all *activities, m moment) error {
	if len(all.gaps) == 0 && !all.uncounted {
		return nil
	}
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	if len(all.gaps) <= maxGapServices && !all.uncounted {
		narrow, args = narrow+" AND service IN {gaps:Array(String)}", args.with("gaps", slices.Sorted(maps.Keys(all.gaps)))
	}
	statement := fmt.Sprintf("SELECT cluster, namespace, service, n, e, %s FROM @.profiles FINAL %s WHERE type = '' AND %s AND %s AND %s%s",
		gapSpan(all.span), lossRows, startsIn("window_start", before(all.span)), reachesInto(all.span), m.received(), narrow)
	return rowsOf(ctx, r, statement, args, func(g *gap) error {
		if boards := all.of[ServiceKey{g.Cluster, g.Namespace, g.Service}]; boards != nil {
			boards.any.enterGap(g)
		}
		return nil
	})
}

// activeTarget is what a target did. Times are Unix s.
type activeTarget struct {
	Cluster   string   `ch:"cluster"`
	Namespace string   `ch:"namespace"`
	Service   string   `ch:"service"`
	Series    uint64   `ch:"series_id"`
	First     int64    `ch:"first"`
	Last      int64    `ch:"last"`
	Length    int64    `ch:"length"`
	Born      int64    `ch:"born"`
	Stored    int64    `ch:"stored"`
	StoredS   int64    `ch:"stored_s"` // of windows whose length is known
	Unsized   int64    `ch:"unsized"`  // stored windows whose length is not known
	Reach     int64    `ch:"reach"`    // end of the stored windows that began before the range
	Lost      int64    `ch:"lost"`
	LostS     int64    `ch:"lost_s"`
	Prints    uint64   `ch:"prints"`
	Gaps      uint64   `ch:"gaps"` // rows before the range with windows without a recording, of which one may reach into it
	Kinds     []string `ch:"kinds"`
}

// met is how many windows of a length its stored ones are, of those that are expected of
// it from a time on.
func (one *activeTarget) met(from, length int64) int64 {
	return (one.StoredS+length-1)/length + one.Unsized + starts(from, one.Reach, length)
}

// activeTargets counts the windows of each target as the timeline does, of one more
// than Limits.Counted if there are so many.
func (r *read) activeTargets(ctx context.Context, f ServiceFilter, all *activities, m moment) (list []activeTarget, read uint64, err error) {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	from := all.inside.and(all.before)
	within := fmt.Sprintf("start >= toDateTime(%d, 'UTC')", all.span.from)
	statement := fmt.Sprintf(`SELECT * FROM @(SELECT cluster, namespace, service, series_id, min(rows.first) AS first, max(rows.last) AS last,
  if(minIf(recorded_length, recorded_length > 0) > 0, minIf(recorded_length, recorded_length > 0), min(any_length)) AS length, min(rows.born) AS born,
  groupUniqArrayArray(rows.kinds) AS kinds, sumIf(rows.stored, %s) AS stored, sumIf(rows.stored_s, %s) AS stored_s, sumIf(rows.stored, rows.stored_s = 0 AND %s) AS unsized,
  maxIf(rows.stored_last, NOT %s) AS reach, sumIf(rows.lost, %s) AS lost, sumIf(rows.lost_s, %s) AS lost_s,
  sumIf(rows.prints, %s) AS prints, countIf(rows.lost > 0 AND rows.last > %d AND NOT %s) AS gaps
FROM (%s) AS rows GROUP BY cluster, namespace, service, series_id) ORDER BY series_id LIMIT %d`,
		within, within, within, within, within, within, within, all.span.from, within, from.targets(m, narrow), r.store.limits.Counted+1)
	err = rowsOf(ctx, r, statement, args, func(one *activeTarget) error {
		read += one.Prints
		list = append(list, *one)
		return nil
	})
	return list, read, err
}

// seriesOf names a target.
type seriesOf struct {
	ServiceKey
	series uint64
}

// targetReport is the last report of a target.
type targetReport struct {
	Cluster   string `ch:"cluster"`
	Namespace string `ch:"namespace"`
	Service   string `ch:"service"`
	Series    uint64 `ch:"series_id"`
	reportRow
}

// reportsBefore is how long before a range the last report of a target may be that has
// windows in it: reports come many times in the time of a window.
const reportsBefore = int64(24 * time.Hour / time.Second)

// reportsOf returns the last reports of the targets that may have windows in a span, and
// whether there are more than Limits.Counted.
func (r *read) reportsOf(ctx context.Context, f ServiceFilter, span seconds) (of map[seriesOf]report, more bool, err error) {
	narrow, args := oneOf(f.Clusters, f.Namespaces)
	limit := r.store.limits.Counted
	statement := fmt.Sprintf(`SELECT cluster, namespace, service, series_id, reported_at, since, last_window, reason, window_s, events
FROM @.targets FINAL WHERE reported_at >= toDateTime64(%d, 3, 'UTC')%s ORDER BY reported_at DESC, series_id LIMIT %d`, max(span.from-reportsBefore, 0), narrow, limit+1)
	of = map[seriesOf]report{}
	err = rowsOf(ctx, r, statement, args, func(row *targetReport) error {
		if more = len(of) == limit; !more {
			of[seriesOf{ServiceKey{row.Cluster, row.Namespace, row.Service}, row.Series}] = row.report()
		}
		return nil
	})
	return of, more, err
}

// enter enters a target into what its service did. It counts for the types of its
// windows, or for those that its sidecar reports, or for all if neither is known.
func (a *activities) enter(one *activeTarget, m moment) {
	key := ServiceKey{one.Cluster, one.Namespace, one.Service}
	if one.Gaps > 0 {
		a.gaps[key.Service] = true
	}
	if one.Stored+one.Lost > 0 {
		a.targetsOf[key]++
	}
	if boards := a.of[key]; boards != nil {
		known, kinds := a.reports[seriesOf{key, one.Series}], one.Kinds
		length := cmp.Or(known.length, one.Length)
		boards.any.count(one.Stored, one.Lost, one.LostS)
		boards.any.cells[0].met += one.met(a.span.from, length)
		if len(kinds) == 0 {
			kinds = known.records
		}
		boards.enter(life{
			now: m.at / 1000, first: one.First, last: one.Last, length: length, born: one.Born, until: known.until, gone: known.gone,
		}, kinds)
	}
}

// enter enters a target, also into the types that it is recorded for.
func (one *serviceBoards) enter(l life, kinds []string) {
	one.any.enter(l)
	part, some := l.within(one.span)
	for _, t := range profile.Types() {
		if len(kinds) > 0 && !slices.Contains(kinds, string(t)) {
			continue
		}
		if of := one.of(t); some {
			of.lives = append(of.lives, part)
			one.live(part, of.time)
		}
	}
}
