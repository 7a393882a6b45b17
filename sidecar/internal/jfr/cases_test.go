package jfr

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
)

// Recordings of situations from the field, each with its right value.
func TestCases(t *testing.T) {
	type amounts map[profile.Type]profile.Amount
	unvalued := func(n int64) []profile.Loss {
		return []profile.Loss{{Outcome: profile.Unvalued, Reason: profile.IntervalUnknown, Count: n}}
	}
	for _, test := range []struct {
		name     string
		stored   amounts
		stacks   int // of the first type
		losses   map[profile.Type][]profile.Loss
		unread   map[string]int64
		settings profile.Settings
	}{
		{name: "metadata-last", stored: amounts{profile.CPU: {Value: 2_470_000_000, Count: 247}}, stacks: 9,
			settings: profile.Settings{Engine: "perf_events", CPUInterval: 10 * time.Millisecond, Java: 17}},
		{name: "ctimer-1ms", stored: amounts{profile.CPU: {Value: 1_128_000_000, Count: 282}}, stacks: 12,
			settings: profile.Settings{Engine: "ctimer", CPUInterval: time.Millisecond, Tick: 4 * time.Millisecond, Java: 17}},
		{name: "second-chunk-only", stored: amounts{
			profile.CPU: {Count: 351}, profile.Alloc: {Value: 1_131_156_592, Count: 1019}, profile.Lock: {Count: 573},
		}, stacks: 20, losses: map[profile.Type][]profile.Loss{profile.CPU: unvalued(351), profile.Lock: unvalued(573)}},
		{name: "instrumented-method-as-cpu", stored: amounts{profile.CPU: {Value: 947, Count: 947}}, stacks: 1,
			settings: profile.Settings{Engine: "instrument", Java: 17}},
		{name: "jdk17-double-alloc-idle-park-20ms", stored: amounts{
			profile.CPU: {Value: 1_500_000_000, Count: 75}, profile.Alloc: {Value: 489_235_864, Count: 375}, profile.Lock: {Value: 7_556_092, Count: 5},
		}, stacks: 3, losses: map[profile.Type][]profile.Loss{
			profile.Alloc: {{Outcome: profile.Dropped, Reason: profile.StackMissing, Value: 1_104_760, Count: 1}},
		}, unread: map[string]int64{"jdk.ObjectAllocationSample (beside TLAB events)": 356, "jdk.ThreadPark (no lock)": 52},
			settings: profile.Settings{CPUInterval: 20 * time.Millisecond}},
		{name: "jdk25-cputimesample", stored: amounts{profile.CPU: {Value: 1_550_000_000, Count: 153}}, stacks: 3},
		{name: "names-merged", stored: amounts{profile.CPU: {Value: 1_540_000_000, Count: 308}}, stacks: 7,
			settings: profile.Settings{Engine: "ctimer", CPUInterval: 5 * time.Millisecond, Tick: 4 * time.Millisecond, Java: 17}},
		{name: "lambda-jdk11-run0", stored: amounts{profile.CPU: {Value: 990_000_000, Count: 198}}, stacks: 28,
			settings: profile.Settings{Engine: "perf_events", CPUInterval: 5 * time.Millisecond, Java: 11}},
		{name: "lambda-jdk11-run1", stored: amounts{profile.CPU: {Value: 1_040_000_000, Count: 208}}, stacks: 29,
			settings: profile.Settings{Engine: "perf_events", CPUInterval: 5 * time.Millisecond, Java: 11}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, layout := openFixture(t, test.name)
			o := DefaultOptions()
			o.AnyEvent = true
			r := decode(f, layout.Chunks, &o, func(int) {})
			checkLedger(t, &r)
			if len(layout.Losses)+len(r.Losses) > 0 {
				t.Errorf("losses %+v %+v %q", layout.Losses, r.Losses, r.Problems)
			}
			got := amounts{}
			for i := range r.Sets {
				got[r.Sets[i].Type] = r.Sets[i].Total()
			}
			if diff := cmp.Diff(test.stored, got); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			for _, c := range r.Coverage {
				if diff := cmp.Diff(test.losses[c.Type], c.Losses); diff != "" {
					t.Errorf("losses of %s (-want +got):\n%s", c.Type, diff)
				}
			}
			if len(test.unread)+len(r.Unread) > 0 && !cmp.Equal(test.unread, r.Unread) {
				t.Errorf("not read %v, want %v", r.Unread, test.unread)
			}
			if r.Settings != test.settings {
				t.Errorf("settings %+v, want %+v", r.Settings, test.settings)
			}
			if len(r.Sets) > 0 && len(r.Sets[0].Stacks) != test.stacks {
				t.Errorf("%d stacks, want %d", len(r.Sets[0].Stacks), test.stacks)
			}
		})
	}
}
