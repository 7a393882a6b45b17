-- +goose NO TRANSACTION
-- +goose Up
-- Values are multiples of an interval and starts of a minute: without the common
-- factor samples take a third less. Parts that are there stay as they are until they
-- are merged or dropped.
ALTER TABLE {{.Database}}.samples{{.OnCluster}}
  MODIFY COLUMN value CODEC(GCD, T64, ZSTD(1)),
  MODIFY COLUMN window_start CODEC(GCD, T64, ZSTD(1));
ALTER TABLE {{.Database}}.samples_1h_by_version{{.OnCluster}}
  MODIFY COLUMN value CODEC(GCD, T64, ZSTD(1));
