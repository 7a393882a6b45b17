package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// errNoConnection marks that nothing was sent, as no connection was to be had.
var errNoConnection = errors.New("no connection to ClickHouse")

// bounded runs call and returns within the timeout, whatever call does:
// clickhouse-go does not give up a handshake that has begun, so it is left to end
// by itself. The context of call has no deadline, for
// clickhouse-go would make a max_execution_time of its own from it.
func (s *Store) bounded(ctx context.Context, timeout time.Duration, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", errNoConnection, err)
	}
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	timer := time.AfterFunc(timeout, func() {
		cancel(fmt.Errorf("no answer within %s: %w", timeout, context.DeadlineExceeded))
	})
	if !s.enter() {
		cancel(errEnded)
		return fmt.Errorf("%w: the store is closed", errNoConnection)
	}
	done := make(chan error, 1)
	go func() {
		defer s.calls.Done()
		defer cancel(errEnded)
		defer timer.Stop()
		defer stop()
		done <- call(inner)
	}()
	select {
	case err := <-done:
		if errors.Is(err, context.Canceled) {
			return outcome(inner, err)
		}
		return err
	case <-inner.Done():
	}
	select { // call may have ended at the same moment
	case err := <-done:
		return outcome(inner, err)
	case <-time.After(100 * time.Millisecond):
	}
	return context.Cause(inner)
}

// errEnded is the cause of a context whose call has ended by itself.
var errEnded = errors.New("the call has ended")

// outcome is the error of a call, or the reason why it was given up.
func outcome(inner context.Context, err error) error {
	if cause := context.Cause(inner); err != nil && cause != nil && !errors.Is(cause, errEnded) {
		return cause
	}
	return err
}

// enter registers a call, unless the store is closed.
func (s *Store) enter() bool {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return false
	}
	s.calls.Add(1)
	return true
}

// read is one read operation: several queries with one time limit and one cost.
type read struct {
	store    *Store
	op       string
	deadline time.Time

	mu   sync.Mutex
	cost Cost
}

// spend enters what a query took. Queries of a read may run at the same time.
func (r *read) spend(c Cost) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cost.Queries += c.Queries
	r.cost.RowsRead += c.RowsRead
	r.cost.BytesRead += c.BytesRead
}

// reading runs a read operation within the limits.
func (s *Store) reading(ctx context.Context, op string, run func(ctx context.Context, r *read) error) (Cost, error) {
	began := time.Now()
	r := &read{store: s, op: op, deadline: began.Add(s.limits.QueryTimeout)}
	// The server gives up first and says why.
	err := s.bounded(ctx, s.limits.QueryTimeout+time.Second, func(ctx context.Context) error { return run(ctx, r) })
	if err = classify(op, reading, err); err != nil {
		s.limits.explain(err)
		if !errors.Is(err, context.Canceled) { // that the caller left says nothing of ClickHouse
			s.metrics.failed(err)
		}
		return Cost{Elapsed: time.Since(began)}, err
	}
	r.cost.Elapsed = time.Since(began)
	return r.cost, nil
}

// explain says which limit of a query ClickHouse has found exceeded.
func (l Limits) explain(err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Class != TooExpensive {
		return
	}
	switch e.Code {
	case 158:
		e.Exceeded = fmt.Sprintf("it would read more than %d rows (--query-rows)", l.QueryRows)
	case 159, 160:
		e.Exceeded = fmt.Sprintf("it would take longer than %s (--query-timeout)", l.QueryTimeout)
	case queryMemory:
		e.Exceeded = fmt.Sprintf("it would use more than %d bytes of memory (--query-memory)", l.QueryMemory)
	}
}

// query runs one query and calls each for each row. Statements write @. in front
// of table names, see cluster.
func (r *read) query(ctx context.Context, statement string, args params, each func(driver.Rows) error, options ...clickhouse.QueryOption) error {
	rows, err := r.open(ctx, statement, args, options...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := each(rows); err != nil {
			_ = rows.Close()
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

func (r *read) open(ctx context.Context, statement string, args params, options ...clickhouse.QueryOption) (driver.Rows, error) {
	scope, err := r.scope(ctx)
	if err != nil {
		return nil, err
	}
	statement, args = within(scope, statement, args)
	left := time.Until(r.deadline)
	if left <= 0 {
		return nil, &Error{Class: TooExpensive, Op: r.op, Hint: narrow, Err: fmt.Errorf("queries took longer than %s", r.store.limits.QueryTimeout)}
	}
	limits := r.store.limits
	settings := clickhouse.Settings{
		"max_execution_time": max(int(left.Seconds()), 1),
		"max_memory_usage":   limits.QueryMemory,
		"max_rows_to_read":   limits.QueryRows,
		"max_threads":        2,
		"do_not_merge_across_partitions_select_final": 1,
	}
	r.spend(Cost{Queries: 1})
	options = append(options,
		clickhouse.WithSettings(settings),
		clickhouse.WithProgress(func(p *clickhouse.Progress) {
			r.spend(Cost{RowsRead: p.Rows, BytesRead: p.Bytes})
		}))
	statement = r.store.sql(statement)
	r.store.log.DebugContext(ctx, "query ClickHouse", "op", r.op, "statement", statement)
	return r.store.conn.Query(clickhouse.Context(ctx, options...), statement, args...)
}

// sql writes the names of tables in full, see cluster.
func (s *Store) sql(statement string) string { return s.cluster.sql(statement) }

// params are the parameters of a query, by name.
type params []any

func (p params) with(name string, value any) params {
	return append(slices.Clip(p), clickhouse.Named(name, value))
}
