package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/internal/quota"
	"github.com/podflame/podflame/backend/profile"
)

// stacks finds the stacks of the lists in a dictionary that holds them, as far as they
// are in the store and have room. Stacks of different types have next to nothing
// in common, so each type has a dictionary of its own. When it returns there is memory
// for the trees of what was found; the dictionary is kept until done is called.
func (r *read) stacks(ctx context.Context, selections []Selection, lists [][]calltree.Sum) (found *calltree.Found, done func(), err error) {
	service, spans := selections[0].Service, lastThenRest(days(selections))
	use := r.store.trees.Use(service + "\x00" + string(selections[0].Type))
	defer func() {
		if found == nil { // or a panic
			use.Done()
		}
	}()
	all, err := r.fill(ctx, use, service, spans, lists)
	if err == nil && all.Crowded() {
		use.Renew()
		all, err = r.fill(ctx, use, service, spans, lists)
	}
	if err != nil {
		return nil, nil, err
	}
	bytes, nodes := all.Memory()
	if err := quota.Of(ctx).Take(ctx, bytes, nodes); err != nil {
		return nil, nil, r.overloaded(err)
	}
	return all, use.Done, nil
}

// overloaded is the error of a read for which there is no memory.
func (r *read) overloaded(err error) error {
	if _, full := errors.AsType[*quota.FullError](err); !full {
		return err
	}
	return &Error{Class: Overloaded, Op: r.op, RetryAfter: soon, Err: err}
}

// grow waits until a dictionary may grow as far as it needs.
func (r *read) grow(ctx context.Context, use *calltree.Use) error {
	share := quota.Of(ctx)
	wait, cancel := share.Waiting(ctx)
	defer cancel()
	if use.Grow(wait) == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.overloaded(share.Full("memory for call trees", r.store.limits.CacheBytes))
}

// Stacks are read some at a time. They come heaviest first, so what has no room
// is light. As each time reads the table of stacks, the times are few: each takes
// more.
const (
	firstStacks = 20_000
	moreStacks  = 4
)

// stacksInBlock is how many stacks come in a block of an answer, all of which is held
// until its last one is entered, while the next two are received: of the deepest stacks
// (profile.DecodeLimits) a block has 4 MiB.
const stacksInBlock = 256

// namesInBlock is the same of names: of the longest a block has 4 MiB.
const namesInBlock = 1024

// errWaits ends the reading of rows for which a dictionary may not grow now.
var errWaits = errors.New("the call tree has grown as far as it may for now")

// fill reads the stacks and names that a dictionary lacks: from the last day,
// where most are, then from the others. It ends when the dictionary is full.
func (r *read) fill(ctx context.Context, use *calltree.Use, service string, spans []string, lists [][]calltree.Sum) (*calltree.Found, error) {
	found := use.Find(lists...)
	missing := found.Missing()
	r.store.metrics.cacheMissing.Add(float64(len(missing)))
	if len(missing) == 0 && len(use.Nameless()) == 0 {
		return found, nil
	}
	for little := len(missing) <= firstStacks && use.GrowALittle(); ; { // more do not fit as a rule, and would be read again
		if !little {
			if err := r.grow(ctx, use); err != nil {
				return nil, err
			}
			found = use.Find(lists...)
		}
		if err := r.load(ctx, use, found, service, spans); err != nil {
			return nil, err
		}
		if !use.Waits() {
			use.Settle()
			found.Again()
			return found, nil
		}
		little = false
	}
}

// load reads what a dictionary lacks as far as it may grow, when fewer than Limits.Loads
// others do.
func (r *read) load(ctx context.Context, use *calltree.Use, found *calltree.Found, service string, spans []string) error {
	if err := r.store.loads.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer r.store.loads.Release(1)
	full, missing := false, found.Missing()
	for _, span := range spans {
		if len(missing) == 0 {
			break
		}
		for some := firstStacks; len(missing) > 0 && !full; some *= moreStacks {
			some = min(some, len(missing))
			var err error
			if full, err = r.loadStacks(ctx, use.Dictionary, service, missing[:some], span); err != nil {
				return err
			}
			missing = missing[some:]
		}
		if use.Waits() {
			return nil
		}
		found.Again()
		missing = found.Missing()
	}
	return r.fillNames(ctx, use.Dictionary, spans)
}

func (r *read) fillNames(ctx context.Context, d *calltree.Dictionary, spans []string) error {
	nameless := d.Nameless()
	for _, span := range spans {
		if len(nameless) == 0 || d.Waits() {
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
		if d.Waits() {
			return errWaits
		}
		return nil
	}, clickhouse.WithExternalTable(ids))
	if err != nil && !errors.Is(err, errWaits) {
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
	statement := fmt.Sprintf("SELECT func_id, name, kind FROM @.functions WHERE %s AND func_id IN ids SETTINGS max_block_size = %d", span, namesInBlock)
	err = r.query(ctx, statement, nil, func(row driver.Rows) error {
		if err := row.Scan(&id, &name, &kind); err != nil {
			return err
		}
		if !d.Name(id, profile.Function{Name: name, Kind: profile.Kind(kind)}) {
			return errWaits
		}
		return nil
	}, clickhouse.WithExternalTable(ids))
	if err != nil && !errors.Is(err, errWaits) {
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
