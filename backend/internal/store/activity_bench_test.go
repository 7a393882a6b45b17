package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
)

// BenchmarkServices lists 1,000 services with a pod each out of activity as it is
// summed up, and of headers for what is not over.
func BenchmarkServices(b *testing.B) {
	s := storetest.Open(b, noSkew, patient)
	const services = 1000
	end := time.Now().UTC().Truncate(time.Minute)
	upto := end.Add(-2 * time.Minute).Truncate(5 * time.Minute)
	since := end.Add(-8 * 24 * time.Hour).Truncate(6 * time.Hour)
	fleetHeaders(b, s, services, upto, end)
	fleetActivity(b, s, services, since, upto, 6*time.Hour)
	fleetActivity(b, s, services, since, upto, time.Hour)
	lengths := []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour}
	for _, length := range lengths {
		from := end.Add(-length).Truncate(time.Hour)
		fleetActivity(b, s, services, from, from.Add(time.Hour), 5*time.Minute)
	}
	fleetActivity(b, s, services, upto.Truncate(time.Hour), upto, 5*time.Minute)
	exec(b, s, fmt.Sprintf("INSERT INTO @.activity_known (at, since, upto, longest_s) SELECT now64(3), toDateTime(%d, 'UTC'), toDateTime(%d, 'UTC'), 21600", since.Unix(), upto.Unix()))
	for _, length := range lengths {
		step, unit := store.ActivityStep(max(length/30, time.Minute))
		f := store.ServiceFilter{Range: store.Range{From: end.Add(-length), To: end}}
		b.Run(fmt.Sprint(length), func(b *testing.B) {
			var last *store.Overview
			var err error
			cpu, own := cpuSeconds(b), ownCPU(b)
			for b.Loop() {
				if last, err = s.Overview(b.Context(), f, f.From.Add(max(unit, time.Minute)-1).Truncate(max(unit, time.Minute)), step); err != nil {
					b.Fatal(err)
				}
			}
			if len(last.Services) != services {
				b.Fatalf("%d services", len(last.Services))
			}
			b.ReportMetric((cpuSeconds(b)-cpu)*1000/float64(b.N), "cpu-ms/list")
			b.ReportMetric((ownCPU(b)-own)*1000/float64(b.N), "own-cpu-ms/list")
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/list")
			b.ReportMetric(float64(last.Cost.RowsRead), "rows/list")
		})
	}
}

// fleetActivity makes the sums of spans of services with a pod each, one a minute.
func fleetActivity(b *testing.B, s *store.Store, services int, from, to time.Time, length time.Duration) {
	b.Helper()
	spans, minutes := int(to.Sub(from)/length), int(length/time.Minute)
	rows := fmt.Sprintf(`'c1' AS cluster, concat('ns-', toString(number %% 20)) AS namespace, concat('service-', toString(number %% %[1]d)) AS service,
  toDateTime(%[2]d, 'UTC') + %[3]d * intDiv(number, %[1]d) AS start, cityHash64(number) AS prints, cityHash64(number) %% 1000000000 AS v`, services, from.Unix(), int(length.Seconds()))
	exec(b, s, fmt.Sprintf(`INSERT INTO @.service_activity (step_s, start, cluster, namespace, service, type, versions, windows, prints, first, last, captured_value, captured_count, stored_value, stored_count,
  recordings, recorded_ns, loss_outcome, loss_reason, loss_value, loss_count, loss_duration_ns, loss_bytes, rolled_at)
SELECT %[1]d, start, cluster, namespace, service, arrayJoin(['', 'cpu', 'alloc', 'lock']), ['v1'], %[2]d, prints, toUnixTimestamp(start), toUnixTimestamp(start) + %[1]d, v, 100, v, 100,
  %[2]d, %[1]d * 1000000000, [1], ['profiler_skipped'], [0], [3], [0], [0], now64(3) FROM (SELECT number, %[3]s FROM numbers(%[4]d)) SETTINGS max_memory_usage = 2000000000`,
		int(length.Seconds()), minutes, rows, services*spans))
	exec(b, s, fmt.Sprintf(`INSERT INTO @.target_activity (step_s, start, cluster, namespace, service, series_id, first, last, recorded_length, any_length, born, kinds, stored, stored_s, stored_last, lost, lost_s, prints, rolled_at)
SELECT %[1]d, start, cluster, namespace, service, cityHash64(service), toUnixTimestamp(start), toUnixTimestamp(start) + %[1]d, 60, 60, 1700000000, ['cpu', 'alloc', 'lock'], %[2]d, %[2]d * 60, toUnixTimestamp(start) + %[1]d, 0, 0, prints, now64(3)
FROM (SELECT number, %[3]s FROM numbers(%[4]d)) SETTINGS max_memory_usage = 2000000000`, int(length.Seconds()), minutes, rows, services*spans))
}

// fleetHeaders makes the headers of windows of a minute, as they arrived.
func fleetHeaders(b *testing.B, s *store.Store, services int, from, to time.Time) {
	b.Helper()
	exec(b, s, fmt.Sprintf(`INSERT INTO @.profiles (cluster, namespace, service, type, window_start, duration_s, series_id, window_id, types, version, pod, pod_uid, jvm_start,
  recorded_start_ns, recorded_end_ns, captured_value, captured_count, stored_value, stored_count, received_at)
SELECT 'c1', concat('ns-', toString(number %% 20)), concat('service-', toString(number %% %[1]d)) AS name, arrayJoin(['', 'cpu', 'alloc', 'lock']) AS t,
  toDateTime(%[2]d, 'UTC') + 60 * intDiv(number, %[1]d) AS start, 60, cityHash64(name), reinterpretAsString(cityHash64(number, %[2]d)), ['cpu', 'alloc', 'lock'],
  'v1', concat('pod-', name), concat('uid-', name), toDateTime64(1700000000, 3, 'UTC'),
  toUnixTimestamp(start) * 1000000000, (toUnixTimestamp(start) + 60) * 1000000000, v, 100, v, 100, toDateTime64(start, 3, 'UTC') + 60
FROM (SELECT number, cityHash64(number) %% 1000000000 AS v FROM numbers(%[3]d))`, services, from.Unix(), services*int(to.Sub(from)/time.Minute)))
}
