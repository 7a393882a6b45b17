package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/internal/access"
)

// own is the context of the store's own work, which no reader sees.
func own(ctx context.Context) context.Context { return access.Into(ctx, access.Everything()) }

// scope returns the namespaces that a read may see.
func (r *read) scope(ctx context.Context) (access.Scope, error) {
	s, ok := access.From(ctx)
	switch {
	case ok:
		return s, nil
	case r.store.unscoped:
		return access.Everything(), nil
	}
	return access.Scope{}, &Error{Class: Unscoped, Op: r.op, Err: errors.New("the context has no scope (package access)")}
}

// within puts the rows of a scope in the place of each table that a statement
// names. As nothing but @. names a table, no read can leave it out; a table
// without the column namespace that is not among the shared ones cannot be read
// within a scope. The condition is in the statement, where ClickHouse plans it as
// any other, and not in the setting additional_table_filters.
func within(s access.Scope, statement string, args params) (string, params) {
	if s.Everything() {
		return statement, args
	}
	statement = tables().ReplaceAllStringFunc(statement, func(named string) string {
		parts := tables().FindStringSubmatch(named)
		name, alias, final := parts[1], parts[2], parts[3]
		if shared()[name] {
			return named
		}
		return "@(SELECT * FROM @." + name + final + " WHERE namespace IN {readable:Array(String)})" + alias
	})
	return statement, args.with("readable", append([]string{}, s.Namespaces()...))
}

// tables finds the tables that a statement names.
func tables() *regexp.Regexp { return regexp.MustCompile(`@\.(\w+)( AS \w+)?( FINAL)?`) }

// shared are the tables without the column namespace that readers of a namespace
// read: names and stacks by ids out of tables that have it, sums and times of the
// whole installation.
func shared() map[string]bool {
	return map[string]bool{"functions": true, "stacks": true, "ingest_events": true, "activity_known": true}
}

// MaxNamespaces bounds what Namespaces returns.
const MaxNamespaces = 10_000

// Namespaces lists the namespaces of all targets that are known, whoever asks:
// it is what a reader's scope is worked out from. More than MaxNamespaces are
// cut off, and truncated says so.
func (s *Store) Namespaces(ctx context.Context) (list []string, truncated bool, err error) {
	var all []string // not a result: a read that was given up may still write it
	_, err = s.reading(own(ctx), "list namespaces", func(ctx context.Context, r *read) error {
		statement := fmt.Sprintf("SELECT DISTINCT namespace FROM @.targets ORDER BY namespace LIMIT %d", MaxNamespaces+1)
		return r.query(ctx, statement, nil, func(row driver.Rows) error {
			var name string
			err := row.Scan(&name)
			all = append(all, name)
			return err
		})
	})
	if err != nil {
		return nil, false, err
	}
	return all[:min(len(all), MaxNamespaces)], len(all) > MaxNamespaces, nil
}
