package store

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/internal/calltree"
)

// RollupDue rolls up what was closed at now.
func (s *Store) RollupDue(ctx context.Context, now time.Time) (int, error) {
	return s.rollupDue(ctx, now, s.Retention())
}

// SumActivity sums up all activity that is over, and returns how many hours it was.
// Hours that fail keep it from no other.
func (s *Store) SumActivity(ctx context.Context) (hours int, err error) {
	for {
		n, more, failed := s.sumActivity(ctx)
		hours, err = hours+n, errors.Join(err, failed)
		if !more || n == 0 && failed != nil {
			return hours, err
		}
	}
}

// SweepDue looks for samples without a header as of now.
func (s *Store) SweepDue(ctx context.Context, now time.Time) (int, error) {
	return s.sweepDue(ctx, now)
}

// MigrateTo makes the tables of an earlier version.
func (s *Store) MigrateTo(ctx context.Context, version int64) error {
	_, err := s.migrateTo(ctx, version)
	return err
}

// MakeRoom gives up the oldest day as of now if there is no room.
func (s *Store) MakeRoom(ctx context.Context, now time.Time) (GivenUpDay, error) {
	return s.makeRoom(ctx, now)
}

// Limit changes Config.RetentionBytes, NoteWrite enters the outcome of an insert.
func (s *Store) Limit(bytes uint64)                 { s.maxBytes = bytes }
func (s *Store) NoteWrite(err error, now time.Time) { s.writes.note(err, now) }

// LongestLookBack is how far back the last attempt at a moment looks.
const LongestLookBack = (momentAttempts - 1) * momentMargin

// Writes are the outcomes of inserts.
type Writes struct{ writes }

// Note and Failing are those of writes.
func (w *Writes) Note(err error, now time.Time) { w.note(err, now) }
func (w *Writes) Failing(now time.Time) error   { return w.failing(now) }

// Through replaces the connections of the store.
func (s *Store) Through(conn func(clickhouse.Conn) clickhouse.Conn, migrates func(sqldriver.Connector) sqldriver.Connector) {
	connector := s.migrates
	s.conn, s.migrates = conn(s.conn), func() sqldriver.Connector { return migrates(connector()) }
}

// Statements are the migrations of a cluster, and what follows them.
func (s *Store) Statements() (string, error) {
	files, err := s.rendered()
	if err != nil {
		return "", err
	}
	var all strings.Builder
	err = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		fmt.Fprintf(&all, "---- %s\n%s\n", path, text)
		return err
	})
	all.WriteString("---- tables of all shards\n" + s.cluster.versions() + ";\n")
	for _, table := range slices.Sorted(maps.Keys(shardedBy())) {
		all.WriteString(s.cluster.distributed(table) + ";\n")
	}
	return all.String(), err
}

// Conn and SQL let tests look at the tables.
func (s *Store) Conn() clickhouse.Conn       { return s.conn }
func (s *Store) SQL(statement string) string { return s.sql(statement) }

// Read reads as every read does, by a statement of a test.
func (s *Store) Read(ctx context.Context, statement string) error {
	_, err := s.reading(ctx, "read for a test", func(ctx context.Context, r *read) error {
		return r.query(ctx, statement, nil, func(driver.Rows) error { return nil })
	})
	return err
}

// ForgetStacks makes the store as it is after a start.
func (s *Store) ForgetStacks() { s.trees = calltree.NewCache(s.limits.CacheBytes, nil) }

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
