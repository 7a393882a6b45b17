-- +goose NO TRANSACTION
-- +goose Up
-- What services and targets did in each 5 minutes and each hour that is over, out
-- of the headers of windows. Lists of services are read from here. start is that
-- of the span, step_s its length; times without a zone are Unix seconds.
CREATE TABLE IF NOT EXISTS {{.Database}}.service_activity{{.OnCluster}} (
  step_s UInt32,
  start DateTime('UTC') CODEC(Delta, ZSTD(1)),
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  type LowCardinality(String),
  versions Array(LowCardinality(String)),
  windows UInt64 CODEC(T64, ZSTD(1)),
  prints UInt64 CODEC(ZSTD(1)),
  first Int64 CODEC(ZSTD(1)),
  last Int64 CODEC(ZSTD(1)),
  captured_value Int64 CODEC(T64, ZSTD(1)),
  captured_count Int64 CODEC(T64, ZSTD(1)),
  stored_value Int64 CODEC(T64, ZSTD(1)),
  stored_count Int64 CODEC(T64, ZSTD(1)),
  recordings Int64 CODEC(T64, ZSTD(1)),
  recorded_ns Int64 CODEC(T64, ZSTD(1)),
  loss_outcome Array(UInt8) CODEC(ZSTD(1)),
  loss_reason Array(LowCardinality(String)),
  loss_value Array(Int64) CODEC(ZSTD(1)),
  loss_count Array(Int64) CODEC(ZSTD(1)),
  loss_duration_ns Array(Int64) CODEC(ZSTD(1)),
  loss_bytes Array(Int64) CODEC(ZSTD(1)),
  rolled_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
) ENGINE = {{engine "ReplacingMergeTree" "rolled_at"}}
PARTITION BY toDate(start)
ORDER BY (step_s, start, service, namespace, cluster, type)
TTL start + toIntervalDay({{.Days}})
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 600, min_age_to_force_merge_on_partition_only = 1;
CREATE TABLE IF NOT EXISTS {{.Database}}.target_activity{{.OnCluster}} (
  step_s UInt32,
  start DateTime('UTC') CODEC(Delta, ZSTD(1)),
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  series_id UInt64 CODEC(ZSTD(1)),
  first Int64 CODEC(ZSTD(1)),
  last Int64 CODEC(ZSTD(1)),
  recorded_length Int64 CODEC(ZSTD(1)),
  any_length Int64 CODEC(ZSTD(1)),
  born Int64 CODEC(ZSTD(1)),
  kinds Array(LowCardinality(String)),
  stored Int64 CODEC(T64, ZSTD(1)),
  lost Int64 CODEC(T64, ZSTD(1)),
  lost_s Int64 CODEC(T64, ZSTD(1)),
  prints UInt64 CODEC(ZSTD(1)),
  rolled_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
) ENGINE = {{engine "ReplacingMergeTree" "rolled_at"}}
PARTITION BY toDate(start)
ORDER BY (step_s, start, service, namespace, cluster, series_id)
TTL start + toIntervalDay({{.Days}})
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 600, min_age_to_force_merge_on_partition_only = 1;
-- The latest row says which spans these tables have: all from since to upto but
-- for the hours in failing, with what had arrived at the time at.
CREATE TABLE IF NOT EXISTS {{.Database}}.activity_known{{.OnCluster}} (
  at DateTime64(3, 'UTC'),
  since DateTime('UTC'),
  upto DateTime('UTC'),
  failing Array(DateTime('UTC'))
) ENGINE = {{engine "ReplacingMergeTree" "at"}}
ORDER BY tuple();
-- What has arrived since then is found without reading all headers.
ALTER TABLE {{.Database}}.profiles{{.OnCluster}} ADD INDEX IF NOT EXISTS received_at received_at TYPE minmax GRANULARITY 1;
ALTER TABLE {{.Database}}.profiles{{.OnCluster}} MATERIALIZE INDEX received_at;
