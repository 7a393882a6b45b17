-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS {{.Database}}.functions{{.OnCluster}} (
  day Date,
  func_id UInt64,
  kind UInt8,
  name String CODEC(ZSTD(3))
) ENGINE = {{engine "ReplacingMergeTree"}}
PARTITION BY day
ORDER BY func_id
TTL day + toIntervalDay({{.Days}} + 1)
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = {{.KeepFree}};
