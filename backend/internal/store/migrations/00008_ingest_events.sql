-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS {{.Database}}.ingest_events{{.OnCluster}} (
  time DateTime('UTC') CODEC(Delta, ZSTD(1)),
  outcome LowCardinality(String),
  reason LowCardinality(String),
  windows Int64 CODEC(T64, ZSTD(1)),
  bytes Int64 CODEC(T64, ZSTD(1)),
  samples Int64 CODEC(T64, ZSTD(1))
) ENGINE = {{engine "SummingMergeTree"}}
PARTITION BY toDate(time)
ORDER BY (time, outcome, reason)
TTL time + toIntervalDay({{.Days}})
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;
