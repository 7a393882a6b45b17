-- +goose NO TRANSACTION
-- +goose Up
-- commit_id: under which the window was written, see commitIDs. Of what was
-- stored before there were any it is 0, in headers and in samples. content: hash
-- of what the window holds; 0: not known. Insert tokens are no longer used.
ALTER TABLE {{.Database}}.samples{{.OnCluster}}
  ADD COLUMN IF NOT EXISTS commit_id UInt64 DEFAULT 0 CODEC(ZSTD(1)),
  ADD INDEX IF NOT EXISTS commit_id commit_id TYPE minmax GRANULARITY 1,
  MODIFY SETTING non_replicated_deduplication_window = 0;
ALTER TABLE {{.Database}}.profiles{{.OnCluster}}
  ADD COLUMN IF NOT EXISTS commit_id UInt64 DEFAULT 0 CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS content UInt64 DEFAULT 0 CODEC(ZSTD(1)),
  ADD INDEX IF NOT EXISTS window_id window_id TYPE bloom_filter(0.0001) GRANULARITY 4,
  MODIFY SETTING non_replicated_deduplication_window = 0;
