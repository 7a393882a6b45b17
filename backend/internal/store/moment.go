package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// An answer takes several queries, and windows arrive in between. All of them
// read the windows whose headers ClickHouse had received by one moment. As a
// header becomes visible a little later than the time it bears, that alone is no
// proof: each query also returns a fingerprint of the headers that it read, and
// the sums over samples are held against the ledgers. What does not agree is read
// again, at a later moment.
type moment struct {
	at   int64 // Unix ms of ClickHouse
	last bool  // attempt
}

const (
	momentAttempts = 5
	// momentMargin is how much further back than now each attempt looks: where
	// headers are always under way, some time ago all are there.
	momentMargin = 250 * time.Millisecond
)

// errMoved says that queries did not see the same windows.
var errMoved = errors.New("windows kept arriving while they were counted")

// atOneMoment runs a function until it does not return errMoved. Clock returns the
// time of ClickHouse in Unix ms.
func (r *read) atOneMoment(ctx context.Context, clock func(context.Context) (int64, error), run func(m moment) error) error {
	for attempt := range momentAttempts {
		at, err := clock(ctx)
		if err != nil {
			return err
		}
		m := moment{at: at - int64(attempt)*momentMargin.Milliseconds(), last: attempt == momentAttempts-1}
		if err = run(m); !errors.Is(err, errMoved) {
			return err
		}
		r.store.metrics.moved.Inc()
	}
	return &Error{Class: Unavailable, Op: r.op, RetryAfter: time.Second, Err: errMoved}
}

// clock asks ClickHouse for the time.
func (r *read) clock(ctx context.Context) (at int64, err error) {
	err = r.query(ctx, "SELECT toUnixTimestamp64Milli(now64(3))", nil, func(row driver.Rows) error { return row.Scan(&at) })
	if err != nil {
		return 0, fmt.Errorf("ask ClickHouse for the time: %w", err)
	}
	return at, nil
}

// received is the condition on table profiles that a window belongs to the
// moment.
func (m moment) received() string {
	return fmt.Sprintf("received_at <= fromUnixTimestamp64Milli(%d, 'UTC')", m.at)
}

// fingerprint of a header; that of a set is the sum, modulo 2^64.
const fingerprint = "cityHash64(series_id, window_start, received_at)"

// exact is a sum of Int128 as Int64, or -1 if profile.Amount does not hold it
// exactly: Int64 alone would wrap around without a word.
func exact(sum string) string {
	return fmt.Sprintf("if(%s >= 9223372036854775807, -1, toInt64(%s))", sum, sum)
}

// checkSums returns an error if one of the sums did not fit.
func (r *read) checkSums(sums ...int64) error {
	for _, sum := range sums {
		if sum < 0 {
			return &Error{Class: SumTooLarge, Op: r.op, Hint: narrow, Err: errors.New("a sum is 2^63 or more")}
		}
	}
	return nil
}
