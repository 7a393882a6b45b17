-- +goose NO TRANSACTION
-- +goose Up
-- Rows of 6 hours as well, by step_s. What a backend of the version before notes
-- says nothing of them.
ALTER TABLE {{.Database}}.activity_known{{.OnCluster}}
  ADD COLUMN IF NOT EXISTS longest_s UInt32 DEFAULT 3600;
