-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS {{.Database}}.targets{{.OnCluster}} (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  series_id UInt64,
  version LowCardinality(String),
  pod String,
  pod_uid String,
  node LowCardinality(String),
  container LowCardinality(String),
  pid UInt32,
  jvm_start DateTime64(3, 'UTC'),
  jvm_version LowCardinality(String),
  main_class String,
  state LowCardinality(String),
  reason LowCardinality(String),
  detail String,
  session String,
  profiler LowCardinality(String),
  sidecar LowCardinality(String),
  extra String CODEC(ZSTD(1)),
  spool_windows Int64,
  spool_bytes Int64,
  spool_oldest DateTime64(3, 'UTC'),
  last_window DateTime64(3, 'UTC'),
  reported_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = {{engine "ReplacingMergeTree" "reported_at"}}
ORDER BY (service, namespace, cluster, series_id)
TTL toDateTime(reported_at) + toIntervalDay({{.Days}})
SETTINGS min_free_disk_bytes_to_perform_insert = {{.KeepFree}};
