-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS {{.Database}}.samples_1h{{.OnCluster}} (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  type LowCardinality(String),
  bucket DateTime('UTC') CODEC(Delta, ZSTD(1)),
  stack_id UInt64 CODEC(Delta, ZSTD(1)),
  value Int64 CODEC(T64, ZSTD(1)),
  count UInt64 CODEC(T64, ZSTD(1)),
  version UInt64 CODEC(ZSTD(1))
) ENGINE = {{engine "ReplacingMergeTree" "version"}}
PARTITION BY toDate(bucket)
ORDER BY (service, namespace, cluster, type, bucket, stack_id)
TTL bucket + toIntervalDay({{.Days}})
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = {{.KeepFree}};
