package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReportSaysWhatHolds(t *testing.T) {
	report := &Report{Started: time.Unix(1, 0), Version: "v1", Kubernetes: "v1.34.4", Machine: "2 cores", Seconds: 9}
	report.add(&Result{Group: "Install", Claim: "ready", Passed: true, Measured: []string{"9 s", "a | b"}})
	report.add(&Result{Group: "Faults", Claim: "killed", Failures: []string{"NotReady\nfor 3 s"}})
	folder := t.TempDir()
	if err := report.Write(folder); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 of 2 claims hold. 1970-01-01 00:00 UTC, 9 s.", "## Install", "## Faults",
		`| holds | ready | 9 s; a \| b | 0 |`, "| **fails** | killed | NotReady for 3 s | 0 |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	content, err := os.ReadFile(filepath.Join(folder, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var read struct{ Results []Result }
	if err := json.Unmarshal(content, &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Results) != 2 || read.Results[0].Claim != "ready" || read.Results[1].Passed {
		t.Errorf("the JSON holds %s", content)
	}
}

func TestReportOfABrokenRunSaysSo(t *testing.T) {
	report := &Report{Unfinished: true}
	report.add(&Result{Group: "Install", Claim: "ready", Passed: true})
	if text := report.text(); !strings.Contains(text, "broken off") {
		t.Errorf("the text does not say that the run was broken off:\n%s", text)
	}
}

func TestReportSaysWhatDidNotRun(t *testing.T) {
	report := &Report{}
	report.leaveOut("Faults", "nothing is broken here")
	if text := report.text(); !strings.Contains(text, "- Not run: Faults: nothing is broken here\n") {
		t.Errorf("the text does not say what did not run:\n%s", text)
	}
}

func TestLongCellsAreCut(t *testing.T) {
	if got := cell(strings.Repeat("ä", cellLimit)); len(got) > cellLimit+5 || !strings.HasSuffix(got, " …") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
