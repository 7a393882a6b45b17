-- +goose NO TRANSACTION
-- +goose Up
-- frames: 8 bytes little endian per function id, root first.
CREATE TABLE IF NOT EXISTS {{.Database}}.stacks{{.OnCluster}} (
  service LowCardinality(String),
  day Date,
  stack_id UInt64,
  frames String CODEC(ZSTD(1))
) ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY day
ORDER BY (service, stack_id)
TTL day + toIntervalDay({{.Days}} + 1)
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = {{.KeepFree}};
