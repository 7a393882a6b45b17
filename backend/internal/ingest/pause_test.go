package ingest

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/profile"
)

func reported(cluster, namespace, service string) *profile.Report {
	t := profile.Target{Cluster: cluster, Namespace: namespace, Service: service}
	return &profile.Report{Targets: []profile.TargetReport{{Identity: t}}}
}

func TestPauses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paused")
	write := func(text string, at int64) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Unix(at, 0), time.Unix(at, 0)); err != nil {
			t.Fatal(err)
		}
	}
	write("# incidents\n\nprod/shop/*  incident 7\n*/*/cart load test\n", 1)
	p, err := NewPauses(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		report *profile.Report
		want   string
	}{
		{reported("prod", "shop", "checkout"), "incident 7"},
		{reported("test", "shop", "checkout"), ""},
		{reported("test", "shop", "cart"), "load test"},
		{&profile.Report{}, ""},
	} {
		if why, err := p.Why(c.report); err != nil || why != c.want {
			t.Errorf("%+v: %q %v, want %q", c.report.Targets, why, err, c.want)
		}
	}
	write("prod/shop incident\n", 2)
	if why, err := p.Why(reported("prod", "shop", "checkout")); err == nil || !strings.Contains(err.Error(), "line 1") || why != "incident 7" {
		t.Errorf("a wrong file: %q %v, want what was read before and the line", why, err)
	}
	write("", 3)
	if why, err := p.Why(reported("prod", "shop", "checkout")); err != nil || why != "" {
		t.Errorf("lifted: %q %v", why, err)
	}
	if _, err := NewPauses(t.TempDir()); err == nil {
		t.Error("a directory is read as a file")
	}
	if none, err := NewPauses(""); err != nil {
		t.Error(err)
	} else if why, err := none.Why(reported("a", "b", "c")); why != "" || err != nil {
		t.Errorf("without a file: %q %v", why, err)
	}
}

// A file that is made later pauses, and lifts the pauses when it is gone, each time.
func TestPausesOfAFileThatComesAndGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paused")
	p, err := NewPauses(path)
	if err != nil {
		t.Fatal(err)
	}
	want := func(want string) {
		t.Helper()
		if why, err := p.Why(reported("prod", "shop", "checkout")); err != nil || why != want {
			t.Errorf("%q %v, want %q", why, err, want)
		}
	}
	want("")
	for range 2 {
		if err := os.WriteFile(path, []byte("*/*/* incident 7"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil { // the same file again
			t.Fatal(err)
		}
		want("incident 7")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		want("")
	}
}

// TestReportOfAPausedTarget: the answer to its report says why, and that of
// others stays empty.
func TestReportOfAPausedTarget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paused")
	if err := os.WriteFile(path, []byte("*/shop/* incident 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pauses, err := NewPauses(path)
	if err != nil {
		t.Fatal(err)
	}
	h := newHarness(t, func(c *Config) { c.Pauses = pauses })
	for namespace, want := range map[string]string{"shop": "incident 7", "bank": ""} {
		target := window(0).Target
		target.Namespace = namespace
		w := h.Post(t, "/api/v1/targets", "application/json", reportOf(t, target))
		var answer profile.ReportAnswer
		if w.Body.Len() > 0 {
			answer = apitest.Decode[profile.ReportAnswer](t, w)
		}
		if answer.Paused != want || (want == "") != (w.Code == http.StatusNoContent) {
			t.Errorf("%s: %d %s", namespace, w.Code, w.Body)
		}
	}
}
