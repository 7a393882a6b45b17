package query

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
)

func TestIngestStorage(t *testing.T) {
	h := newHarness(t, nil)
	h.store.stored = store.Storage{
		Days:      []store.DayStorage{{Day: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), Bytes: 900, Rows: 100}},
		Services:  []store.ServiceStorage{{ServiceKey: store.ServiceKey{Cluster: "c", Namespace: "n", Service: "s"}, Bytes: 900, Days: []uint64{900}}},
		Truncated: true,
	}
	want := api.IngestStorage{
		Days:      []api.StoredDay{{Day: "2026-11-24", Bytes: 900, Samples: 100}},
		Services:  []api.StoredService{{Cluster: "c", Namespace: "n", Service: "s", Bytes: 900, Days: []uint64{900}}},
		Truncated: true,
	}
	if diff := cmp.Diff(want, apitest.Decode[api.IngestStorage](t, h.Get(t, "/api/v1/ingest/storage"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	asked := h.store.asked
	r := httptest.NewRequest("GET", "/api/v1/ingest/storage", nil)
	apitest.Refused(t, h.Do(t, r.WithContext(access.Into(r.Context(), access.Of("shop")))), 403, profile.Forbidden)
	if h.store.asked != asked {
		t.Error("the store was asked for one who may not see every namespace")
	}
}

// A store that answers and takes no windows is not available, and says why.
func TestHealthTellsThatNothingCanBeStored(t *testing.T) {
	h := newHarness(t, nil)
	at := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	h.store.health = store.Health{
		Reachable: true, WriteError: "the disk is full",
		Room: store.Room{Used: 7, Limit: 5, Free: 3, Total: 10, GivenUp: []store.GivenUpDay{{Day: at.AddDate(0, 0, -2).Truncate(24 * time.Hour), Bytes: 4, Why: store.LowDisk, At: at}}},
	}
	got := apitest.Decode[api.IngestHealth](t, h.Get(t, "/api/v1/ingest/health")).Store
	want := api.StoreHealth{
		Mode: got.Mode, Reason: profile.StoreUnavailable, Message: "the disk is full", DiskUsedBytes: 7, DiskLimitBytes: 5, DiskFreeBytes: 3,
		GivenUp: []api.GivenUpDay{{Day: "2026-11-24", Bytes: 4, At: at, Reason: profile.StoreFull}}, KeptSeconds: 7 * 24 * 3600,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
