package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// The metrics are of what the store holds at the last look: a spool counts as
// long as its sidecar reports, and what could not be read has no metric.
func TestVitals(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.HealthFor = 0 })
	target := func(pod, state string, reported, oldest time.Duration) store.TargetStatus {
		one := store.TargetStatus{
			Target: profiletest.Target("checkout", pod), State: state, WindowLength: time.Minute,
			ReportedAt: now.Add(-reported), SpoolWindows: 1, SpoolOldest: now.Add(-oldest),
		}
		if oldest == 0 {
			one.SpoolWindows, one.SpoolOldest = 0, time.Time{}
		}
		return one
	}
	h.store.list = []store.TargetStatus{
		target("a", string(profile.StateProfiled), time.Second, 20*time.Minute),
		target("b", string(profile.StateProfiled), time.Second, 0),
		target("c", string(profile.StateGone), time.Minute, 3*time.Hour),
		target("silent", string(profile.StateProfiled), 30*time.Minute, 4*time.Hour),
		target("before", string(profile.StateFailed), 2*time.Hour, 0),
		target("newer", "of another version", time.Second, 0),
	}
	h.store.health.Room.Free, h.store.health.Room.Total = 10, 100
	registry := prometheus.NewRegistry()
	v := NewVitals(h.query, registry)
	expect := func(want string) {
		t.Helper()
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
	expect("") // nothing was read yet
	targets := "# HELP podflame_targets Targets that reported within the last hour, by state.\n# TYPE podflame_targets gauge\n"
	for _, one := range []string{"conflict 0", "failed 0", "gone 1", "profiled 2", "silent 1", "skipped 0", "waiting 0"} {
		state, n, _ := strings.Cut(one, " ")
		targets += fmt.Sprintf("podflame_targets{state=%q} %s\n", state, n)
	}
	oldest := `
# HELP podflame_spool_oldest_seconds Age of the oldest window that waits in the spool of a sidecar which still reports; 0 if none waits.
# TYPE podflame_spool_oldest_seconds gauge
podflame_spool_oldest_seconds 1200
`
	disk := `
# HELP podflame_store_disk_bytes Size of the disk of ClickHouse that has most space left; of a cluster, on the shard that has least.
# TYPE podflame_store_disk_bytes gauge
podflame_store_disk_bytes 100
# HELP podflame_store_disk_free_bytes Space left on the disk of ClickHouse that has most of it; of a cluster, on the shard that has least.
# TYPE podflame_store_disk_free_bytes gauge
podflame_store_disk_free_bytes 10
`
	v.Look(t.Context())
	expect(targets + oldest + disk)
	h.store.health = store.Health{Error: "away"}
	v.Look(t.Context())
	expect(targets + oldest)
	h.store.before = func(context.Context) error { return errors.New("away") }
	v.Look(t.Context())
	expect("")
}
