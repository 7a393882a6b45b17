package profile

import (
	"strings"
	"testing"
	"time"
)

// TestUnpackedSizeIsEnough: the backend admits so much memory for a window and
// gives its decoder no more, whatever the size of the window.
func TestUnpackedSizeIsEnough(t *testing.T) {
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	w := &Window{Target: Target{Cluster: "c", Namespace: "n", Service: "s", Pod: "p", PodUID: "u", Container: "c", PID: 1, JVMStart: start}, Start: start, End: start.Add(time.Minute)}
	limits := DefaultDecodeLimits()
	lookBack := false
	for n := range 1000 {
		w.Session = strings.Repeat("s", n)
		body, err := Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		size := UnpackedSize(body, limits)
		lookBack = lookBack || size == 2<<10
		exact := limits
		exact.MaxDecoded = int(max(size, 1<<10))
		if _, err := Unpack(body, exact); err != nil {
			t.Fatalf("a session of %d bytes, for which %d are admitted: %v", n, size, err)
		}
	}
	if !lookBack {
		t.Error("no window of just 1024 bytes was tried, whose look-back is longer than it is")
	}
}
