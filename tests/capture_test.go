package tests

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/podflame/podflame/sidecar/contract"
)

// TestCaptureIsWhatTheSidecarReads holds the names that the client has for itself,
// as the backend's side imports nothing of the sidecar, against the contract.
func TestCaptureIsWhatTheSidecarReads(t *testing.T) {
	source, err := os.ReadFile("../backend/cmd/podflame/capture.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"captureAnnotation": contract.Capture, "statusAnnotation": contract.Status, "sidecarContainer": contract.ContainerName,
	} {
		found := regexp.MustCompile(name + ` += "([^"]+)"`).FindSubmatch(source)
		if found == nil || string(found[1]) != want {
			t.Errorf("%s is %q, want %q", name, found, want)
		}
	}
	if contract.MaxCapture != 24*time.Hour {
		t.Errorf("a capture lasts %s at most, the client says 24h", contract.MaxCapture)
	}
	if _, err := contract.ParseCapture("events=cpu,wall;until=2026-11-26T12:00:00Z"); err != nil {
		t.Errorf("what the client writes is not read: %v", err)
	}
}
