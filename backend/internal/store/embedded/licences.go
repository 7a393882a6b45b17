package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Licence is a text and the libraries that stand under it.
type Licence struct {
	Name      string // as ClickHouse calls it, e.g. "BSD 3-clause"
	Text      string
	Libraries []string // sorted
}

// Licences returns those of the libraries that ClickHouse was linked from, each
// text once, as it says itself in its table system.licenses.
func (s *Server) Licences(ctx context.Context) (list []Licence, err error) {
	options, err := clickhouse.ParseDSN(s.DSN())
	if err != nil {
		return nil, fmt.Errorf("read the address of the server: %w", err)
	}
	options.DialContext = s.Dial
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	const each = `SELECT license_type, license_text, arraySort(groupArray(library_name)) AS libraries
FROM system.licenses GROUP BY license_type, license_text ORDER BY libraries`
	rows, err := conn.Query(ctx, each)
	if err != nil {
		return nil, fmt.Errorf("read the licences: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var l Licence
		if err := rows.Scan(&l.Name, &l.Text, &l.Libraries); err != nil {
			return nil, fmt.Errorf("read a licence: %w", err)
		}
		list = append(list, l)
	}
	return list, rows.Err()
}
