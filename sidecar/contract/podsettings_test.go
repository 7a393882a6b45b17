package contract

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseAnnotations(t *testing.T) {
	text := "kubernetes.io/config=\"a=b\\n\\\"c\\\"\"\n\nprofiling.io/events=\"cpu,wall\"\n"
	got, err := ParseAnnotations([]byte(text))
	want := map[string]string{"kubernetes.io/config": "a=b\n\"c\"", Events: "cpu,wall"}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
	for _, bad := range []string{"profiling.io/events", "a=b", `a="b`, "\x00"} {
		if got, err := ParseAnnotations([]byte(bad)); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}

func TestSettingsWithAnnotations(t *testing.T) {
	base := DefaultSettings()
	got, err := base.With(map[string]string{Events: "cpu, wall", Window: "30s", CPUInterval: "5ms", AllocInterval: "1m", LockThreshold: "1ms", SampleRate: "50", Threads: "false", "other": "x"})
	want := Settings{Events: []string{"cpu", "wall"}, Window: 30 * time.Second, CPUInterval: 5 * time.Millisecond, AllocInterval: 1 << 20, LockThreshold: time.Millisecond,
		SampleRate: 50, Fixed: []string{"cpu", "alloc", "lock"}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	if got, err := base.With(nil); err != nil || !cmp.Equal(got, base) {
		t.Errorf("without annotations: %+v %v", got, err)
	}
	for key, text := range map[string]string{Events: "cpu,live", Window: "1h", CPUInterval: "-1s", AllocInterval: "x", LockThreshold: "1", SampleRate: "-1", Threads: "off"} {
		got, err := base.With(map[string]string{Events: "wall", key: text})
		if err == nil || !strings.Contains(err.Error(), key) || !cmp.Equal(got, base) {
			t.Errorf("%s=%q: %+v, %v", key, text, got, err)
		}
	}
}

// An interval that was asked for stays, even if it is the one by default.
func TestFixedIntervals(t *testing.T) {
	base := DefaultSettings()
	base.Fix("cpu")
	got, err := base.With(map[string]string{AllocInterval: "512k"})
	if err != nil || !slices.Equal(got.Fixed, []string{"cpu", "alloc"}) || !slices.Equal(base.Fixed, []string{"cpu"}) {
		t.Errorf("fixed %v of %v, %v", got.Fixed, base.Fixed, err)
	}
	if asked := base.Asked(); asked != nil {
		t.Errorf("%v are asked for by default", asked)
	}
	got.LockThreshold = time.Second
	if asked := got.Asked(); !slices.Equal(asked, []string{"lock"}) {
		t.Errorf("%v are asked for, want lock", asked)
	}
	if events, err := ParseFixed("lock, cpu,lock,"); err != nil || !slices.Equal(events, []string{"lock", "cpu"}) {
		t.Errorf("%v, %v", events, err)
	}
	for _, bad := range []string{"wall", "cpu;alloc"} {
		if events, err := ParseFixed(bad); err == nil {
			t.Errorf("%q is read as %v", bad, events)
		}
	}
}

func TestCapture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfNDistinct(rapid.SampledFrom(AllEvents()), 1, 4, rapid.ID).
			Filter(func(events []string) bool {
				return !slices.Contains(events, "live") || slices.Contains(events, "alloc")
			}).Draw(t, "events")
		c := CaptureRequest{Events: events, Until: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "until"), 0).UTC()}
		got, err := ParseCapture(c.String())
		if err != nil || !slices.Equal(got.Events, c.Events) || !got.Until.Equal(c.Until) {
			t.Fatalf("%s is read as %+v, %v", c, got, err)
		}
	})
	for _, bad := range []string{"", "events=wall", "until=2026-11-26T12:00:00Z", "events=nativeleak;until=2026-11-26T12:00:00Z", "events=cpu,live;until=2026-11-26T12:00:00Z", "events=wall;until=soon", "events=wall;until=2026-11-26T12:00:00Z;x=1"} {
		if got, err := ParseCapture(bad); err == nil {
			t.Errorf("%q gives %+v", bad, got)
		}
	}
}

// What an installation sets is the default of annotations, or passed on; of what is
// not valid nothing holds.
func TestTune(t *testing.T) {
	base := DefaultSettings()
	got, rest, err := base.Tune(map[string]string{"window": "30s", "sample-rate": "50", "lock-threshold": "1ms", "log-level": "debug", "renew": "1h"})
	want := DefaultSettings()
	want.Window, want.SampleRate, want.LockThreshold, want.Fixed = 30*time.Second, 50, time.Millisecond, []string{"lock"}
	if err != nil || !cmp.Equal(got, want) || !cmp.Equal(rest, map[string]string{"log-level": "debug", "renew": "1h"}) {
		t.Errorf("%+v %v %v, want %+v", got, rest, err, want)
	}
	for flag, text := range map[string]string{
		"window": "1s", "sample-rate": "many", "log-level": "loud", "renew": "10m", "max-targets": "0", "longest-cpu-interval": "1h",
		"pid": "1", "decode-memory": "1", "library": "/x", "": "", "enabled": "true", "keep-unreadable": "1",
	} {
		got, rest, err := base.Tune(map[string]string{"events": "wall", flag: text})
		if err == nil || rest != nil || !cmp.Equal(got, base) || !strings.Contains(err.Error(), flag) || strings.Contains(err.Error(), "annotation") {
			t.Errorf("%s=%s: %+v %v %v", flag, text, got, rest, err)
		}
	}
}

// Sidecars of all versions start with what the webhook hands to them, and those that
// know all events have all.
func TestEventsForSidecarsOfAnyVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		asked, err := ParseEvents(strings.Join(rapid.SliceOfN(rapid.SampledFrom(AllEvents()), 1, 8).Draw(t, "events"), ","))
		if err != nil {
			t.Skip(err)
		}
		old, all := SplitEvents(asked)
		for _, event := range old {
			if !slices.Contains([]string{"cpu", "alloc", "lock", "wall"}, event) {
				t.Errorf("%v is handed to sidecars that do not know %s", old, event)
			}
		}
		if len(old) == 0 {
			t.Errorf("%v: nothing is handed to older sidecars, which would not start", asked)
		}
		got := old
		if all != nil {
			if got, err = ParseKnownEvents(strings.Join(all, ",")); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(got, asked) {
			t.Errorf("%v becomes %v", asked, got)
		}
	})
}

// A newer webhook asks for what this version does not know.
func TestEventsOfANewerVersion(t *testing.T) {
	for asked, want := range map[string]string{
		"cpu,alloc,heapdump,live": "cpu,alloc,live",
		"heapdump,nativemem":      "nativemem",
		"heapdump":                "",
		"live":                    "",
	} {
		got, unknown := ParseKnownEvents(asked)
		if strings.Join(got, ",") != want || unknown == nil {
			t.Errorf("%s: %v, %v", asked, got, unknown)
		}
	}
}
