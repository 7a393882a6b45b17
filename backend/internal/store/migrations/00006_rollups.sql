-- +goose NO TRANSACTION
-- +goose Up
-- Which hours of which services are in samples_1h, and how old the data was.
CREATE TABLE IF NOT EXISTS {{.Database}}.rollups{{.OnCluster}} (
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
