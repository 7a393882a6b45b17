package store

// An hour is dirty if a window of it came after its roll-up, or not long enough
// before. The times are those of ClickHouse: a window's header is written after
// its samples, and rolled_at is taken before they are read, so a header that is
// older than rolled_at has its samples in the roll-up.
const hourStates = `SELECT cluster, namespace, service, hour, max(rolled) AS rolled_at, max(last) AS last_at FROM @(
  SELECT cluster, namespace, service, hour, rolled_at AS rolled, toDateTime64(0, 3, 'UTC') AS last FROM @.rolled_hours WHERE %s
  UNION ALL
  SELECT cluster, namespace, service, toStartOfHour(window_start) AS hour, toDateTime64(0, 3, 'UTC') AS rolled, received_at AS last
  FROM @.profiles WHERE type = '' AND %s
) GROUP BY cluster, namespace, service, hour`
