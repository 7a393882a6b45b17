package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/podflame/podflame/backend/profile"
)

// Sums merges the stacks of a selection. Hours that are closed and rolled up
// are read from the roll-up. Sums of a selection without samples are empty.
func (s *Store) Sums(ctx context.Context, sel Selection) (*Sums, error) {
	return s.sums(ctx, sel, false)
}

// StackSet is Sums with all names: what Prune, Merge and Diff work on.
func (s *Store) StackSet(ctx context.Context, sel Selection) (*Sums, error) {
	return s.sums(ctx, sel, true)
}

func (s *Store) sums(ctx context.Context, sel Selection, named bool) (*Sums, error) {
	const op = "read stacks"
	if err := sel.check(op, s); err != nil {
		return nil, err
	}
	var sums *Sums
	cost, err := s.reading(ctx, op, func(ctx context.Context, r *read) (err error) {
		if sums, err = r.sums(ctx, sel); err != nil || !named {
			return err
		}
		return r.name(ctx, sums, nil)
	})
	if err != nil {
		return nil, err
	}
	sums.Cost = cost
	return sums, nil
}

// Name fills in the names of the functions with these indexes into
// sums.FunctionIDs, or of all of them if the list is nil. Functions that are no
// longer in the store are named "[unknown]". The cost is added to sums.Cost.
func (s *Store) Name(ctx context.Context, sums *Sums, functions []uint32) error {
	cost, err := s.reading(ctx, "read names", func(ctx context.Context, r *read) error {
		return r.name(ctx, sums, functions)
	})
	if err == nil {
		sums.Cost.add(cost)
	}
	return err
}

// sum is one row of the merged selection.
type sum struct {
	stack  uint64
	amount profile.Amount
}

func (r *read) sums(ctx context.Context, sel Selection) (*Sums, error) {
	rows, out, err := r.sumByStack(ctx, sel)
	if err != nil {
		return nil, err
	}
	dict := r.store.stacks.of(sel.Service)
	if err := r.loadStacks(ctx, dict, rows, out.days); err != nil {
		return nil, err
	}
	r.store.stacks.account(dict)
	dict.fill(out, rows, r.store.limits.Frames)
	var shown profile.Amount
	for i := range out.Set.Stacks {
		shown = shown.Add(profile.Amount{Value: out.Set.Stacks[i].Value, Count: out.Set.Stacks[i].Count})
	}
	out.Omitted = profile.Amount{Value: out.Total.Value - shown.Value, Count: out.Total.Count - shown.Count}
	out.OmittedStacks -= int64(len(out.Set.Stacks))
	return out, nil
}

// sumByStack has the sums, heaviest first. OmittedStacks of the result is the
// number of all stacks.
func (r *read) sumByStack(ctx context.Context, sel Selection) ([]sum, *Sums, error) {
	statement, args, err := r.sumStatement(ctx, sel)
	if err != nil {
		return nil, nil, err
	}
	out := &Sums{Set: profile.StackSet{Type: sel.Type}, service: sel.Service, days: days(sel.Range)}
	rows, err := r.open(ctx, statement, args, clickhouse.WithProfileInfo(func(p *clickhouse.ProfileInfo) {
		out.OmittedStacks = int64(p.RowsBeforeLimit)
	}))
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []sum
	var one sum
	var count uint64
	for rows.Next() {
		if err := rows.Scan(&one.stack, &one.amount.Value, &count); err != nil {
			return nil, nil, err
		}
		one.amount.Count = int64(count)
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, err
	}
	if err := rows.Totals(&one.stack, &out.Total.Value, &count); err != nil && len(list) > 0 {
		return nil, nil, fmt.Errorf("read totals: %w", err)
	}
	out.Total.Count = int64(count)
	out.OmittedStacks = max(out.OmittedStacks, int64(len(list)))
	return list, out, nil
}

// sumStatement reads closed hours from the roll-up and the edges from samples.
func (r *read) sumStatement(ctx context.Context, sel Selection) (string, params, error) {
	from, to := sel.seconds()
	edges, hours := []seconds{{from, to}}, []int64(nil)
	if !sel.narrowed() {
		var err error
		if hours, err = r.rolledHours(ctx, sel.ServiceKey, seconds{from, to}); err != nil {
			return "", nil, err
		}
		edges = without(seconds{from, to}, hours)
	}
	args := sel.params().with("type", string(sel.Type))
	condition := ""
	if sel.narrowed() {
		condition, args = sel.targets(args)
		condition = fmt.Sprintf(" AND series_id IN (SELECT series_id FROM @.profiles WHERE %s AND type IN ('', {type:String}) AND %s%s)",
			scoped, startsIn("window_start", seconds{from, to}), condition)
	}
	var sources []string
	if len(edges) > 0 {
		spans := make([]string, len(edges))
		for i, edge := range edges {
			spans[i] = samplesIn(edge)
		}
		sources = append(sources, fmt.Sprintf("SELECT stack_id, value, count FROM @.samples WHERE %s AND type = {type:String} AND (%s)%s",
			scoped, strings.Join(spans, " OR "), condition))
	}
	if len(hours) > 0 {
		sources = append(sources, fmt.Sprintf("SELECT stack_id, value, count FROM @.samples_1h FINAL WHERE %s AND type = {type:String} AND bucket IN (%s)",
			scoped, dateTimes(hours)))
	}
	return fmt.Sprintf(`SELECT stack_id, sum(value) AS v, sum(count) AS c FROM (%s)
GROUP BY stack_id WITH TOTALS ORDER BY v DESC, stack_id LIMIT %d`, strings.Join(sources, " UNION ALL "), r.store.limits.Stacks), args, nil
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

// days are the days that a range touches, the last one first.
func days(r Range) []time.Time {
	var out []time.Time
	const day = 24 * time.Hour
	for d := r.To.Add(-1).UTC().Truncate(day); !d.Before(r.From.UTC().Truncate(day)); d = d.Add(-day) {
		out = append(out, d)
	}
	return out
}
