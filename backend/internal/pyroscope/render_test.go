package pyroscope

import (
	"testing"
	"time"
)

func TestMomentsOfRender(t *testing.T) {
	now := time.Unix(1_700_000_000, 5).UTC()
	for text, want := range map[string]int64{
		"now": 1_700_000_000, "now-1h": 1_700_000_000 - 3600, "now-30m": 1_700_000_000 - 1800, "now-2d": 1_700_000_000 - 172_800, "now-1w": 1_700_000_000 - 604_800,
		"20231223": 1_703_289_600, "1577836800": 1_577_836_800, "1577836800000": 1_577_836_800, "1577836800000000": 1_577_836_800, "1577836800000000000": 1_577_836_800,
	} {
		got, err := moment("from", text, now)
		if err != nil || got.Unix() != want {
			t.Errorf("%s is %d (%v), want %d", text, got.Unix(), err, want)
		}
	}
	for _, text := range []string{"", "now-", "now-h", "now-3h30m", "now+1h", "now--1h", "-1", "1e9", "yesterday", "99999999999999999999"} {
		if got, err := moment("from", text, now); err == nil {
			t.Errorf("%q is %v, want an error", text, got)
		}
	}
}
