package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/podflame/podflame/backend/profile"
)

// maxWindow bounds the length of a window.
const maxWindow = 24 * time.Hour

// Insert stores a window. When it returns nil, ClickHouse has the window
// exactly once. Any error is an *Error. The window must not be changed until
// Limits.InsertTimeout after the call, even if it returned an error before.
func (s *Store) Insert(ctx context.Context, w *profile.Window) (Result, error) {
	op := "store window " + w.ID.String()
	if err := checkWindow(w); err != nil {
		err = &Error{Class: Refused, Op: op, Err: err}
		s.metrics.failed(err)
		return Result{}, err
	}
	began := time.Now()
	var result Result
	err := s.bounded(ctx, s.limits.InsertTimeout, func(ctx context.Context) error {
		return s.insert(ctx, w, &result)
	})
	if err = classify(op, writing, err); err != nil {
		s.metrics.failed(err)
		return Result{}, err
	}
	if result.Duplicate {
		s.metrics.duplicates.Inc()
		return result, nil
	}
	took := time.Since(began)
	s.metrics.inserted(result.Rows, took)
	s.latency.note(took)
	return result, nil
}

// checkWindow refuses what would not fit the tables or would spread over
// partitions.
func checkWindow(w *profile.Window) error {
	switch length := w.End.Sub(w.Start); {
	case w.Start.Unix() < 0 || w.Start.Unix() > maxTime:
		return fmt.Errorf("window starts at %s, which ClickHouse cannot hold", w.Start)
	case w.Start.Nanosecond() != 0 || w.End.Nanosecond() != 0:
		return fmt.Errorf("window from %s to %s is not in whole seconds", w.Start, w.End)
	case length <= 0 || length > maxWindow:
		return fmt.Errorf("window lasts %s, which is not within 1s to %s", length, maxWindow)
	}
	return nil
}

// insert writes functions and stacks, then samples, then the headers, which say
// that the window is there.
func (s *Store) insert(ctx context.Context, w *profile.Window, result *Result) error {
	b := newBatch(w)
	prepare, ctx1 := errgroup.WithContext(ctx)
	prepare.Go(func() (err error) {
		result.Duplicate, err = s.stored(ctx1, b)
		return err
	})
	prepare.Go(func() (err error) {
		result.NewStacks, err = s.insertStacks(ctx1, b)
		return err
	})
	if err := prepare.Wait(); err != nil || result.Duplicate {
		return err
	}
	result.Rows = len(b.stackIDs)
	if result.Rows > 0 {
		if err := s.insertSamples(ctx, b); err != nil {
			return fmt.Errorf("write samples: %w", err)
		}
	}
	if err := s.insertHeaders(ctx, b); err != nil {
		return fmt.Errorf("write headers: %w", err)
	}
	return nil
}

// stored looks for the window's header. It finds repetitions that come too late
// for the deduplication by token.
func (s *Store) stored(ctx context.Context, b *batch) (bool, error) {
	t := b.window.Target
	var rows uint64
	err := s.conn.QueryRow(ctx, s.sql(`SELECT count() FROM @.profiles
WHERE service = {service:String} AND namespace = {namespace:String} AND cluster = {cluster:String} AND type = ''
  AND window_start = toDateTime({start:UInt32}, 'UTC') AND series_id = {series:UInt64} AND window_id = unhex({id:String})`),
		clickhouse.Named("service", t.Service), clickhouse.Named("namespace", t.Namespace), clickhouse.Named("cluster", t.Cluster),
		clickhouse.Named("start", b.window.Start.Unix()), clickhouse.Named("series", b.series), clickhouse.Named("id", b.window.ID.String()),
	).Scan(&rows)
	if err != nil {
		return false, fmt.Errorf("look for the window: %w", err)
	}
	return rows > 0, nil
}

// insertStacks writes the functions and stacks that were not written today.
func (s *Store) insertStacks(ctx context.Context, b *batch) (int, error) {
	functionScope, stackScope := scope(b.day, ""), scope(b.day, "service "+b.window.Target.Service)
	fresh := s.written.missing(stackScope, b.stackIDs)
	if len(fresh) == 0 {
		return 0, nil
	}
	functions := b.functionsOf(fresh)
	if newer := s.written.missing(functionScope, functions.ids); len(newer) > 0 {
		functions = functions.pick(newer)
		err := s.send(ctx, "INSERT INTO @.functions (day, func_id, kind, name)", nil,
			repeat(b.day, len(functions.ids)), functions.ids, functions.kinds, functions.names)
		if err != nil {
			return 0, fmt.Errorf("write functions: %w", err)
		}
		s.written.add(functionScope, functions.ids)
	}
	ids, frames := b.packed(fresh)
	err := s.send(ctx, "INSERT INTO @.stacks (service, day, stack_id, frames)", nil,
		repeat(b.window.Target.Service, len(ids)), repeat(b.day, len(ids)), ids, frames)
	if err != nil {
		return 0, fmt.Errorf("write stacks: %w", err)
	}
	s.written.add(stackScope, ids)
	return len(ids), nil
}

func (s *Store) insertSamples(ctx context.Context, b *batch) error {
	n, t := len(b.stackIDs), b.window.Target
	return s.send(ctx, "INSERT INTO @.samples (cluster, namespace, service, type, window_start, duration_s, series_id, stack_id, value, count)",
		clickhouse.Settings{"insert_deduplication_token": b.window.ID.String()},
		repeat(t.Cluster, n), repeat(t.Namespace, n), repeat(t.Service, n), b.types,
		repeat(b.window.Start, n), repeat(b.seconds(), n), repeat(b.series, n), b.stackIDs, b.values, b.counts)
}

// send inserts columns as one block.
func (s *Store) send(ctx context.Context, statement string, settings clickhouse.Settings, columns ...any) (err error) {
	rows, err := s.begin(ctx, statement, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for i, column := range columns {
		if err := rows.Column(i).Append(column); err != nil {
			return fmt.Errorf("%w: %w", clickhouse.ErrBatchInvalid, err)
		}
	}
	return rows.Send()
}

func (s *Store) begin(ctx context.Context, statement string, settings clickhouse.Settings) (driver.Batch, error) {
	all := clickhouse.Settings{
		"async_insert":       0,
		"max_execution_time": int(s.limits.InsertTimeout.Seconds()) + 1,
		"deduplicate_blocks_in_dependent_materialized_views": 1,
	}
	maps.Copy(all, settings)
	return s.conn.PrepareBatch(clickhouse.Context(ctx, clickhouse.WithSettings(all)), s.sql(statement))
}

// batch is a window as rows. Its order depends on the window only, so that a
// repetition is the identical batch.
type batch struct {
	window   *profile.Window
	series   uint64
	day      time.Time
	sets     []*profile.StackSet
	ids      [][]uint64 // of the functions of each set
	stackIDs []uint64   // of all sets, one after the other
	types    []string
	values   []int64
	counts   []uint64
}

func newBatch(w *profile.Window) *batch {
	b := &batch{window: w, series: w.Target.SeriesID(), day: w.Start.UTC().Truncate(24 * time.Hour)}
	var frames []uint64
	for i := range w.Sets {
		set := &w.Sets[i]
		ids := make([]uint64, len(set.Functions))
		for j, f := range set.Functions {
			ids[j] = profile.FunctionID(f)
		}
		b.sets, b.ids = append(b.sets, set), append(b.ids, ids)
		n := len(set.Stacks)
		b.stackIDs, b.types = slices.Grow(b.stackIDs, n), slices.Grow(b.types, n)
		b.values, b.counts = slices.Grow(b.values, n), slices.Grow(b.counts, n)
		for j := range set.Stacks {
			stack := &set.Stacks[j]
			frames = frames[:0]
			for _, f := range stack.Frames {
				frames = append(frames, ids[f])
			}
			b.stackIDs = append(b.stackIDs, profile.StackID(frames))
			b.types = append(b.types, string(set.Type))
			b.values = append(b.values, stack.Value)
			b.counts = append(b.counts, uint64(max(stack.Count, 0)))
		}
	}
	return b
}

func (b *batch) seconds() uint32 { return uint32(b.window.End.Sub(b.window.Start) / time.Second) }

// functionRows are columns of the table functions.
type functionRows struct {
	ids   []uint64
	kinds []uint8
	names []string
}

func (f functionRows) pick(rows []int) functionRows {
	var out functionRows
	for _, i := range rows {
		out.ids, out.kinds, out.names = append(out.ids, f.ids[i]), append(out.kinds, f.kinds[i]), append(out.names, f.names[i])
	}
	return out
}

// stack returns a stack by its index over all sets.
func (b *batch) stack(index int) (set int, s *profile.Stack) {
	for len(b.sets[set].Stacks) <= index {
		index -= len(b.sets[set].Stacks)
		set++
	}
	return set, &b.sets[set].Stacks[index]
}

// functionsOf returns the distinct functions of stacks.
func (b *batch) functionsOf(stacks []int) functionRows {
	var out functionRows
	seen := map[uint64]bool{}
	for _, i := range stacks {
		set, stack := b.stack(i)
		for _, f := range stack.Frames {
			id := b.ids[set][f]
			if seen[id] {
				continue
			}
			seen[id] = true
			function := b.sets[set].Functions[f]
			out.ids, out.kinds, out.names = append(out.ids, id), append(out.kinds, uint8(function.Kind)), append(out.names, function.Name)
		}
	}
	return out
}

// packed returns the distinct ids of stacks and their frames, 8 bytes each.
func (b *batch) packed(stacks []int) (ids []uint64, frames []string) {
	seen := make(map[uint64]bool, len(stacks))
	var bytes []byte
	for _, i := range stacks {
		id := b.stackIDs[i]
		if seen[id] {
			continue
		}
		seen[id] = true
		set, stack := b.stack(i)
		bytes = bytes[:0]
		for _, f := range stack.Frames {
			bytes = binary.LittleEndian.AppendUint64(bytes, b.ids[set][f])
		}
		ids, frames = append(ids, id), append(frames, string(bytes))
	}
	return ids, frames
}

func repeat[T any](value T, n int) []T { return slices.Repeat([]T{value}, n) }
