package store

import (
	"context"
	"fmt"
	"reflect"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// rowsOf calls a function for each row of a query, scanned into one struct by the names
// of columns in the tags of its fields. The driver's ScanStruct looks them up for each
// row again.
func rowsOf[T any](ctx context.Context, r *read, statement string, args params, each func(*T) error) error {
	var one T
	var columns []any
	return r.query(ctx, statement, args, func(row driver.Rows) error {
		if columns == nil {
			var err error
			if columns, err = fieldsOf(&one, row.Columns()); err != nil {
				return err
			}
		}
		if err := row.Scan(columns...); err != nil {
			return err
		}
		return each(&one)
	})
}

// fieldsOf are pointers to the fields of a struct with some names.
func fieldsOf(into any, names []string) ([]any, error) {
	value, at := reflect.ValueOf(into).Elem(), map[string]any{}
	for _, field := range reflect.VisibleFields(value.Type()) {
		if name := field.Tag.Get("ch"); name != "" {
			at[name] = value.FieldByIndex(field.Index).Addr().Interface()
		}
	}
	fields := make([]any, len(names))
	for i, name := range names {
		if fields[i] = at[name]; fields[i] == nil {
			return nil, fmt.Errorf("%T has no field for column %q", into, name)
		}
	}
	return fields, nil
}
