-- +goose NO TRANSACTION
-- +goose Up
-- One row per window and type, and one of type '' per window. Written last: the
-- window counts as stored when they are there.
CREATE TABLE IF NOT EXISTS {{.Database}}.profiles{{.OnCluster}} (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  type LowCardinality(String),
  window_start DateTime('UTC') CODEC(Delta, ZSTD(1)),
  duration_s UInt32 CODEC(ZSTD(1)),
  series_id UInt64 CODEC(ZSTD(1)),
  window_id FixedString(16) CODEC(ZSTD(1)),
  types Array(LowCardinality(String)),
  version LowCardinality(String),
  pod LowCardinality(String),
  pod_uid LowCardinality(String),
  node LowCardinality(String),
  container LowCardinality(String),
  pid UInt32 CODEC(ZSTD(1)),
  jvm_start DateTime64(3, 'UTC') CODEC(ZSTD(1)),
  jvm_version LowCardinality(String),
  main_class LowCardinality(String),
  session String CODEC(ZSTD(1)),
  recorded_start_ns Int64 CODEC(ZSTD(1)),
  recorded_end_ns Int64 CODEC(ZSTD(1)),
  engine LowCardinality(String),
  cpu_interval_ns Int64 CODEC(ZSTD(1)),
  alloc_interval Int64 CODEC(ZSTD(1)),
  lock_threshold_ns Int64 CODEC(ZSTD(1)),
  wall_interval_ns Int64 CODEC(ZSTD(1)),
  captured_value Int64 CODEC(T64, ZSTD(1)),
  captured_count Int64 CODEC(T64, ZSTD(1)),
  stored_value Int64 CODEC(T64, ZSTD(1)),
  stored_count Int64 CODEC(T64, ZSTD(1)),
  raw Int64 CODEC(T64, ZSTD(1)),
  stacks UInt32 CODEC(T64, ZSTD(1)),
  loss_outcome Array(UInt8) CODEC(ZSTD(1)),
  loss_reason Array(LowCardinality(String)),
  loss_value Array(Int64) CODEC(ZSTD(1)),
  loss_count Array(Int64) CODEC(ZSTD(1)),
  loss_duration_ns Array(Int64) CODEC(ZSTD(1)),
  loss_bytes Array(Int64) CODEC(ZSTD(1)),
  received_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1))
) ENGINE = {{engine "ReplacingMergeTree" "received_at"}}
PARTITION BY toDate(window_start)
ORDER BY (service, namespace, cluster, type, window_start, series_id, window_id)
TTL window_start + toIntervalDay({{.Days}})
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = {{.KeepFree}};
