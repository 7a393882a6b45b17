package profile

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sampleReport() *Report {
	end := time.Date(2026, 11, 22, 10, 1, 0, 0, time.UTC)
	start := end.Add(-time.Minute)
	return &Report{
		Instance: "sidecar-1", Version: "0.1.0", ReportedAt: end,
		Spool: Spool{Windows: 2, Bytes: 1000, LimitBytes: 128 << 20, OldestSeconds: 61.5, DroppedWindows: 1, LastPushError: "dial: refused"},
		Targets: []TargetReport{{
			Identity: Target{Cluster: "c", Namespace: "n", Service: "checkout", Pod: "p", PID: 7, JVMStart: start, JVMVersion: "21", MainClass: "Main"},
			State: TargetState{
				State: StateProfiled, Since: start, WindowSeconds: 60, Session: "s1", Events: []string{"cpu"},
				LastWindowStart: &start, LastWindowEnd: &end, StallNS: 5, ReadWaitNS: 6, Threads: new(false),
			},
		}},
	}
}

func TestReportSurvivesTheWire(t *testing.T) {
	want := sampleReport()
	body, err := EncodeReport(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeReport(body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decode(encode(report)) differs (-want +got):\n%s", diff)
	}
}

// A list that is null would break readers that the contract promises a list.
func TestEncodedReportHasNoNullLists(t *testing.T) {
	for name, r := range map[string]*Report{
		"no targets": {Instance: "i"},
		"no events":  {Instance: "i", Targets: []TargetReport{{}}},
	} {
		body, err := EncodeReport(r)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte(`"targets":null`)) || bytes.Contains(body, []byte(`"events":null`)) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestDecodeReportRefuses(t *testing.T) {
	cases := map[string]struct {
		change func(*Report)
		want   Reason
	}{
		"no instance":      {func(r *Report) { r.Instance = "" }, Malformed},
		"no time":          {func(r *Report) { r.ReportedAt = time.Time{} }, Malformed},
		"no service":       {func(r *Report) { r.Targets[0].Identity.Service = "" }, Malformed},
		"unknown state":    {func(r *Report) { r.Targets[0].State.State = "happy" }, Malformed},
		"negative spool":   {func(r *Report) { r.Spool.Bytes = -1 }, Malformed},
		"negative pid":     {func(r *Report) { r.Targets[0].Identity.PID = -1 }, Malformed},
		"huge window":      {func(r *Report) { r.Targets[0].State.WindowSeconds = 1 << 20 }, Malformed},
		"too many targets": {func(r *Report) { r.Targets = make([]TargetReport, MaxReportTargets+1) }, LimitExceeded},
		"too many events":  {func(r *Report) { r.Targets[0].State.Events = make([]string, MaxReportEvents+1) }, LimitExceeded},
		"long name":        {func(r *Report) { r.Targets[0].Identity.Pod = strings.Repeat("x", MaxReportName+1) }, LimitExceeded},
		"long error":       {func(r *Report) { r.Spool.LastPushError = strings.Repeat("x", MaxReportText+1) }, LimitExceeded},
		"long detail":      {func(r *Report) { r.Targets[0].State.Detail = strings.Repeat("x", MaxReportText+1) }, LimitExceeded},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := sampleReport()
			c.change(r)
			body, err := EncodeReport(r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = DecodeReport(body)
			if wrong, ok := errors.AsType[*DecodeError](err); !ok || wrong.Reason != c.want {
				t.Errorf("error is %v, want reason %s", err, c.want)
			}
		})
	}
}

func FuzzDecodeReport(f *testing.F) {
	body, err := EncodeReport(sampleReport())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"instance":"i","reportedAt":"2026-01-01T00:00:00Z","targets":[null]}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeReport(body)
		if err != nil {
			if _, ok := errors.AsType[*DecodeError](err); !ok {
				t.Fatalf("error is no DecodeError: %v", err)
			}
			return
		}
		if len(r.Targets) > MaxReportTargets {
			t.Fatalf("%d targets", len(r.Targets))
		}
		if _, err := EncodeReport(r); err != nil {
			t.Fatal(err)
		}
	})
}
