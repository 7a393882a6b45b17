-- +goose NO TRANSACTION
-- +goose Up
-- Hours by version, and which hours of which services are there. They take the
-- place of samples_1h and rollups, which did not tell versions apart: those are
-- dropped, and hours that are still kept are rolled up anew from samples. Until
-- then answers come from samples.
CREATE TABLE IF NOT EXISTS {{.Database}}.samples_1h_by_version{{.OnCluster}} (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  type LowCardinality(String),
  hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
  version LowCardinality(String),
  stack_id UInt64 CODEC(Delta, ZSTD(1)),
  value Int64 CODEC(T64, ZSTD(1)),
  count UInt64 CODEC(T64, ZSTD(1)),
  rolled_at DateTime64(3, 'UTC') CODEC(ZSTD(1))
) ENGINE = {{engine "ReplacingMergeTree" "rolled_at"}}
PARTITION BY toDate(hour)
ORDER BY (service, namespace, cluster, type, hour, version, stack_id)
TTL hour + toIntervalDay({{.Days}})
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = {{.KeepFree}};
CREATE TABLE IF NOT EXISTS {{.Database}}.rolled_hours{{.OnCluster}} (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
  rolled_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
) ENGINE = {{engine "ReplacingMergeTree" "rolled_at"}}
PARTITION BY toDate(hour)
ORDER BY (service, namespace, cluster, hour)
TTL hour + toIntervalDay({{.Days}})
SETTINGS ttl_only_drop_parts = 1;
DROP TABLE IF EXISTS {{.Database}}.samples_1h{{.OnCluster}};
DROP TABLE IF EXISTS {{.Database}}.rollups{{.OnCluster}};
