package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// rowsOf calls a function for each row of a query, scanned into one struct by the names
// of columns in the tags of its fields. The driver's ScanStruct looks them up for each
// row again.
func rowsOf[T any](ctx context.Context, r *read, statement string, args params, each func(*T) error) error {
	rows, err := r.open(ctx, statement, args)
	if err != nil {
		return err
	}
	return eachOf(rows, each)
}

// eachOf does so with rows that are there, and closes them.
func eachOf[T any](rows driver.Rows, each func(*T) error) error {
	var one T
	var columns []any
	for rows.Next() {
		err := error(nil)
		if columns == nil {
			columns, err = fieldsOf(&one, rows.Columns())
		}
		if err == nil {
			err = rows.Scan(columns...)
		}
		if err == nil {
			err = each(&one)
		}
		if err != nil {
			_ = rows.Close()
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
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
