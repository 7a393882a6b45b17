package store

import (
	"context"
	"errors"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// RollupDue rolls up what was closed at now.
func (s *Store) RollupDue(ctx context.Context, now time.Time) (int, error) {
	return s.rollupDue(ctx, now, s.Retention())
}

// Conn and SQL let tests look at the tables.
func (s *Store) Conn() clickhouse.Conn       { return s.conn }
func (s *Store) SQL(statement string) string { return s.sql(statement) }

// FlushEvents writes recorded events now.
func (s *Store) FlushEvents(ctx context.Context) error { return s.flushEvents(ctx) }

// ClassOf classifies an error of a read or of a write.
func ClassOf(write bool, err error) Class {
	k := reading
	if write {
		k = writing
	}
	return func() *Error {
		target := &Error{}
		_ = errors.As(classify("test", k, err), &target)
		return target
	}().Class
}
