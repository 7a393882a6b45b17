-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS {{.Database}}.samples{{.OnCluster}} (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  type LowCardinality(String),
  window_start DateTime('UTC') CODEC(Delta, ZSTD(1)),
  duration_s UInt32 CODEC(ZSTD(1)),
  series_id UInt64 CODEC(ZSTD(1)),
  stack_id UInt64 CODEC(ZSTD(1)),
  value Int64 CODEC(T64, ZSTD(1)),
  count UInt64 CODEC(T64, ZSTD(1))
) ENGINE = {{engine "MergeTree"}}
PARTITION BY toDate(window_start)
ORDER BY (service, namespace, cluster, type, toStartOfFifteenMinutes(window_start), stack_id, series_id, window_start)
TTL window_start + toIntervalDay({{.Days}})
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = {{.KeepFree}};
