-- +goose NO TRANSACTION
-- +goose Up
-- CPU time that the kernel charged to the process during the window, in rows of
-- the type cpu; -1: not known. tick_ns 0: not known.
ALTER TABLE {{.Database}}.profiles{{.OnCluster}}
  ADD COLUMN IF NOT EXISTS kernel_cpu_ns Int64 DEFAULT -1 CODEC(ZSTD(1)) AFTER stacks,
  ADD COLUMN IF NOT EXISTS tick_ns Int64 DEFAULT 0 CODEC(ZSTD(1)) AFTER wall_interval_ns;
