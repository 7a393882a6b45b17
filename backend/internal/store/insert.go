package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/profile"
)

// maxWindow bounds the length of a window.
const maxWindow = 24 * time.Hour

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

// send inserts columns as one block. A column is a slice, or words.
func (s *Store) send(ctx context.Context, statement string, settings clickhouse.Settings, columns ...any) (err error) {
	rows, err := s.begin(ctx, statement, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for i, column := range columns {
		if err := enterColumn(rows, i, column); err != nil {
			return fmt.Errorf("%w: %w", clickhouse.ErrBatchInvalid, err)
		}
	}
	return rows.Send()
}

func enterColumn(rows driver.Batch, i int, values any) error {
	if w, ok := values.(*words); ok {
		return w.into(rows.Columns()[i])
	}
	return rows.Column(i).Append(values)
}

// begin prepares a block, which must be closed before ctx is ended.
func (s *Store) begin(ctx context.Context, statement string, settings clickhouse.Settings) (driver.Batch, error) {
	s.metrics.blocks.Inc()
	all := clickhouse.Settings{
		"async_insert":       0,
		"max_execution_time": int(s.limits.InsertTimeout.Seconds()) + 1,
		"deduplicate_blocks_in_dependent_materialized_views": 1,
	}
	maps.Copy(all, settings)
	inner, over := undisturbed(ctx)
	rows, err := s.conn.PrepareBatch(clickhouse.Context(inner, clickhouse.WithSettings(all)), s.sql(statement))
	if err != nil {
		over()
		return nil, err
	}
	return block{rows, over}, nil
}

// block is a batch whose context does not end any more once it is closed.
type block struct {
	driver.Batch
	over func()
}

// Close implements driver.Batch.
func (b block) Close() error {
	defer b.over()
	return b.Batch.Close()
}

// undisturbed is a context that ends with ctx until over is called, and no more after
// that. When the context of a batch ends just after it was sent, the driver picks by
// chance whether to close its connection, which may serve another query by then
// (contextWatchdog of clickhouse-go 2.50).
func undisturbed(ctx context.Context) (inner context.Context, over func()) {
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	return inner, func() { stop() }
}
