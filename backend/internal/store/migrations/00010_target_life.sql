-- +goose NO TRANSACTION
-- +goose Up
-- since: when the state began; of a JVM that has exited, when that was seen.
-- events: the types that are recorded; empty: not known.
ALTER TABLE {{.Database}}.targets{{.OnCluster}}
  ADD COLUMN IF NOT EXISTS since DateTime64(3, 'UTC') DEFAULT toDateTime64(0, 3) AFTER detail,
  ADD COLUMN IF NOT EXISTS window_s UInt32 DEFAULT 0 AFTER session,
  ADD COLUMN IF NOT EXISTS events Array(LowCardinality(String)) AFTER window_s;
