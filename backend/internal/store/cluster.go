package store

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
)

// cluster is where the tables are: on one server, in the database all, or on the
// shards of a cluster. There each server has the rows of its shard in the database
// own, whose engines replicate, and a table of the same name in the database all
// stands for those of all shards.
type cluster struct {
	name     string // empty for one server
	all, own string
}

// ownSuffix is that of the name of cluster.own.
const ownSuffix = "_shard"

func newCluster(name, database string) (cluster, error) {
	switch {
	case name == "":
		return cluster{all: database, own: database}, nil
	case !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`).MatchString(name):
		return cluster{}, fmt.Errorf("cluster %q of ClickHouse is not a name of up to 64 letters, digits, _, . and - (--clickhouse-cluster)", name)
	}
	return cluster{name: name, all: database, own: database + ownSuffix}, nil
}

// isOne says that there is one server.
func (c cluster) isOne() bool { return c.name == "" }

// sql writes the names of tables in full: @.name in a statement is a table, and
// @( ) a subquery that each shard answers from rows of its own, which is wherever
// what belongs together is on the same shard, see shardedBy. Subqueries in one and
// joins do not leave the shard.
func (c cluster) sql(statement string) string {
	if c.isOne() {
		return c.tables(strings.ReplaceAll(statement, "@(", "("), c.all)
	}
	before, rest, found := strings.Cut(statement, "@(")
	if !found {
		return c.tables(statement, c.all)
	}
	end := closing(rest)
	each := c.tables(strings.ReplaceAll(rest[:end], "@(", "("), c.own)
	return c.tables(before, c.all) + fmt.Sprintf("cluster('%s', view(%s))", c.name, each) + c.sql(rest[end+1:])
}

func (c cluster) tables(statement, database string) string {
	return strings.ReplaceAll(statement, "@.", database+".")
}

// closing is the index of the parenthesis that closes one before the text.
func closing(text string) int {
	depth, quoted := 1, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	panic("a statement does not close @(" + text)
}

// altered is a table in a statement that changes tables, on all servers that have it.
func (c cluster) altered(table string) string { return c.own + "." + table + c.onCluster() }

func (c cluster) onCluster() string {
	if c.isOne() {
		return ""
	}
	return " ON CLUSTER '" + c.name + "'"
}

// shardedBy says on which shard a row is. What a statement puts together within
// @( ), the samples, headers and reports of a target, has one key, so that a window
// is on one shard however often it is written. Elsewhere equal rows have.
func shardedBy() map[string]string {
	service := "cityHash64(cluster, namespace, service)"
	return map[string]string{
		"samples": "series_id", "profiles": "series_id", "targets": "series_id", "target_activity": "series_id",
		"stacks": "stack_id", "functions": "func_id", "samples_1h_by_version": "stack_id",
		"rolled_hours": service, "service_activity": service,
		"ingest_events": "toUInt32(time)", "given_up_days": "toUInt32(day)", "activity_known": "toUInt32(upto)",
		versionTable: "toUInt8(version_id < 0)", // all on the first: to lose some would be to make migrations out of order
	}
}

// settings are those of all statements to a cluster.
func (c cluster) settings() clickhouse.Settings {
	if c.isOne() {
		return nil
	}
	return clickhouse.Settings{
		"distributed_foreground_insert":      1, // what is acknowledged is on the shards
		"insert_deduplicate":                 0, // reading decides, see commitIDs
		"parallel_distributed_insert_select": 0, // sums are made over all shards
		"skip_unavailable_shards":            0, // a part is no answer
		"distributed_product_mode":           "deny",
		// All backends write to and read from the first replica that is there, so
		// that what was written is read however late the others are.
		"prefer_localhost_replica": 0,
		"load_balancing":           "in_order",
	}
}

// engine is that of a table, given that of one server.
func (c cluster) engine(name string, arguments ...string) string {
	if !c.isOne() {
		name, arguments = "Replicated"+name, append([]string{"'/clickhouse/tables/{shard}/{database}/{table}'", "'{replica}'"}, arguments...)
	}
	if len(arguments) == 0 {
		return name
	}
	return name + "(" + strings.Join(arguments, ", ") + ")"
}

// checkSetup refuses a cluster that ClickHouse does not have or that does not
// leave replication to its tables, and a database that has tables of another kind.
func (s *Store) checkSetup(ctx context.Context) error {
	if err := s.checkEngine(ctx); err != nil || s.cluster.isOne() {
		return err
	}
	rows, err := s.conn.Query(ctx, "SELECT cluster, max(replica_num) > 1 AND min(internal_replication) = 0 FROM system.clusters GROUP BY cluster")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	writesTwice := map[string]bool{}
	for rows.Next() {
		var name string
		var twice uint8
		if err := rows.Scan(&name, &twice); err != nil {
			return err
		}
		writesTwice[name] = twice > 0
	}
	if err := rows.Err(); err != nil {
		return err
	}
	twice, known := writesTwice[s.cluster.name]
	switch {
	case !known:
		return refusedSetup("cluster %q is not among those that ClickHouse knows: %q; name one of them with --clickhouse-cluster", s.cluster.name, slices.Sorted(maps.Keys(writesTwice)))
	case twice:
		return refusedSetup("cluster %q writes to each replica by itself, and its tables would too: set internal_replication to true in its shards", s.cluster.name)
	}
	return nil
}

// checkEngine refuses a database whose tables are of one server where a cluster is
// asked for, and the other way round.
func (s *Store) checkEngine(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, "SELECT engine = 'Distributed' FROM system.tables WHERE database = {database:String} AND name = 'profiles'",
		clickhouse.Named("database", s.cluster.all))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var distributed uint8
		if err := rows.Scan(&distributed); err != nil {
			return err
		}
		switch {
		case distributed > 0 && s.cluster.isOne():
			return refusedSetup("database %q has the tables of a cluster: name it with --clickhouse-cluster, or another database in --clickhouse", s.cluster.all)
		case distributed == 0 && !s.cluster.isOne():
			return refusedSetup("database %q has the tables of a single server: name another database in --clickhouse, as rows are not moved to the cluster", s.cluster.all)
		}
	}
	return rows.Err()
}

// migrateCluster makes the tables on all servers. Each takes the statements of all
// backends in one order, and each statement may be repeated, so backends need not
// agree on who makes them.
func (s *Store) migrateCluster(ctx context.Context, version int64) ([]*goose.MigrationResult, error) {
	servers, others, err := s.lacking(ctx)
	if err != nil {
		return nil, err
	}
	if servers > 0 {
		if err := s.prepare(ctx, version, others); err != nil {
			return nil, err
		}
	}
	results, err := s.apply(ctx, version, true)
	if err != nil {
		return nil, err
	}
	return results, s.distribute(ctx, slices.Sorted(maps.Keys(shardedBy()))...)
}

// prepare makes databases, and the table that says which migrations were made. If a
// server has joined others it makes all migrations there before.
func (s *Store) prepare(ctx context.Context, version int64, joined bool) error {
	for _, database := range []string{s.cluster.all, s.cluster.own} {
		if err := s.conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+database+s.cluster.onCluster()+s.atomic(ctx)); err != nil {
			return err
		}
	}
	if joined {
		if _, err := s.apply(ctx, version, false); err != nil {
			return err
		}
	}
	if err := s.conn.Exec(ctx, s.cluster.versions()); err != nil {
		return err
	}
	return s.distribute(ctx, versionTable)
}

// lacking says how many servers of the cluster have no table that says which
// migrations were made, and whether others have.
func (s *Store) lacking(ctx context.Context) (servers uint64, others bool, err error) {
	var all, have uint64
	statement := fmt.Sprintf("SELECT uniqExact(_shard_num), uniqExactIf(_shard_num, database = '%s' AND name = '%s') FROM clusterAllReplicas('%s', system.tables)",
		s.cluster.all, versionTable, s.cluster.name) // each replica has a number
	if err := s.conn.QueryRow(ctx, statement).Scan(&all, &have); err != nil {
		return 0, false, fmt.Errorf("look for tables on the servers of cluster %q: %w", s.cluster.name, err)
	}
	return all - have, have > 0, nil
}

// distribute makes the tables that stand for those of all shards, where they are
// not there or have other columns.
func (s *Store) distribute(ctx context.Context, tables ...string) error {
	rows, err := s.conn.Query(ctx, fmt.Sprintf(`SELECT DISTINCT table FROM (
  SELECT table, arraySort(groupArrayIf(column, database = '%[1]s')) != arraySort(groupArrayIf(column, database = '%[2]s')) AS differs FROM (
    SELECT _shard_num AS server, database, table, (position, name, type, default_expression) AS column FROM clusterAllReplicas('%[3]s', system.columns)
    WHERE database IN ('%[1]s', '%[2]s') AND table IN {tables:Array(String)}
  ) GROUP BY server, table
) WHERE differs ORDER BY table`, s.cluster.all, s.cluster.own, s.cluster.name), clickhouse.Named("tables", tables))
	if err != nil {
		return fmt.Errorf("compare the columns of tables on the servers of cluster %q: %w", s.cluster.name, err)
	}
	defer func() { _ = rows.Close() }()
	var differ []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return err
		}
		differ = append(differ, table)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, table := range differ {
		if err := s.conn.Exec(ctx, s.cluster.distributed(table)); err != nil {
			return fmt.Errorf("make the table that stands for %s of all shards: %w", table, err)
		}
	}
	return nil
}

// distributed makes a table that stands for those of all shards. It has no rows, so
// it may take the place of another.
func (c cluster) distributed(table string) string {
	return fmt.Sprintf("CREATE OR REPLACE TABLE %s.%s%s AS %s.%s ENGINE = Distributed('%s', '%s', '%s', %s)",
		c.all, table, c.onCluster(), c.own, table, c.name, c.own, table, shardedBy()[table])
}

// versions is the table that says which migrations were made, as goose has it.
func (c cluster) versions() string {
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s.%s%s (version_id Int64, is_applied UInt8, date Date DEFAULT now(), tstamp DateTime DEFAULT now()) ENGINE = %s ORDER BY version_id",
		c.own, versionTable, c.onCluster(), c.engine("MergeTree"))
}

func refusedSetup(format string, values ...any) error {
	return &Error{Class: Refused, Op: "look at the tables of ClickHouse", Err: fmt.Errorf(format, values...)}
}

// partsOf are the active parts of tables, or of all tables, on one replica of each
// shard.
func (s *Store) partsOf(tables ...string) string {
	among := ""
	if len(tables) > 0 {
		among = " AND table IN ('" + strings.Join(tables, "', '") + "')"
	}
	return fmt.Sprintf("@(SELECT table, partition, rows, bytes_on_disk FROM system.parts WHERE active AND database = '%s'%s)", s.cluster.own, among)
}
