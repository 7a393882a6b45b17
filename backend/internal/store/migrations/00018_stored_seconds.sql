-- +goose NO TRANSACTION
-- +goose Up
-- stored_s: how long the windows are that a target stored, in s: the first one of a
-- session is shorter than the others, and one that was cut late is longer. 0 in rows with
-- stored windows: not known, from before there was the column. stored_last: their end.
ALTER TABLE {{.Database}}.target_activity{{.OnCluster}}
  ADD COLUMN IF NOT EXISTS stored_s Int64 DEFAULT 0 CODEC(T64, ZSTD(1)) AFTER stored,
  ADD COLUMN IF NOT EXISTS stored_last Int64 DEFAULT 0 CODEC(ZSTD(1)) AFTER stored_s;
