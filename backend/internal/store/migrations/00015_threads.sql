-- +goose NO TRANSACTION
-- +goose Up
-- thread: the group of threads that the samples are of; empty: not known. Roll-ups
-- do not tell threads apart: what asks for some is read from samples.
ALTER TABLE {{.Database}}.samples{{.OnCluster}}
  ADD COLUMN IF NOT EXISTS thread LowCardinality(String) DEFAULT '';
