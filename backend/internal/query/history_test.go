package query

import (
	"fmt"
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

func TestIngestHistory(t *testing.T) {
	h := newHarness(t, nil)
	from := now.Add(-10 * time.Minute).Truncate(time.Minute)
	at := func(minute int, outcome store.EventOutcome, reason profile.Reason, windows, samples int64) store.EventCell {
		return store.EventCell{Start: from.Add(time.Duration(minute) * time.Minute), Event: store.Event{Outcome: outcome, Reason: reason, Windows: windows, Samples: samples}}
	}
	h.store.events = []store.EventCell{
		at(0, store.Accepted, "", 5, 500), at(0, store.Rejected, profile.InFuture, 1, 0),
		at(4, store.Accepted, "", 6, 600), at(4, store.Truncated, profile.StackLimit, 2, 20),
		at(99, store.Accepted, "", 7, 0), // outside
	}
	got := apitest.Decode[api.IngestHistory](t, h.Get(t, fmt.Sprintf("/api/v1/ingest/history?from=%d&to=%d&points=5", from.Unix(), from.Unix()+600)))
	if got.StepSeconds != 120 || got.Steps != 5 || !got.Start.Equal(from) {
		t.Errorf("%d steps of %d s from %s", got.Steps, got.StepSeconds, got.Start)
	}
	want := []api.IngestEvents{
		{Outcome: "accepted", Windows: []int64{5, 0, 6, 0, 0}, Samples: []int64{500, 0, 600, 0, 0}},
		{Outcome: "truncated", ReasonText: profile.Explain(profile.StackLimit), Windows: []int64{0, 0, 2, 0, 0}, Samples: []int64{0, 0, 20, 0, 0}},
		{Outcome: "rejected", ReasonText: profile.Explain(profile.InFuture), Windows: []int64{1, 0, 0, 0, 0}, Samples: []int64{0, 0, 0, 0, 0}},
	}
	if diff := cmp.Diff(want, got.Events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// The sums are of every namespace, so nobody is told who may not see them all.
func TestIngestHistoryIsForReadersOfEverything(t *testing.T) {
	h := newHarness(t, nil)
	r := httptest.NewRequest("GET", fmt.Sprintf("/api/v1/ingest/history?from=%d&to=%d", now.Unix()-600, now.Unix()), nil)
	apitest.Refused(t, h.Do(t, r.WithContext(access.Into(r.Context(), access.Of("shop")))), 403, profile.Forbidden)
	if h.store.asked != 0 {
		t.Error("the store was asked")
	}
}
