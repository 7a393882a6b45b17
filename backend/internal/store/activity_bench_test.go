package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
)

// BenchmarkServices lists 1,000 services with a pod each out of activity, and some
// hours out of headers. Windows of these hours are of a minute; those before of 15
// minutes, which makes as many hours of activity.
func BenchmarkServices(b *testing.B) {
	s := storetest.Open(b, noSkew, patient)
	const services, days, dense = 1000, 7, 3 * time.Hour
	end := time.Now().UTC().Truncate(time.Minute)
	fleetHeaders(b, s, services, end.Add(-days*24*time.Hour), end.Add(-dense), 15*time.Minute)
	fleetHeaders(b, s, services, end.Add(-dense), end, time.Minute)
	began, cpu := time.Now(), cpuSeconds(b)
	hours, err := s.SumActivity(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d hours summed up in %s, CPU %.1f s", hours, time.Since(began).Round(time.Second), cpuSeconds(b)-cpu)
	base := map[string]float64{}
	for _, bench := range []struct {
		name    string
		length  time.Duration
		headers bool
	}{{"7d", days * 24 * time.Hour, false}, {"24h", 24 * time.Hour, false}, {"15m", 15 * time.Minute, false}, {"3h", dense, false}, {"3h/headers", dense, true}} {
		if bench.headers {
			if err := s.Conn().Exec(b.Context(), s.SQL("TRUNCATE TABLE @.activity_known")); err != nil {
				b.Fatal(err)
			}
		}
		step, unit := store.ActivityStep(max(bench.length/30, time.Minute))
		f := store.ServiceFilter{Range: store.Range{From: end.Add(-bench.length), To: end}}
		b.Run(bench.name, func(b *testing.B) {
			var last *store.Overview
			cpu := cpuSeconds(b)
			for b.Loop() {
				if last, err = s.Overview(b.Context(), f, f.From.Add(max(unit, time.Minute)-1).Truncate(max(unit, time.Minute)), step); err != nil {
					b.Fatal(err)
				}
			}
			used := (cpuSeconds(b) - cpu) * 1000 / float64(b.N)
			base[bench.name] = used
			if len(last.Services) != services {
				b.Fatalf("%d services", len(last.Services))
			}
			b.ReportMetric(used, "cpu-ms/list")
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/list")
			b.ReportMetric(float64(last.Cost.RowsRead), "rows/list")
			if over := base["3h"]; bench.headers {
				b.ReportMetric(used/over, "×3h")
			}
		})
	}
}

// fleetHeaders makes headers of services with a pod each, by the hour as they
// would arrive.
func fleetHeaders(b *testing.B, s *store.Store, services int, from, to time.Time, length time.Duration) {
	b.Helper()
	for at := from; at.Before(to); at = at.Add(time.Hour) {
		windows := int(min(time.Hour, to.Sub(at)) / length)
		statement := fmt.Sprintf(`INSERT INTO @.profiles (cluster, namespace, service, type, window_start, duration_s, series_id, window_id, types, version, pod, pod_uid, jvm_start,
  recorded_start_ns, recorded_end_ns, captured_value, captured_count, stored_value, stored_count, loss_outcome, loss_reason, loss_value, loss_count, loss_duration_ns, loss_bytes)
SELECT 'c1', concat('ns-', toString(number %% 20)), concat('service-', toString(number %% %[1]d)), arrayJoin(['', 'cpu', 'alloc', 'lock']) AS t,
  toDateTime(%[2]d, 'UTC') + %[3]d * intDiv(number, %[1]d) AS start, %[3]d, cityHash64(number %% %[1]d), reinterpretAsString(cityHash64(number, %[2]d)), ['cpu', 'alloc', 'lock'],
  'v1', concat('pod-', toString(number %% %[1]d)), concat('uid-', toString(number %% %[1]d)), toDateTime64(%[2]d, 3, 'UTC') - 86400 * 7,
  toUnixTimestamp(start) * 1000000000, (toUnixTimestamp(start) + %[3]d) * 1000000000, v, 100, v, 100,
  if(number %% 50 = 0, [1], []), if(number %% 50 = 0, ['profiler_skipped'], []), if(number %% 50 = 0, [0], []), if(number %% 50 = 0, [3], []), if(number %% 50 = 0, [0], []), if(number %% 50 = 0, [0], [])
FROM (SELECT number, cityHash64(number) %% 1000000000 AS v FROM numbers(%[4]d)) SETTINGS max_memory_usage = 2000000000`, services, at.Unix(), int(length.Seconds()), services*windows)
		if err := s.Conn().Exec(context.Background(), s.SQL(statement)); err != nil {
			b.Fatal(err)
		}
	}
}
