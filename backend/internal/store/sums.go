package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
)

// Sums merges the stacks of selections, which must be of one service: a side of
// the tree for each. Hours that are closed and rolled up are read from the
// roll-up. The tree of a selection without samples is empty.
func (s *Store) Sums(ctx context.Context, selections ...Selection) (*Sums, error) {
	const op = "read stacks"
	for i := range selections {
		if err := selections[i].check(op, s); err != nil {
			return nil, err
		}
		if selections[i].Service != selections[0].Service {
			return nil, &Error{Class: BadSelection, Op: op, Err: fmt.Errorf("services %q and %q have different stacks", selections[0].Service, selections[i].Service)}
		}
	}
	var sums *Sums
	cost, err := s.reading(ctx, op, func(ctx context.Context, r *read) error {
		var known map[ServiceKey]*standing
		clock := func(ctx context.Context) (at int64, err error) {
			if known, err = r.standings(ctx, selections); err != nil {
				return 0, err
			}
			return known[selections[0].ServiceKey].at, nil
		}
		return r.atOneMoment(ctx, clock, func(m moment) (err error) {
			sums, err = r.sums(ctx, selections, known, m)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	sums.Cost = cost
	return sums, nil
}

func (r *read) sums(ctx context.Context, selections []Selection, known map[ServiceKey]*standing, m moment) (*Sums, error) {
	out := &Sums{Sides: make([]Side, len(selections))}
	lists, boards := make([][]calltree.Sum, len(selections)), make([]asked, len(selections))
	for i, sel := range selections {
		of := known[sel.ServiceKey]
		boards[i] = ask(sel, sel.oneStep(), of.reports, of.hoursOf(&sel))
	}
	g, ctx2 := errgroup.WithContext(ctx)
	g.Go(func() error { return r.fillBoards(ctx2, boards, m) })
	g.Go(func() (err error) {
		for i := 0; i < len(lists) && err == nil; i++ {
			lists[i], out.Sides[i], err = r.sumByStack(ctx2, selections[i], startsOf(boards[i].hours), m, never)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i := range lists {
		var err error
		if lists[i], out.Sides[i], err = r.agree(ctx, boards[i], lists[i], out.Sides[i], m); err != nil {
			return nil, err
		}
	}
	found, done, err := r.stacks(ctx, selections, lists)
	if err != nil {
		return nil, err
	}
	defer done()
	tree, lacking := found.Tree()
	for i := range out.Sides {
		side := &out.Sides[i]
		side.Omitted = side.Omitted.Add(lacking[i].Amount)
		side.OmittedStacks += int64(lacking[i].Stacks)
		side.Cut = lacking[i].Cut
	}
	out.Tree = tree
	return out, nil
}

func startsOf(hours []rolledHour) []int64 {
	starts := make([]int64, len(hours))
	for i, h := range hours {
		starts[i] = h.hour
	}
	return starts
}

// agree holds the sums of the samples of a selection at the moment against its
// ledgers. Samples are written before their header: the sum over all samples is at
// least that of the windows which belong to the moment, and equal to it if and only if
// there are no others. If there are, they are left out by name: of fresh samples,
// where they are most likely, and if that is not enough, of all. Rolled up hours that
// lack a window of the moment are read from samples.
func (r *read) agree(ctx context.Context, a asked, list []calltree.Sum, side Side, m moment) (_ []calltree.Sum, _ Side, err error) {
	hours := startsOf(a.hours)
	if len(a.board.stale) > 0 {
		hours = slices.DeleteFunc(hours, func(hour int64) bool { return slices.Contains(a.board.stale, hour) })
		if list, side, err = r.sumByStack(ctx, a.Selection, hours, m, never); err != nil {
			return nil, Side{}, err
		}
	}
	stored := a.board.whole.Ledger.Stored
	for _, since := range []int64{m.at/1000 - freshFor, a.board.span.from} {
		if side.Total == stored || since >= a.board.span.to {
			continue
		}
		r.store.metrics.moved.Inc()
		if list, side, err = r.sumByStack(ctx, a.Selection, hours, m, since); err != nil {
			return nil, Side{}, err
		}
	}
	if side.Total != stored && !m.last {
		return nil, Side{}, errMoved
	}
	side.Coverage = a.board.coverage()
	side.Excess = profile.Amount{Value: side.Total.Value - stored.Value, Count: side.Total.Count - stored.Count}
	return list, side, nil
}

// sumByStack returns the sums, heaviest first, with the total and what is beyond
// Limits.Stacks. See sumStatement for since.
func (r *read) sumByStack(ctx context.Context, sel Selection, hours []int64, m moment, since int64) (list []calltree.Sum, side Side, err error) {
	statement, args, err := r.sumStatement(ctx, sel, hours, m, since)
	if err != nil {
		return nil, Side{}, err
	}
	rows, err := r.open(ctx, statement, args, clickhouse.WithProfileInfo(func(p *clickhouse.ProfileInfo) {
		side.OmittedStacks = int64(p.RowsBeforeLimit)
	}))
	if err != nil {
		return nil, Side{}, err
	}
	defer func() { _ = rows.Close() }()
	var one calltree.Sum
	var shown, chosen profile.Amount // of the chosen threads
	var count, chosenCount uint64
	columns, totals := []any{&one.Stack, &one.Value, &count}, []any{&one.Stack, &side.Total.Value, &count}
	if sel.someThreads() {
		var allValue int64
		var allCount uint64
		columns = append(columns, &allValue, &allCount)
		totals = []any{&one.Stack, &chosen.Value, &chosenCount, &side.Total.Value, &count}
	}
	for rows.Next() {
		if err := rows.Scan(columns...); err != nil {
			return nil, Side{}, err
		}
		one.Count = int64(count)
		shown = shown.Add(one.Amount)
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		return nil, Side{}, err
	}
	if err := rows.Totals(totals...); err != nil && len(list) > 0 {
		return nil, Side{}, fmt.Errorf("read totals: %w", err)
	}
	side.Total.Count, chosen.Count = int64(count), int64(chosenCount)
	if !sel.someThreads() {
		chosen = side.Total
	}
	side.Elsewhere = profile.Amount{Value: side.Total.Value - chosen.Value, Count: side.Total.Count - chosen.Count}
	side.Omitted = profile.Amount{Value: chosen.Value - shown.Value, Count: chosen.Count - shown.Count}
	side.OmittedStacks = max(side.OmittedStacks-int64(len(list)), 0)
	return list, side, nil
}

// freshFor is how long after its start a window may be among those that arrive
// just now.
const freshFor = int64(5 * time.Minute / time.Second)

const never = maxTime

// sumStatement reads the rolled up hours from the roll-up and the edges from samples.
// Of those that are of windows since a time, only those count whose windows belong
// to the moment: their headers are looked at one by one. If that is of all windows,
// the roll-up of an hour is trusted only if it sums to the ledgers.
func (r *read) sumStatement(ctx context.Context, sel Selection, hours []int64, m moment, since int64) (string, params, error) {
	from, to := sel.seconds()
	if since <= from {
		var err error
		if hours, err = r.soundHours(ctx, sel, hours, m); err != nil {
			return "", nil, err
		}
	}
	narrow, args := sel.targets(sel.params().with("type", string(sel.Type)))
	columns := "stack_id, value, count"
	if sel.someThreads() {
		columns += ", thread"
	}
	var all, named []seconds
	for _, edge := range without(seconds{from, to}, hours) {
		if edge.from < since {
			all = append(all, seconds{edge.from, min(edge.to, since)})
		}
		if edge.to > since {
			named = append(named, seconds{max(edge.from, since), edge.to})
		}
	}
	var sources []string
	if len(all) > 0 {
		sources = append(sources, allSamples(columns, all, narrow))
	}
	if len(named) > 0 {
		sources = append(sources, namedSamples(columns, named, narrow, m))
	}
	if len(hours) > 0 {
		sources = append(sources, fmt.Sprintf("SELECT stack_id, value, count FROM @.samples_1h_by_version FINAL WHERE %s AND type = {type:String} AND hour IN (%s)%s",
			scoped, dateTimes(hours), narrow))
	}
	union, limit := strings.Join(sources, " UNION ALL "), r.store.limits.Stacks
	if !sel.someThreads() {
		return fmt.Sprintf(`SELECT stack_id, sum(value) AS v, sum(count) AS c FROM @(%s)
GROUP BY stack_id WITH TOTALS ORDER BY v DESC, stack_id LIMIT %d`, union, limit), args, nil
	}
	chosen, args := sel.ofThreads(args)
	return fmt.Sprintf(`SELECT stack_id, sumIf(value, %s) AS v, sumIf(count, %s) AS c, sum(value), sum(count) FROM @(%s)
GROUP BY stack_id WITH TOTALS HAVING v > 0 OR c > 0 ORDER BY v DESC, stack_id LIMIT %d SETTINGS totals_mode = 'before_having'`,
		chosen, chosen, union, limit), args, nil
}

// allSamples takes all samples, of the targets that a selection is narrowed to.
func allSamples(columns string, spans []seconds, narrow string) string {
	statement := fmt.Sprintf("SELECT %s FROM @.samples WHERE %s AND type = {type:String} AND (%s)", columns, scoped, samplesInAny(spans))
	if narrow != "" {
		statement += fmt.Sprintf(" AND series_id IN (SELECT series_id FROM @.profiles WHERE %s AND type IN ('', {type:String}) AND %s%s)",
			scoped, startsIn("window_start", hull(spans)), narrow)
	}
	return statement
}

// namedSamples takes the samples of windows that belong to the moment, of the
// commits that their headers name.
func namedSamples(columns string, spans []seconds, narrow string, m moment) string {
	return fmt.Sprintf(`SELECT %s FROM @.samples WHERE %s AND type = {type:String} AND (%s)
 AND (series_id, window_start, commit_id) IN (SELECT series_id, window_start, commit_id FROM @.profiles FINAL WHERE %s AND type = {type:String} AND %s AND %s%s)`,
		columns, scoped, samplesInAny(spans), scoped, startsIn("window_start", hull(spans)), m.received(), narrow)
}

func samplesInAny(spans []seconds) string {
	list := make([]string, len(spans))
	for i, span := range spans {
		list[i] = samplesIn(span)
	}
	return strings.Join(list, " OR ")
}

// hull is from the beginning of the first span to the end of the last.
func hull(spans []seconds) seconds { return seconds{spans[0].from, spans[len(spans)-1].to} }

// soundHours are those whose roll-up sums to the ledgers of the moment.
func (r *read) soundHours(ctx context.Context, sel Selection, hours []int64, m moment) ([]int64, error) {
	if len(hours) == 0 {
		return nil, nil
	}
	narrow, args := sel.targets(sel.params().with("type", string(sel.Type)))
	statement := fmt.Sprintf(`SELECT toUnixTimestamp(hour) FROM @(
  SELECT hour, sum(toInt128(value)) AS v, sum(toInt128(count)) AS c FROM @.samples_1h_by_version FINAL
  WHERE %s AND type = {type:String} AND hour IN (%s)%s GROUP BY hour
  UNION ALL
  SELECT toStartOfHour(window_start) AS hour, -sum(toInt128(stored_value)) AS v, -sum(toInt128(stored_count)) AS c FROM @.profiles FINAL
  WHERE %s AND type = {type:String} AND toStartOfHour(window_start) IN (%s) AND %s AND %s%s GROUP BY hour
) GROUP BY hour HAVING sum(v) = 0 AND sum(c) = 0 ORDER BY hour`, scoped, dateTimes(hours), narrow, scoped, dateTimes(hours),
		startsIn("window_start", seconds{hours[0], hours[len(hours)-1] + 3600}), m.received(), narrow)
	var sound []int64
	err := r.query(ctx, statement, args, func(row driver.Rows) error {
		var hour uint32
		err := row.Scan(&hour)
		sound = append(sound, int64(hour))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("hold rolled up hours against the ledgers: %w", err)
	}
	return sound, nil
}

// without returns what is left of a range when these hours, in order, are taken
// out.
func without(r seconds, hours []int64) []seconds {
	var out []seconds
	at := r.from
	for _, hour := range hours {
		if hour > at {
			out = append(out, seconds{at, hour})
		}
		at = hour + 3600
	}
	if at < r.to {
		out = append(out, seconds{at, r.to})
	}
	return out
}

func dateTimes(unix []int64) string {
	list := make([]string, len(unix))
	for i, t := range unix {
		list[i] = fmt.Sprintf("toDateTime(%d, 'UTC')", t)
	}
	return strings.Join(list, ", ")
}

// days are the days that selections touch, the last one first.
func days(selections []Selection) []time.Time {
	const day = 24 * time.Hour
	touched := map[time.Time]bool{}
	for _, sel := range selections {
		for d := sel.From.UTC().Truncate(day); d.Before(sel.To); d = d.Add(day) {
			touched[d] = true
		}
	}
	return slices.SortedFunc(maps.Keys(touched), func(a, b time.Time) int { return b.Compare(a) })
}
