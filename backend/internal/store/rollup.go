package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// An hour is dirty if a window of it came after its roll-up, or not long enough
// before. The times are those of ClickHouse: a window's header is written after
// its samples, and rolled_at is taken before they are read, so a header that is
// older than rolled_at has its samples in the roll-up.
const hourStates = `SELECT cluster, namespace, service, hour, max(rolled) AS rolled_at, max(last) AS last_at FROM (
  SELECT cluster, namespace, service, hour, rolled_at AS rolled, toDateTime64(0, 3, 'UTC') AS last FROM @.rolled_hours WHERE %s
  UNION ALL
  SELECT cluster, namespace, service, toStartOfHour(window_start) AS hour, toDateTime64(0, 3, 'UTC') AS rolled, received_at AS last
  FROM @.profiles WHERE type = '' AND %s
) GROUP BY cluster, namespace, service, hour`

// rolledHours returns the hours within these ranges whose roll-up is up to date,
// in order.
func (r *read) rolledHours(ctx context.Context, key ServiceKey, spans []seconds) ([]int64, error) {
	var whole []seconds
	for _, span := range spans {
		if from, to := (span.from+3599)/3600*3600, span.to/3600*3600; from < to {
			whole = append(whole, seconds{from, to})
		}
	}
	if len(whole) == 0 {
		return nil, nil
	}
	statement := fmt.Sprintf("SELECT toUnixTimestamp(hour) FROM ("+hourStates+") WHERE rolled_at >= last_at + toIntervalMillisecond(%d) ORDER BY hour",
		scoped+" AND "+inAny("hour", whole), scoped+" AND "+inAny("window_start", whole), r.store.skew.Milliseconds())
	var hours []int64
	err := r.query(ctx, statement, key.params(), func(row driver.Rows) error {
		var hour uint32
		err := row.Scan(&hour)
		hours = append(hours, int64(hour))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for rolled up hours: %w", err)
	}
	return hours, nil
}
