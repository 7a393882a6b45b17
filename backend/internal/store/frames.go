package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/profile"
)

// stacks finds the stacks of the lists in a dictionary that holds them, as far as they
// are in the store and have room. Stacks of different types have next to nothing
// in common, so each type has a dictionary of its own.
func (r *read) stacks(ctx context.Context, selections []Selection, lists [][]calltree.Sum) (*calltree.Found, error) {
	service, spans := selections[0].Service, lastThenRest(days(selections))
	cache, key := r.store.trees, service+"\x00"+string(selections[0].Type)
	d := cache.Of(key)
	defer cache.Account(key)
	found, err := r.fill(ctx, d, service, spans, lists)
	if err != nil || !found.Crowded() {
		return found, err
	}
	return r.fill(ctx, cache.Renew(key, d), service, spans, lists)
}

// Stacks are read some at a time. They come heaviest first, so what has no room
// is light. As each time reads the table of stacks, the times are few: each takes
// more.
const (
	firstStacks = 20_000
	moreStacks  = 4
)

// stacksInBlock is how many stacks come in a block of an answer, all of which is held
// until its last one is entered: of the deepest stacks that are 8 MiB.
const stacksInBlock = 2048

// fill reads the stacks and names that a dictionary lacks: from the last day,
// where most are, then from the others. It ends when the dictionary is full.
func (r *read) fill(ctx context.Context, d *calltree.Dictionary, service string, spans []string, lists [][]calltree.Sum) (*calltree.Found, error) {
	found, full := d.Find(lists...), false
	missing := found.Missing()
	r.store.metrics.cacheMissing.Add(float64(len(missing)))
	for _, span := range spans {
		if len(missing) == 0 {
			break
		}
		for some := firstStacks; len(missing) > 0 && !full; some *= moreStacks {
			some = min(some, len(missing))
			var err error
			if full, err = r.loadStacks(ctx, d, service, missing[:some], span); err != nil {
				return nil, err
			}
			missing = missing[some:]
		}
		found.Again()
		missing = found.Missing()
	}
	return found, r.fillNames(ctx, d, spans)
}

func (r *read) fillNames(ctx context.Context, d *calltree.Dictionary, spans []string) error {
	nameless := d.Nameless()
	for _, span := range spans {
		if len(nameless) == 0 {
			break
		}
		if err := r.loadNames(ctx, d, nameless, span); err != nil {
			return err
		}
		nameless = d.Nameless()
	}
	return nil
}

func (r *read) loadStacks(ctx context.Context, d *calltree.Dictionary, service string, missing []uint64, span string) (full bool, err error) {
	ids, err := idTable(missing)
	if err != nil {
		return false, err
	}
	// In the order of their frames, what stacks have in common is next to each other.
	statement := fmt.Sprintf("SELECT stack_id, frames FROM @.stacks WHERE service = {service:String} AND %s AND stack_id IN ids ORDER BY frames SETTINGS max_block_size = %d", span, stacksInBlock)
	var id uint64
	var packed []byte
	err = r.query(ctx, statement, params{clickhouse.Named("service", service)}, func(row driver.Rows) error {
		if err := row.Scan(&id, &packed); err != nil {
			return err
		}
		full = !d.Add(id, packed) || full
		return nil
	}, clickhouse.WithExternalTable(ids))
	if err != nil {
		return full, fmt.Errorf("read frames: %w", err)
	}
	return full, nil
}

func (r *read) loadNames(ctx context.Context, d *calltree.Dictionary, missing []uint64, span string) error {
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
		d.Name(id, profile.Function{Name: name, Kind: profile.Kind(kind)})
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
