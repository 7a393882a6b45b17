package jfr

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
)

func TestLockWeight(t *testing.T) {
	const ms = int64(time.Millisecond)
	for _, tt := range []struct{ duration, threshold, value, count int64 }{
		{12 * ms, 10 * ms, 12 * ms, 1},
		{10 * ms, 10 * ms, 10 * ms, 1},
		{4 * ms, 10 * ms, 10 * ms, 3}, // 2.5 waits
		{3 * ms, 10 * ms, 10 * ms, 3},
		{9 * ms, 10 * ms, 10 * ms, 1},
		{5 * ms, 0, 5 * ms, 1},
		{0, 0, 0, 1},
		{0, 10 * ms, 10 * ms, 10_000}, // not without end
	} {
		for _, perSecond := range []int64{1_000_000_000, 2_500_000_000, 10_000_000} {
			ticks := func(ns int64) int64 { return nanosToTicks(ns, perSecond) }
			got := newLockClock(tt.threshold, perSecond).weigh(ticks(tt.duration))
			want := sum{ticks: ticks(tt.value), raw: ticks(tt.duration), count: tt.count}
			if got != want {
				t.Errorf("a wait of %d at a threshold of %d weighs %+v, want %+v", tt.duration, tt.threshold, got, want)
			}
		}
	}
}

func TestTicksToNanos(t *testing.T) {
	for _, tt := range []struct {
		ticks, perSecond, want int64
	}{
		{5, 1_000_000_000, 5},
		{25, 2_500_000_000, 10},
		{7_610_487_818, 2_500_000_000, 3_044_195_127},
		{0, 2_500_000_000, 0},
		{-5, 1_000_000_000, 0},
		{1, 0, 0},
		{1, -1, 0},
		{math.MaxInt64, 1, maxTotal},
		{math.MaxInt64, 1_000_000_000, maxTotal},
	} {
		if got := ticksToNanos(tt.ticks, tt.perSecond); got != tt.want {
			t.Errorf("ticksToNanos(%d, %d) = %d, want %d", tt.ticks, tt.perSecond, got, tt.want)
		}
	}
}

func TestSettingsOfRecordings(t *testing.T) {
	for name, want := range map[string]profile.Settings{
		"cpu":          {Engine: "perf_events", CPUInterval: 10 * time.Millisecond, Java: 17},
		"cpu-ctimer":   {Engine: "ctimer", CPUInterval: 10 * time.Millisecond, Java: 17},
		"deep":         {Engine: "perf_events", CPUInterval: time.Millisecond, Java: 17},
		"wall":         {Engine: "wall", WallInterval: 20 * time.Millisecond, Java: 17},
		"wall-nobatch": {Engine: "wall", WallInterval: 30 * time.Millisecond},
		"cpu-wall":     {Engine: "perf_events", CPUInterval: 10 * time.Millisecond, WallInterval: 20 * time.Millisecond},
		"mixed":        {Engine: "perf_events", CPUInterval: 10 * time.Millisecond, AllocInterval: 524288, LockThreshold: 10 * time.Millisecond, Java: 17},
	} {
		f, layout := openFixture(t, name)
		o := DefaultOptions()
		got := decode(f, layout.Chunks, &o, func(int) {}).Settings
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Settings are in the first chunk only; without them, the later chunks of a
// recording with other than default intervals would be weighed wrong.
func TestSettingsAreCarriedForward(t *testing.T) {
	f, layout := openFixture(t, "multichunk")
	o := DefaultOptions()
	whole := decode(f, layout.Chunks, &o, func(int) {})
	var sum [2]profile.Amount
	for _, c := range layout.Chunks {
		part := decode(f, []Chunk{c}, &o, func(int) {})
		o.Settings = part.Settings
		sum[0] = sum[0].Add(stored(&part, profile.CPU))
		sum[1] = sum[1].Add(stored(&part, profile.Lock))
	}
	if want := [2]profile.Amount{stored(&whole, profile.CPU), stored(&whole, profile.Lock)}; sum != want {
		t.Errorf("chunk by chunk %+v, at once %+v", sum, want)
	}
	alone := DefaultOptions()
	last := decode(f, layout.Chunks[2:], &alone, func(int) {})
	if last.Settings != (profile.Settings{}) {
		t.Errorf("the last chunk has settings %+v", last.Settings)
	}
	if got := stored(&last, profile.CPU); got.Value != 0 || got.Count == 0 {
		t.Errorf("without its settings the last chunk has %+v of CPU", got)
	}
}

func stored(r *Result, t profile.Type) profile.Amount {
	for _, c := range r.Coverage {
		if c.Type == t {
			return c.Stored
		}
	}
	return profile.Amount{}
}

func TestMaxEventsCountsTheRest(t *testing.T) {
	f, layout := openFixture(t, "mixed")
	all, some := DefaultOptions(), DefaultOptions()
	some.MaxEvents = 500
	want := decode(f, layout.Chunks, &all, func(int) {})
	got := decode(f, layout.Chunks, &some, func(int) {})
	checkLedger(t, &got)
	var events, truncated int64
	for i, c := range got.Coverage {
		if c.Captured != want.Coverage[i].Captured || c.Raw != want.Coverage[i].Raw {
			t.Errorf("%s: captured %+v, without a limit %+v", c.Type, c.Captured, want.Coverage[i].Captured)
		}
		for _, l := range c.Losses {
			switch {
			case l.Outcome == profile.Truncated && l.Reason == profile.EventsTruncated:
				truncated += l.Count
			case l.Outcome != profile.Noticed:
				t.Errorf("loss %+v", l)
			}
		}
		events += c.Stored.Count
	}
	if truncated == 0 || events == 0 || got.Events != want.Events {
		t.Errorf("%d stored, %d truncated, %d events", events, truncated, got.Events)
	}
}

func TestOverflowIsNoted(t *testing.T) {
	f, layout := openFixture(t, "overflow")
	o := DefaultOptions()
	r := decode(f, layout.Chunks, &o, func(int) {})
	checkLedger(t, &r)
	c := r.Coverage[0]
	want := []profile.Loss{{Outcome: profile.Shortened, Reason: profile.StorageOverflow, Value: c.Stored.Value, Count: c.Stored.Count}}
	if diff := cmp.Diff(want, c.Losses); diff != "" || c.Stored.Count == 0 {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
}

func TestSampleWithoutItsStackIsALoss(t *testing.T) {
	chunk := readFixture(t, "cpu")
	h, _ := parseHeader(chunk)
	schema, err := readSchema(chunk, h.metadata)
	if err != nil {
		t.Fatal(err)
	}
	pools, err := readPools(chunk, h.pools, schema)
	if err != nil {
		t.Fatal(err)
	}
	b := profile.NewBuilder(profile.CPU, profile.DefaultLimits())
	tally := newTally(10, 10)
	const missing = 1 << 40
	if !tally.add(cellKey{stack: missing}, &sum{value: 70, raw: 7, count: 7}, false) {
		t.Fatal("not added")
	}
	newResolver(pools, b, &state{normalizer: profile.NewNormalizer()}, 1e9).drain(tally)
	_, c := b.Build()
	want := []profile.Loss{{Outcome: profile.Dropped, Reason: profile.StackMissing, Value: 70, Count: 7}}
	if diff := cmp.Diff(want, c.Losses); diff != "" || c.Check() != nil {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
}

func TestClassNames(t *testing.T) {
	for in, want := range map[string]string{
		"java/lang/String": "java.lang.String", "[B": "byte[]", "[[I": "int[][]", "[Ljava/util/Map$Entry;": "java.util.Map$Entry[]",
		"[[Z": "boolean[][]", "": "unknown", "[": "unknown[]", "B": "B",
	} {
		if got := string(appendClass(nil, []byte(in))); got != want {
			t.Errorf("class %q is %q, want %q", in, got, want)
		}
	}
}
