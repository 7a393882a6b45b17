package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/profile"
)

// unknownFunction stands for a function whose name is no longer in the store.
const unknownFunction = "[unknown]"

// loadStacks reads the stacks that the dictionary lacks: from the last day of
// the range, where most are, then from the others.
func (r *read) loadStacks(ctx context.Context, d *dictionary, rows []sum, days []time.Time) error {
	missing := d.missing(rows)
	r.store.metrics.cacheMissing.Add(float64(len(missing)))
	for _, span := range lastThenRest(days) {
		if len(missing) == 0 {
			return nil
		}
		ids, err := idTable(missing)
		if err != nil {
			return err
		}
		statement := fmt.Sprintf("SELECT stack_id, frames FROM @.stacks WHERE service = {service:String} AND %s AND stack_id IN ids", span)
		var id uint64
		var packed []byte
		err = r.query(ctx, statement, params{clickhouse.Named("service", d.service)}, func(row driver.Rows) error {
			if err := row.Scan(&id, &packed); err != nil {
				return err
			}
			d.add(id, packed)
			return nil
		}, clickhouse.WithExternalTable(ids))
		if err != nil {
			return fmt.Errorf("read frames: %w", err)
		}
		missing = d.missing(rows)
	}
	return nil
}

// name fills in names, from the cache or the store.
func (r *read) name(ctx context.Context, sums *Sums, functions []uint32) error {
	if functions == nil {
		functions = make([]uint32, len(sums.FunctionIDs))
		for i := range functions {
			functions[i] = uint32(i)
		}
	}
	d := r.store.stacks.of(sums.service)
	missing := d.fillNames(sums, functions)
	for _, span := range lastThenRest(sums.days) {
		if len(missing) == 0 {
			return nil
		}
		if err := r.loadNames(ctx, d, missing, span); err != nil {
			return err
		}
		missing = d.fillNames(sums, functions)
	}
	r.store.stacks.account(d)
	for _, i := range functions {
		if sums.Set.Functions[i].Name == "" {
			sums.Set.Functions[i] = profile.Function{Name: unknownFunction, Kind: profile.Native}
		}
	}
	return nil
}

func (r *read) loadNames(ctx context.Context, d *dictionary, missing []uint64, span string) error {
	ids, err := idTable(missing)
	if err != nil {
		return err
	}
	var id uint64
	var name string
	var kind uint8
	err = r.query(ctx, "SELECT func_id, name, kind FROM @.functions WHERE "+span+" AND func_id IN ids", nil, func(row driver.Rows) error {
		if err := row.Scan(&id, &name, &kind); err != nil {
			return err
		}
		d.learn(id, profile.Function{Name: name, Kind: profile.Kind(kind)})
		return nil
	}, clickhouse.WithExternalTable(ids))
	if err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	return nil
}

// lastThenRest returns conditions on the column day. Days come last first.
func lastThenRest(days []time.Time) []string {
	if len(days) == 0 {
		return nil
	}
	spans := []string{fmt.Sprintf("day = toDate('%s')", days[0].Format(time.DateOnly))}
	if len(days) > 1 {
		spans = append(spans, fmt.Sprintf("day >= toDate('%s') AND day < toDate('%s')",
			days[len(days)-1].Format(time.DateOnly), days[0].Format(time.DateOnly)))
	}
	return spans
}

// idTable sends ids along with a query, as the table ids.
func idTable(ids []uint64) (*ext.Table, error) {
	table, err := ext.NewTable("ids", ext.Column("id", "UInt64"))
	if err != nil {
		return nil, fmt.Errorf("make the table of ids: %w", err)
	}
	for _, id := range ids {
		if err := table.Append(id); err != nil {
			return nil, fmt.Errorf("make the table of ids: %w", err)
		}
	}
	return table, nil
}
