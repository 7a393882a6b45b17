package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
)

// BenchmarkBytes measures what samples and their roll-ups take on disk, and what
// the levels would take that there are not: 5 minutes by version, and hours by
// target. It has nothing to do with time; cpu-µs are of making a level, for each
// sample.
func BenchmarkBytes(b *testing.B) {
	s := storetest.Open(b, noSkew, patient)
	const hours, pods = 2, 5
	day := today().Truncate(24 * time.Hour)
	hoursOfHistory(b, s, day, hours, pods)
	ctx := context.Background()
	samples := float64(hours * 60 * pods * benchStacks)
	run := func(statement string) {
		b.Helper()
		if err := s.Conn().Exec(ctx, s.SQL(statement)); err != nil {
			b.Fatal(err)
		}
	}
	report := func(name, table string, cpu float64) {
		b.Helper()
		run("OPTIMIZE TABLE @." + table + " FINAL")
		b.ReportMetric(bytesOf(b, s, table)/samples, name+"-bytes/sample")
		if cpu > 0 {
			b.ReportMetric(cpu*1e6/samples, name+"-cpu-µs/sample")
		}
	}
	for b.Loop() {
		report("samples", "samples", 0)
		report("headers", "profiles", 0)
		report("1h-by-version", "samples_1h_by_version", 0)
		for _, level := range []struct{ name, key, span string }{
			{"5m-by-version", "version LowCardinality(String)", "toStartOfFiveMinutes(window_start)"},
			{"1h-by-target", "series_id UInt64 CODEC(ZSTD(1))", "toStartOfHour(window_start)"},
		} {
			column := level.key[:len("version")]
			if level.key[0] == 's' {
				column = "series_id"
			}
			run(fmt.Sprintf(`CREATE TABLE @.level (cluster LowCardinality(String), namespace LowCardinality(String), service LowCardinality(String), type LowCardinality(String),
  start DateTime('UTC') CODEC(Delta, ZSTD(1)), %s, stack_id UInt64 CODEC(Delta, ZSTD(1)), value Int64 CODEC(T64, ZSTD(1)), count UInt64 CODEC(T64, ZSTD(1)), rolled_at DateTime64(3, 'UTC') CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree(rolled_at) PARTITION BY toDate(start) ORDER BY (service, namespace, cluster, type, start, stack_id, %s)`, level.key, column))
			cpu := cpuSeconds(b)
			for hour := range hours {
				from := day.Add(time.Duration(hour) * time.Hour).Unix()
				run(fmt.Sprintf(`INSERT INTO @.level SELECT cluster, namespace, service, type, %s AS start, %s, stack_id, sum(value), sum(count), now64(3)
FROM (SELECT *, 'v' AS version FROM @.samples WHERE window_start >= toDateTime(%d, 'UTC') AND window_start < toDateTime(%d, 'UTC')) GROUP BY ALL`, level.span, column, from, from+3600))
			}
			report(level.name, "level", cpuSeconds(b)-cpu)
			run("DROP TABLE @.level SYNC")
		}
	}
}

func bytesOf(b testing.TB, s *store.Store, table string) (bytes float64) {
	b.Helper()
	err := s.Conn().QueryRow(context.Background(), s.SQL("SELECT toFloat64(sum(bytes_on_disk)) FROM system.parts WHERE active AND concat(database, '.') = '@.' AND table = '"+table+"'")).Scan(&bytes)
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}
