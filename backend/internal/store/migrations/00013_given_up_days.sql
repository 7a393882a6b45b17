-- +goose NO TRANSACTION
-- +goose Up
-- Headers are written whatever is free: to give up a day they are entered anew.
ALTER TABLE {{.Database}}.profiles{{.OnCluster}} MODIFY SETTING min_free_disk_bytes_to_perform_insert = 0;
-- Days whose samples were given up for room; their headers say so as well. bytes:
-- what they took; why: low_disk or limit.
CREATE TABLE IF NOT EXISTS {{.Database}}.given_up_days{{.OnCluster}} (
  day Date,
  bytes UInt64,
  why LowCardinality(String),
  at DateTime64(3, 'UTC')
) ENGINE = {{engine "ReplacingMergeTree" "at"}}
PARTITION BY day
ORDER BY day
TTL day + toIntervalDay({{.Days}} + 1)
SETTINGS ttl_only_drop_parts = 1;
