---- 00001_samples.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS podflame_shard.samples ON CLUSTER 'main' (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  type LowCardinality(String),
  window_start DateTime('UTC') CODEC(Delta, ZSTD(1)),
  duration_s UInt32 CODEC(ZSTD(1)),
  series_id UInt64 CODEC(ZSTD(1)),
  stack_id UInt64 CODEC(ZSTD(1)),
  value Int64 CODEC(T64, ZSTD(1)),
  count UInt64 CODEC(T64, ZSTD(1))
) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toDate(window_start)
ORDER BY (service, namespace, cluster, type, toStartOfFifteenMinutes(window_start), stack_id, series_id, window_start)
TTL window_start + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = 1000000000;

---- 00002_profiles.sql
-- +goose NO TRANSACTION
-- +goose Up
-- One row per window and type, and one of type '' per window. Written last: the
-- window counts as stored when they are there.
CREATE TABLE IF NOT EXISTS podflame_shard.profiles ON CLUSTER 'main' (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  type LowCardinality(String),
  window_start DateTime('UTC') CODEC(Delta, ZSTD(1)),
  duration_s UInt32 CODEC(ZSTD(1)),
  series_id UInt64 CODEC(ZSTD(1)),
  window_id FixedString(16) CODEC(ZSTD(1)),
  types Array(LowCardinality(String)),
  version LowCardinality(String),
  pod LowCardinality(String),
  pod_uid LowCardinality(String),
  node LowCardinality(String),
  container LowCardinality(String),
  pid UInt32 CODEC(ZSTD(1)),
  jvm_start DateTime64(3, 'UTC') CODEC(ZSTD(1)),
  jvm_version LowCardinality(String),
  main_class LowCardinality(String),
  session String CODEC(ZSTD(1)),
  recorded_start_ns Int64 CODEC(ZSTD(1)),
  recorded_end_ns Int64 CODEC(ZSTD(1)),
  engine LowCardinality(String),
  cpu_interval_ns Int64 CODEC(ZSTD(1)),
  alloc_interval Int64 CODEC(ZSTD(1)),
  lock_threshold_ns Int64 CODEC(ZSTD(1)),
  wall_interval_ns Int64 CODEC(ZSTD(1)),
  captured_value Int64 CODEC(T64, ZSTD(1)),
  captured_count Int64 CODEC(T64, ZSTD(1)),
  stored_value Int64 CODEC(T64, ZSTD(1)),
  stored_count Int64 CODEC(T64, ZSTD(1)),
  raw Int64 CODEC(T64, ZSTD(1)),
  stacks UInt32 CODEC(T64, ZSTD(1)),
  loss_outcome Array(UInt8) CODEC(ZSTD(1)),
  loss_reason Array(LowCardinality(String)),
  loss_value Array(Int64) CODEC(ZSTD(1)),
  loss_count Array(Int64) CODEC(ZSTD(1)),
  loss_duration_ns Array(Int64) CODEC(ZSTD(1)),
  loss_bytes Array(Int64) CODEC(ZSTD(1)),
  received_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1))
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', received_at)
PARTITION BY toDate(window_start)
ORDER BY (service, namespace, cluster, type, window_start, series_id, window_id)
TTL window_start + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = 1000000000;

---- 00003_stacks.sql
-- +goose NO TRANSACTION
-- +goose Up
-- frames: 8 bytes little endian per function id, root first.
CREATE TABLE IF NOT EXISTS podflame_shard.stacks ON CLUSTER 'main' (
  service LowCardinality(String),
  day Date,
  stack_id UInt64,
  frames String CODEC(ZSTD(1))
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY day
ORDER BY (service, stack_id)
TTL day + toIntervalDay(7 + 1)
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = 1000000000;

---- 00004_functions.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS podflame_shard.functions ON CLUSTER 'main' (
  day Date,
  func_id UInt64,
  kind UInt8,
  name String CODEC(ZSTD(3))
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY day
ORDER BY func_id
TTL day + toIntervalDay(7 + 1)
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = 1000000000;

---- 00005_samples_1h.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS podflame_shard.samples_1h ON CLUSTER 'main' (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  type LowCardinality(String),
  bucket DateTime('UTC') CODEC(Delta, ZSTD(1)),
  stack_id UInt64 CODEC(Delta, ZSTD(1)),
  value Int64 CODEC(T64, ZSTD(1)),
  count UInt64 CODEC(T64, ZSTD(1)),
  version UInt64 CODEC(ZSTD(1))
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', version)
PARTITION BY toDate(bucket)
ORDER BY (service, namespace, cluster, type, bucket, stack_id)
TTL bucket + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = 1000000000;

---- 00006_rollups.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Which hours of which services are in samples_1h, and how old the data was.
CREATE TABLE IF NOT EXISTS podflame_shard.rollups ON CLUSTER 'main' (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
  rolled_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', rolled_at)
PARTITION BY toDate(hour)
ORDER BY (service, namespace, cluster, hour)
TTL hour + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1;

---- 00007_targets.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS podflame_shard.targets ON CLUSTER 'main' (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  series_id UInt64,
  version LowCardinality(String),
  pod String,
  pod_uid String,
  node LowCardinality(String),
  container LowCardinality(String),
  pid UInt32,
  jvm_start DateTime64(3, 'UTC'),
  jvm_version LowCardinality(String),
  main_class String,
  state LowCardinality(String),
  reason LowCardinality(String),
  detail String,
  session String,
  profiler LowCardinality(String),
  sidecar LowCardinality(String),
  extra String CODEC(ZSTD(1)),
  spool_windows Int64,
  spool_bytes Int64,
  spool_oldest DateTime64(3, 'UTC'),
  last_window DateTime64(3, 'UTC'),
  reported_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', reported_at)
ORDER BY (service, namespace, cluster, series_id)
TTL toDateTime(reported_at) + toIntervalDay(7)
SETTINGS min_free_disk_bytes_to_perform_insert = 1000000000;

---- 00008_ingest_events.sql
-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS podflame_shard.ingest_events ON CLUSTER 'main' (
  time DateTime('UTC') CODEC(Delta, ZSTD(1)),
  outcome LowCardinality(String),
  reason LowCardinality(String),
  windows Int64 CODEC(T64, ZSTD(1)),
  bytes Int64 CODEC(T64, ZSTD(1)),
  samples Int64 CODEC(T64, ZSTD(1))
) ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toDate(time)
ORDER BY (time, outcome, reason)
TTL time + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

---- 00009_kernel_cpu.sql
-- +goose NO TRANSACTION
-- +goose Up
-- CPU time that the kernel charged to the process during the window, in rows of
-- the type cpu; -1: not known. tick_ns 0: not known.
ALTER TABLE podflame_shard.profiles ON CLUSTER 'main'
  ADD COLUMN IF NOT EXISTS kernel_cpu_ns Int64 DEFAULT -1 CODEC(ZSTD(1)) AFTER stacks,
  ADD COLUMN IF NOT EXISTS tick_ns Int64 DEFAULT 0 CODEC(ZSTD(1)) AFTER wall_interval_ns;

---- 00010_target_life.sql
-- +goose NO TRANSACTION
-- +goose Up
-- since: when the state began; of a JVM that has exited, when that was seen.
-- events: the types that are recorded; empty: not known.
ALTER TABLE podflame_shard.targets ON CLUSTER 'main'
  ADD COLUMN IF NOT EXISTS since DateTime64(3, 'UTC') DEFAULT toDateTime64(0, 3) AFTER detail,
  ADD COLUMN IF NOT EXISTS window_s UInt32 DEFAULT 0 AFTER session,
  ADD COLUMN IF NOT EXISTS events Array(LowCardinality(String)) AFTER window_s;

---- 00011_commits.sql
-- +goose NO TRANSACTION
-- +goose Up
-- commit_id: under which the window was written, see commitIDs. Of what was
-- stored before there were any it is 0, in headers and in samples. content: hash
-- of what the window holds; 0: not known. Insert tokens are no longer used.
ALTER TABLE podflame_shard.samples ON CLUSTER 'main'
  ADD COLUMN IF NOT EXISTS commit_id UInt64 DEFAULT 0 CODEC(ZSTD(1)),
  ADD INDEX IF NOT EXISTS commit_id commit_id TYPE minmax GRANULARITY 1,
  MODIFY SETTING non_replicated_deduplication_window = 0;
ALTER TABLE podflame_shard.profiles ON CLUSTER 'main'
  ADD COLUMN IF NOT EXISTS commit_id UInt64 DEFAULT 0 CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS content UInt64 DEFAULT 0 CODEC(ZSTD(1)),
  ADD INDEX IF NOT EXISTS window_id window_id TYPE bloom_filter(0.0001) GRANULARITY 4,
  MODIFY SETTING non_replicated_deduplication_window = 0;

---- 00012_rollups_by_version.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Hours by version, and which hours of which services are there. They take the
-- place of samples_1h and rollups, which did not tell versions apart: those are
-- dropped, and hours that are still kept are rolled up anew from samples. Until
-- then answers come from samples.
CREATE TABLE IF NOT EXISTS podflame_shard.samples_1h_by_version ON CLUSTER 'main' (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  type LowCardinality(String),
  hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
  version LowCardinality(String),
  stack_id UInt64 CODEC(Delta, ZSTD(1)),
  value Int64 CODEC(T64, ZSTD(1)),
  count UInt64 CODEC(T64, ZSTD(1)),
  rolled_at DateTime64(3, 'UTC') CODEC(ZSTD(1))
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', rolled_at)
PARTITION BY toDate(hour)
ORDER BY (service, namespace, cluster, type, hour, version, stack_id)
TTL hour + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1, min_free_disk_bytes_to_perform_insert = 1000000000;
CREATE TABLE IF NOT EXISTS podflame_shard.rolled_hours ON CLUSTER 'main' (
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
  rolled_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', rolled_at)
PARTITION BY toDate(hour)
ORDER BY (service, namespace, cluster, hour)
TTL hour + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1;
DROP TABLE IF EXISTS podflame_shard.samples_1h ON CLUSTER 'main';
DROP TABLE IF EXISTS podflame_shard.rollups ON CLUSTER 'main';

---- 00013_given_up_days.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Headers are written whatever is free: to give up a day they are entered anew.
ALTER TABLE podflame_shard.profiles ON CLUSTER 'main' MODIFY SETTING min_free_disk_bytes_to_perform_insert = 0;
-- Days whose samples were given up for room; their headers say so as well. bytes:
-- what they took; why: low_disk or limit.
CREATE TABLE IF NOT EXISTS podflame_shard.given_up_days ON CLUSTER 'main' (
  day Date,
  bytes UInt64,
  why LowCardinality(String),
  at DateTime64(3, 'UTC')
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', at)
PARTITION BY day
ORDER BY day
TTL day + toIntervalDay(7 + 1)
SETTINGS ttl_only_drop_parts = 1;

---- 00014_activity.sql
-- +goose NO TRANSACTION
-- +goose Up
-- What services and targets did in each 5 minutes and each hour that is over, out
-- of the headers of windows. Lists of services are read from here. start is that
-- of the span, step_s its length; times without a zone are Unix seconds.
CREATE TABLE IF NOT EXISTS podflame_shard.service_activity ON CLUSTER 'main' (
  step_s UInt32,
  start DateTime('UTC') CODEC(Delta, ZSTD(1)),
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  type LowCardinality(String),
  versions Array(LowCardinality(String)),
  windows UInt64 CODEC(T64, ZSTD(1)),
  prints UInt64 CODEC(ZSTD(1)),
  first Int64 CODEC(ZSTD(1)),
  last Int64 CODEC(ZSTD(1)),
  captured_value Int64 CODEC(T64, ZSTD(1)),
  captured_count Int64 CODEC(T64, ZSTD(1)),
  stored_value Int64 CODEC(T64, ZSTD(1)),
  stored_count Int64 CODEC(T64, ZSTD(1)),
  recordings Int64 CODEC(T64, ZSTD(1)),
  recorded_ns Int64 CODEC(T64, ZSTD(1)),
  loss_outcome Array(UInt8) CODEC(ZSTD(1)),
  loss_reason Array(LowCardinality(String)),
  loss_value Array(Int64) CODEC(ZSTD(1)),
  loss_count Array(Int64) CODEC(ZSTD(1)),
  loss_duration_ns Array(Int64) CODEC(ZSTD(1)),
  loss_bytes Array(Int64) CODEC(ZSTD(1)),
  rolled_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', rolled_at)
PARTITION BY toDate(start)
ORDER BY (step_s, start, service, namespace, cluster, type)
TTL start + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 600, min_age_to_force_merge_on_partition_only = 1;
CREATE TABLE IF NOT EXISTS podflame_shard.target_activity ON CLUSTER 'main' (
  step_s UInt32,
  start DateTime('UTC') CODEC(Delta, ZSTD(1)),
  cluster LowCardinality(String),
  namespace LowCardinality(String),
  service LowCardinality(String),
  series_id UInt64 CODEC(ZSTD(1)),
  first Int64 CODEC(ZSTD(1)),
  last Int64 CODEC(ZSTD(1)),
  recorded_length Int64 CODEC(ZSTD(1)),
  any_length Int64 CODEC(ZSTD(1)),
  born Int64 CODEC(ZSTD(1)),
  kinds Array(LowCardinality(String)),
  stored Int64 CODEC(T64, ZSTD(1)),
  lost Int64 CODEC(T64, ZSTD(1)),
  lost_s Int64 CODEC(T64, ZSTD(1)),
  prints UInt64 CODEC(ZSTD(1)),
  rolled_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', rolled_at)
PARTITION BY toDate(start)
ORDER BY (step_s, start, service, namespace, cluster, series_id)
TTL start + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 600, min_age_to_force_merge_on_partition_only = 1;
-- The latest row says which spans these tables have: all from since to upto but
-- for the hours in failing, with what had arrived at the time at.
CREATE TABLE IF NOT EXISTS podflame_shard.activity_known ON CLUSTER 'main' (
  at DateTime64(3, 'UTC'),
  since DateTime('UTC'),
  upto DateTime('UTC'),
  failing Array(DateTime('UTC'))
) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', at)
ORDER BY tuple();
-- What has arrived since then is found without reading all headers.
ALTER TABLE podflame_shard.profiles ON CLUSTER 'main' ADD INDEX IF NOT EXISTS received_at received_at TYPE minmax GRANULARITY 1;
ALTER TABLE podflame_shard.profiles ON CLUSTER 'main' MATERIALIZE INDEX received_at;

---- 00015_threads.sql
-- +goose NO TRANSACTION
-- +goose Up
-- thread: the group of threads that the samples are of; empty: not known. Roll-ups
-- do not tell threads apart: what asks for some is read from samples.
ALTER TABLE podflame_shard.samples ON CLUSTER 'main'
  ADD COLUMN IF NOT EXISTS thread LowCardinality(String) DEFAULT '';

---- 00016_activity_6h.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Rows of 6 hours as well, by step_s. What a backend of the version before notes
-- says nothing of them.
ALTER TABLE podflame_shard.activity_known ON CLUSTER 'main'
  ADD COLUMN IF NOT EXISTS longest_s UInt32 DEFAULT 3600;

---- 00017_gcd.sql
-- +goose NO TRANSACTION
-- +goose Up
-- Values are multiples of an interval: without the common factor samples take a third
-- less. Parts that are there stay as they are until they are merged or dropped. Starts
-- of windows keep their codec: their factor would save 0.1 bytes and cost an insert
-- 0.9 µs a row.
ALTER TABLE podflame_shard.samples ON CLUSTER 'main'
  MODIFY COLUMN value CODEC(GCD, T64, ZSTD(1));
ALTER TABLE podflame_shard.samples_1h_by_version ON CLUSTER 'main'
  MODIFY COLUMN value CODEC(GCD, T64, ZSTD(1));

---- 00018_stored_seconds.sql
-- +goose NO TRANSACTION
-- +goose Up
-- stored_s: how long the windows are that a target stored, in s: the first one of a
-- session is shorter than the others, and one that was cut late is longer. 0 in rows with
-- stored windows: not known, from before there was the column. stored_last: their end.
ALTER TABLE podflame_shard.target_activity ON CLUSTER 'main'
  ADD COLUMN IF NOT EXISTS stored_s Int64 DEFAULT 0 CODEC(T64, ZSTD(1)) AFTER stored,
  ADD COLUMN IF NOT EXISTS stored_last Int64 DEFAULT 0 CODEC(ZSTD(1)) AFTER stored_s;

---- tables of all shards
CREATE TABLE IF NOT EXISTS podflame_shard.goose_db_version ON CLUSTER 'main' (version_id Int64, is_applied UInt8, date Date DEFAULT now(), tstamp DateTime DEFAULT now()) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}') ORDER BY version_id;
CREATE OR REPLACE TABLE podflame.activity_known ON CLUSTER 'main' AS podflame_shard.activity_known ENGINE = Distributed('main', 'podflame_shard', 'activity_known', toUInt32(upto));
CREATE OR REPLACE TABLE podflame.functions ON CLUSTER 'main' AS podflame_shard.functions ENGINE = Distributed('main', 'podflame_shard', 'functions', func_id);
CREATE OR REPLACE TABLE podflame.given_up_days ON CLUSTER 'main' AS podflame_shard.given_up_days ENGINE = Distributed('main', 'podflame_shard', 'given_up_days', toUInt32(day));
CREATE OR REPLACE TABLE podflame.goose_db_version ON CLUSTER 'main' AS podflame_shard.goose_db_version ENGINE = Distributed('main', 'podflame_shard', 'goose_db_version', toUInt8(version_id < 0));
CREATE OR REPLACE TABLE podflame.ingest_events ON CLUSTER 'main' AS podflame_shard.ingest_events ENGINE = Distributed('main', 'podflame_shard', 'ingest_events', toUInt32(time));
CREATE OR REPLACE TABLE podflame.profiles ON CLUSTER 'main' AS podflame_shard.profiles ENGINE = Distributed('main', 'podflame_shard', 'profiles', series_id);
CREATE OR REPLACE TABLE podflame.rolled_hours ON CLUSTER 'main' AS podflame_shard.rolled_hours ENGINE = Distributed('main', 'podflame_shard', 'rolled_hours', cityHash64(cluster, namespace, service));
CREATE OR REPLACE TABLE podflame.samples ON CLUSTER 'main' AS podflame_shard.samples ENGINE = Distributed('main', 'podflame_shard', 'samples', series_id);
CREATE OR REPLACE TABLE podflame.samples_1h_by_version ON CLUSTER 'main' AS podflame_shard.samples_1h_by_version ENGINE = Distributed('main', 'podflame_shard', 'samples_1h_by_version', stack_id);
CREATE OR REPLACE TABLE podflame.service_activity ON CLUSTER 'main' AS podflame_shard.service_activity ENGINE = Distributed('main', 'podflame_shard', 'service_activity', cityHash64(cluster, namespace, service));
CREATE OR REPLACE TABLE podflame.stacks ON CLUSTER 'main' AS podflame_shard.stacks ENGINE = Distributed('main', 'podflame_shard', 'stacks', stack_id);
CREATE OR REPLACE TABLE podflame.target_activity ON CLUSTER 'main' AS podflame_shard.target_activity ENGINE = Distributed('main', 'podflame_shard', 'target_activity', series_id);
CREATE OR REPLACE TABLE podflame.targets ON CLUSTER 'main' AS podflame_shard.targets ENGINE = Distributed('main', 'podflame_shard', 'targets', series_id);
