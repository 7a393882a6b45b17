package ingest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func report() *profile.Report {
	end := now.Add(-time.Minute)
	return &profile.Report{
		Instance: "i-1", Version: "0.1.0", ReportedAt: now,
		Spool: profile.Spool{Windows: 3, Bytes: 1234, LimitBytes: 5678, OldestSeconds: 90},
		Targets: []profile.TargetReport{
			{Identity: profiletest.Target("checkout", "a"), State: profile.TargetState{State: profile.StateProfiled, Session: "s", WindowSeconds: 60, LastWindowEnd: &end, ProfilerVersion: "4.5", Since: end, Events: []string{"cpu", "from_the_future"}}},
			{Identity: profiletest.Target("checkout", "b"), State: profile.TargetState{State: profile.StateConflict, Reason: profile.Conflict, Detail: "/opt/lib.so"}},
		},
	}
}

func TestReportIsStored(t *testing.T) {
	h := newHarness(t, nil)
	body, err := profile.EncodeReport(report())
	if err != nil {
		t.Fatal(err)
	}
	if w := h.Post(t, "/api/v1/targets", "application/json", body); w.Code != 204 {
		t.Fatalf("answer is %d %s", w.Code, w.Body)
	}
	want := []store.TargetStatus{
		{
			Target: profiletest.Target("checkout", "a"), State: "profiled", Session: "s", Profiler: "4.5", Sidecar: "0.1.0",
			SpoolWindows: 3, SpoolBytes: 1234, SpoolOldest: now.Add(-90 * time.Second), LastEnd: now.Add(-time.Minute),
			Since: now.Add(-time.Minute), WindowLength: time.Minute, Events: []profile.Type{profile.CPU},
		},
		{
			Target: profiletest.Target("checkout", "b"), State: "conflict", Reason: profile.Conflict, Detail: "/opt/lib.so", Sidecar: "0.1.0",
			SpoolWindows: 3, SpoolBytes: 1234, SpoolOldest: now.Add(-90 * time.Second),
		},
	}
	if diff := cmp.Diff(want, h.store.targets, cmpopts.IgnoreFields(store.TargetStatus{}, "Extra")); diff != "" {
		t.Errorf("targets differ (-want +got):\n%s", diff)
	}
	for i, s := range h.store.targets {
		kept, err := profile.DecodeReport([]byte(s.Extra))
		if err != nil {
			t.Fatal(err)
		}
		if len(kept.Targets) != 1 || kept.Targets[0].State.State != report().Targets[i].State.State || kept.Spool != report().Spool {
			t.Errorf("extra of target %d is %s", i, s.Extra)
		}
	}
}

func TestBadReports(t *testing.T) {
	many := report()
	many.Targets = make([]profile.TargetReport, profile.MaxReportTargets+1)
	tooMany, err := profile.EncodeReport(many)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name   string
		body   []byte
		status int
		code   profile.Reason
	}{
		{"no JSON", []byte("hello"), 400, profile.Malformed},
		{"other JSON", []byte(`[1,2]`), 400, profile.Malformed},
		{"nothing in it", []byte(`{}`), 400, profile.Malformed},
		{"too many targets", tooMany, 422, profile.LimitExceeded},
		{"too large", bytes.Repeat([]byte(" "), 2<<20), 413, profile.BodyTooLarge},
		{"deeply nested", []byte(`{"x":` + strings.Repeat("[", 50_000)), 400, profile.Malformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, nil)
			apitest.Refused(t, h.Post(t, "/api/v1/targets", "application/json", c.body), c.status, c.code)
			if len(h.store.targets) != 0 {
				t.Error("something was stored")
			}
			if n := testutil.ToFloat64(h.ingest.metrics.reports.WithLabelValues("rejected", string(c.code))); n != 1 {
				t.Errorf("counted %v times", n)
			}
		})
	}
}

// A label value that first appears with the first trouble makes alerts on
// rates miss it.
func TestReasonLabelsStartAtZero(t *testing.T) {
	h := newHarness(t, nil)
	want := 3 + len(finals()) + len(temporaries()) // accepted, and duplicates with and without a conflict
	if n := testutil.CollectAndCount(h.ingest.metrics.windows); n != want {
		t.Errorf("%d series of podflame_ingest_windows_total at the start, want %d", n, want)
	}
	metrics, err := h.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range metrics {
		for _, m := range family.GetMetric() {
			if m.GetCounter().GetValue() != 0 {
				t.Errorf("%s %v starts at %v", family.GetName(), m.GetLabel(), m.GetCounter().GetValue())
			}
		}
	}
}

// Reasons in a ledger are the sidecar's: they must not become labels.
func TestUnknownReasonsShareOneLabel(t *testing.T) {
	h := newHarness(t, nil)
	before := testutil.CollectAndCount(h.ingest.metrics.lostSamples)
	w := window(time.Hour)
	w.Losses = append(w.Losses, profile.Loss{Outcome: profile.Dropped, Reason: "of_a_newer_sidecar", Count: 7})
	if code, answer := h.put(t, encode(t, w)); code != 200 {
		t.Fatalf("answer is %d %s", code, answer)
	}
	if after := testutil.CollectAndCount(h.ingest.metrics.lostSamples); after != before {
		t.Errorf("%d series became %d", before, after)
	}
	if n := testutil.ToFloat64(h.ingest.metrics.lostSamples.WithLabelValues("dropped", string(profile.UnknownReason))); n != 7 {
		t.Errorf("%v samples with an unknown reason, want 7", n)
	}
}
