package store

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"
	"testing/fstest"
	"text/template"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// keepFree is left free on ClickHouse's disk, so that it can still merge.
const keepFree = 1_000_000_000

// Migrate creates or updates the tables and their retention. It may run in many
// backends at once and as often as wanted.
func (s *Store) Migrate(ctx context.Context) error {
	err := classify("migrate the tables of ClickHouse", writing, s.bounded(ctx, s.limits.Migration, s.migrate))
	if e, ok := errors.AsType[*Error](err); ok && errors.Is(err, context.DeadlineExceeded) {
		e.Hint = "many tables may need more time: --migration-timeout"
	}
	return err
}

func (s *Store) migrate(ctx context.Context) error {
	results, err := s.migrateTo(ctx, latest)
	if err != nil {
		return err
	}
	if len(results) > 0 {
		s.log.Info("tables of ClickHouse are up to date", "migrations", len(results), "database", s.cluster.all)
	}
	return s.retain(ctx)
}

// latest is the version of the last migration.
const latest = math.MaxInt64

func (s *Store) migrateTo(ctx context.Context, version int64) ([]*goose.MigrationResult, error) {
	if err := s.checkSetup(ctx); err != nil {
		return nil, err
	}
	if !s.cluster.isOne() {
		return s.migrateCluster(ctx, version)
	}
	if err := s.conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+s.cluster.all+s.atomic(ctx)); err != nil {
		return nil, err
	}
	return s.apply(ctx, version, true)
}

// apply makes the migrations up to a version: those that are not noted as made, or
// all without a note of it.
func (s *Store) apply(ctx context.Context, version int64, noted bool) ([]*goose.MigrationResult, error) {
	files, err := s.rendered()
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(s.migrates())
	defer func() { _ = db.Close() }()
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, files, goose.WithTableName(s.cluster.all+"."+versionTable),
		goose.WithDisableVersioning(!noted), goose.WithDisableGlobalRegistry(true),
		goose.WithIsolateDDL(true)) // else what ClickHouse refuses there is told as a closed connection
	if err != nil {
		return nil, err
	}
	return provider.UpTo(ctx, version)
}

// versionTable says which migrations were made.
const versionTable = "goose_db_version"

// atomic names the engine of the database where it is not the default: the
// embedded server's default is an overlay.
func (s *Store) atomic(ctx context.Context) string {
	var engine string
	err := s.conn.QueryRow(ctx, "SELECT engine FROM system.databases WHERE name = 'default'").Scan(&engine)
	if err == nil && engine == "Overlay" {
		return " ENGINE = Atomic"
	}
	return ""
}

// rendered returns the migrations with their values filled in.
func (s *Store) rendered() (fs.FS, error) {
	values := struct {
		Database, OnCluster string
		Days, KeepFree      int
	}{s.cluster.own, s.cluster.onCluster(), s.days, keepFree}
	out := fstest.MapFS{}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		parsed, err := template.New(path.Base(name)).Funcs(template.FuncMap{"engine": s.cluster.engine}).ParseFS(migrations, name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		var text bytes.Buffer
		if err := parsed.Execute(&text, values); err != nil {
			return nil, fmt.Errorf("fill in %s: %w", name, err)
		}
		out[strings.TrimPrefix(name, "migrations/")] = &fstest.MapFile{Data: text.Bytes()}
	}
	return out, nil
}

// ttl is the expression of a table's retention, given the days.
type ttl struct{ table, format string }

func ttls() []ttl {
	return []ttl{
		{"samples", "window_start + toIntervalDay(%d)"},
		{"profiles", "window_start + toIntervalDay(%d)"},
		{"stacks", "day + toIntervalDay(%d + 1)"},
		{"functions", "day + toIntervalDay(%d + 1)"},
		{"samples_1h_by_version", "hour + toIntervalDay(%d)"},
		{"rolled_hours", "hour + toIntervalDay(%d)"},
		{"service_activity", "start + toIntervalDay(%d)"},
		{"target_activity", "start + toIntervalDay(%d)"},
		{"given_up_days", "day + toIntervalDay(%d + 1)"},
		{"targets", "toDateTime(reported_at) + toIntervalDay(%d)"},
		{"ingest_events", "time + toIntervalDay(%d)"},
	}
}

// retain alters tables that were made with another retention.
func (s *Store) retain(ctx context.Context) error {
	for _, t := range ttls() {
		var engine string
		err := s.conn.QueryRow(ctx, "SELECT engine_full FROM system.tables WHERE database = {database:String} AND name = {table:String}",
			clickhouse.Named("database", s.cluster.own), clickhouse.Named("table", t.table)).Scan(&engine)
		if err != nil {
			return fmt.Errorf("read the retention of %s: %w", t.table, err)
		}
		want := fmt.Sprintf(t.format, s.days)
		if strings.Contains(engine, "TTL "+want) {
			continue
		}
		if err := s.conn.Exec(ctx, "ALTER TABLE "+s.cluster.altered(t.table)+" MODIFY TTL "+want); err != nil {
			return fmt.Errorf("change the retention of %s to %d days: %w", t.table, s.days, err)
		}
		s.log.Info("retention of a table changed", "table", t.table, "days", s.days)
	}
	return nil
}

// MigrateUntil repeats Migrate while ClickHouse is away.
func (s *Store) MigrateUntil(ctx context.Context) error {
	for {
		err := s.Migrate(ctx)
		if err == nil || !IsRetryable(err) || ctx.Err() != nil {
			return err
		}
		s.log.Warn("ClickHouse is not ready and is tried again", "error", err)
		e, _ := errors.AsType[*Error](err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(e.RetryAfter):
		}
	}
}
