package jfr

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr/jfrtest"
)

// decodeChunks decodes chunks that a test made, one after the other.
func decodeChunks(t *testing.T, o Options, chunks ...*jfrtest.Chunk) Result {
	t.Helper()
	var file []byte
	for _, c := range chunks {
		file = append(file, c.Bytes()...)
	}
	layout, err := Scan(bytesReader(file), 0, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if len(layout.Chunks) != len(chunks) {
		t.Fatalf("%d chunks of %d, %+v", len(layout.Chunks), len(chunks), layout.Losses)
	}
	r := decode(bytesReader(file), layout.Chunks, &o, func(int) {})
	checkLedger(t, &r)
	if len(r.Losses) > 0 {
		t.Fatalf("losses %+v %q", r.Losses, r.Problems)
	}
	return r
}

func scanned(t *testing.T, r *Result, of profile.Type) (profile.Amount, []profile.Loss) {
	t.Helper()
	for _, c := range r.Coverage {
		if c.Type == of {
			return c.Stored, c.Losses
		}
	}
	t.Fatalf("no ledger of %s", of)
	return profile.Amount{}, nil
}

// cpuChunk has n samples that are spaced apart.
func cpuChunk(n int, apart time.Duration) *jfrtest.Chunk {
	c := jfrtest.NewChunk()
	stack := c.Stack("Main.main", "Main.work")
	random := rand.New(rand.NewPCG(1, 2))
	at := uint64(0)
	for range n {
		step := uint64(apart)
		if apart == unsteady {
			step = uint64(10*time.Millisecond) + random.Uint64N(uint64(50*time.Millisecond))
		}
		at += step
		c.Event(executionSample, jfrtest.Fields{"stackTrace": stack, "state": jfrtest.StateDefault, "sampledThread": 7, "startTime": at})
	}
	return c
}

// unsteady is a time between samples that is another one each time.
const unsteady time.Duration = -1

func TestWhatACPUSampleStandsFor(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		engine, event, interval string
		apart, tick             time.Duration
		value                   time.Duration // of each of 100 samples
		reason                  profile.Reason
	}{
		"ctimer at 10 ms":                  {"ctimer", "cpu", "10000000", 10 * ms, 0, 10 * ms, ""},
		"default interval":                 {"ctimer", "cpu", "0", 10 * ms, 0, 10 * ms, ""},
		"ctimer below a known tick":        {"ctimer", "cpu", "1000000", 7 * ms, 4 * ms, 4 * ms, ""},
		"itimer below a known tick":        {"itimer", "itimer", "500000", 7 * ms, 4 * ms, 4 * ms, ""},
		"ctimer above a known tick":        {"ctimer", "cpu", "5000000", 7 * ms, 4 * ms, 5 * ms, ""},
		"perf fires between ticks":         {"perf_events", "cpu", "1000000", 7 * ms, 4 * ms, ms, ""},
		"tick of 250 Hz seen":              {"ctimer", "cpu", "1000000", 4 * ms, 0, 4 * ms, ""},
		"tick of 100 Hz seen":              {"ctimer", "cpu", "1000000", 10 * ms, 0, 10 * ms, ""},
		"tick of 1000 Hz seen":             {"ctimer", "cpu", "1000000", ms, 0, ms, ""},
		"tick of 300 Hz seen":              {"ctimer", "cpu", "1000000", time.Second / 300, 0, time.Second / 300, ""},
		"every other tick seen":            {"ctimer", "cpu", "1000000", 8 * ms, 0, 4 * ms, ""},
		"no longer tick than interval":     {"ctimer", "cpu", "5000000", 5500 * time.Microsecond, 0, 5 * ms, ""},
		"tick not to be seen":              {"ctimer", "cpu", "1000000", unsteady, 0, 0, profile.TickUnknown},
		"threads sampled once each":        {"ctimer", "cpu", "1000000", time.Second, 0, 0, profile.TickUnknown},
		"engine not named, below a tick":   {"", "", "1000000", time.Second, 0, 0, profile.TickUnknown},
		"engine not named, above a tick":   {"", "", "10000000", time.Second, 0, 10 * ms, ""},
		"interval that is no number":       {"ctimer", "cpu", "often", 10 * ms, 0, 0, profile.IntervalUnknown},
		"interval longer than is believed": {"ctimer", "cpu", "99999999999999", 10 * ms, 0, 0, profile.IntervalUnknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := cpuChunk(100, test.apart)
			c.Profiler(test.engine, test.event, test.interval) // settings behind the samples count as well
			o := DefaultOptions()
			o.Settings.Tick = test.tick
			r := decodeChunks(t, o, c)
			got, losses := scanned(t, &r, profile.CPU)
			if want := (profile.Amount{Value: 100 * int64(test.value), Count: 100}); got != want {
				t.Errorf("100 samples are %+v, want %+v", got, want)
			}
			var want []profile.Loss
			if test.reason != "" {
				want = []profile.Loss{{Outcome: profile.Unvalued, Reason: test.reason, Count: 100}}
			}
			if diff := cmp.Diff(want, losses); diff != "" {
				t.Errorf("losses (-want +got):\n%s", diff)
			}
		})
	}
}

// Versions of async-profiler before batches took a sample of elapsed time with
// the event of CPU time, and 2.9 did not name the engine.
func TestExecutionSamplesOfElapsedTime(t *testing.T) {
	for name, test := range map[string]struct {
		engine, event, interval string
		value                   int64
	}{
		"2.9":              {"", "wall", "10000000", 10e6},
		"engine named":     {"wall", "wall", "20000000", 20e6},
		"event not named":  {"wall", "", "20000000", 20e6},
		"default interval": {"wall", "wall", "0", 50e6},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := cpuChunk(10, 10*time.Millisecond), cpuChunk(5, 10*time.Millisecond)
			first.Profiler(test.engine, test.event, test.interval)
			second.Start = first.Start.Add(first.Duration)
			r := decodeChunks(t, DefaultOptions(), first, second)
			if got, losses := scanned(t, &r, profile.Wall); got != (profile.Amount{Value: 15 * test.value, Count: 15}) || losses != nil {
				t.Errorf("15 samples of elapsed time are %+v, %+v", got, losses)
			}
			if got, losses := scanned(t, &r, profile.CPU); got != (profile.Amount{}) || losses != nil {
				t.Errorf("and %+v of CPU time, %+v", got, losses)
			}
			again := DefaultOptions()
			again.Settings, again.OneSession = r.Settings, true
			r = decodeChunks(t, again, second)
			if got, _ := scanned(t, &r, profile.Wall); got != (profile.Amount{Value: 5 * test.value, Count: 5}) {
				t.Errorf("5 samples read later are %+v", got)
			}
		})
	}
}

// JDK 9 and 10 wrote version 1, which is version 2 with other names.
func TestVersion1(t *testing.T) {
	c := cpuChunk(10, 10*time.Millisecond)
	c.Setting(executionSample, "period", "20 ms")
	c.Event(inNewTLAB, jfrtest.Fields{"stackTrace": c.Stack("Main.main"), "objectClass": c.Class("[B"), "tlabSize": 1 << 20})
	want := decodeChunks(t, DefaultOptions(), c)
	c.Version1 = true
	got := decodeChunks(t, DefaultOptions(), c)
	if diff := cmp.Diff(want.Sets, got.Sets); diff != "" || len(want.Sets) != 2 {
		t.Errorf("%d sets, (-version 2 +version 1):\n%s", len(want.Sets), diff)
	}
	if amount, _ := scanned(t, &got, profile.CPU); amount != (profile.Amount{Value: 200e6, Count: 10}) {
		t.Errorf("10 samples are %+v", amount)
	}
}

// A setting counts for the event that it is of, whatever else has one of the
// same name.
func TestSettingsAreOfAnEvent(t *testing.T) {
	c := cpuChunk(10, 10*time.Millisecond)
	c.Profiler("ctimer", "cpu", "20000000")
	c.Setting("test.Other", "interval", "1000000")
	c.Setting("test.Other", "engine", "itimer")
	c.Setting("test.Other", "lock", "1")
	c.Setting("jdk.ThreadPark", "period", "3 ms")
	r := decodeChunks(t, DefaultOptions(), c)
	want := profile.Settings{Engine: "ctimer", CPUInterval: 20 * time.Millisecond}
	if diff := cmp.Diff(want, r.Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// The JDK's sampler does not depend on ticks, however short its period.
func TestPeriodOfTheJDK(t *testing.T) {
	for _, last := range []bool{false, true} {
		c := jfrtest.NewChunk()
		c.MetadataLast = true
		if !last {
			c.Setting(executionSample, "period", "9 ms")
		}
		stack := c.Stack("Main.main")
		for range 7 {
			c.Event(executionSample, jfrtest.Fields{"stackTrace": stack, "state": jfrtest.StateDefault})
		}
		if last {
			c.Setting(executionSample, "period", "9 ms")
		}
		r := decodeChunks(t, DefaultOptions(), c)
		if got, _ := scanned(t, &r, profile.CPU); got != (profile.Amount{Value: 63_000_000, Count: 7}) {
			t.Errorf("period behind the samples: %t: %+v", last, got)
		}
	}
}

// A chunk continues the session of the one before only if it begins where that
// one ends.
func TestSettingsBelongToASession(t *testing.T) {
	first, second, stranger := cpuChunk(3, time.Millisecond), cpuChunk(5, time.Millisecond), cpuChunk(7, time.Millisecond)
	first.Profiler("perf_events", "cpu", "2000000")
	first.Setting(monitorEnter, "lock", "1000000")
	second.Start = first.Start.Add(first.Duration)
	stranger.Start = second.Start.Add(time.Hour)
	r := decodeChunks(t, DefaultOptions(), first, second, stranger)
	got, losses := scanned(t, &r, profile.CPU)
	if want := (profile.Amount{Value: 16_000_000, Count: 15}); got != want {
		t.Errorf("CPU %+v, want %+v", got, want)
	}
	want := []profile.Loss{{Outcome: profile.Unvalued, Reason: profile.IntervalUnknown, Count: 7}}
	if diff := cmp.Diff(want, losses); diff != "" {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
	if r.Settings != (profile.Settings{}) {
		t.Errorf("the stranger has settings %+v", r.Settings)
	}

	o := DefaultOptions()
	o.OneSession = true // the sidecar knows its own file
	r = decodeChunks(t, o, first, stranger)
	if got, _ := scanned(t, &r, profile.CPU); got.Value != 20_000_000 {
		t.Errorf("in one session: %+v", got)
	}

	other := cpuChunk(2, time.Millisecond) // a second recording says everything anew
	other.Start = second.Start.Add(second.Duration)
	other.Profiler("ctimer", "cpu", "10000000")
	r = decodeChunks(t, DefaultOptions(), first, second, other)
	if want := (profile.Settings{Engine: "ctimer", CPUInterval: 10 * time.Millisecond}); r.Settings != want {
		t.Errorf("settings %+v, want %+v", r.Settings, want)
	}
}

// Samples of another event than CPU time are no ns of anything.
func TestEventsThatAreNoCPUTime(t *testing.T) {
	tests := map[string]struct {
		engine, event, interval string
		want                    Event
	}{
		"method":           {"instrument", "W.burnA", "0", Event{"W.burnA", "calls", 1}},
		"each 10th call":   {"instrument", "W.burnA", "10", Event{"W.burnA", "calls", 10}},
		"page faults":      {"perf_events", "page-faults", "0", Event{"page-faults", "events", 1}},
		"context switches": {"perf_events", "context-switches", "0", Event{"context-switches", "events", 2}},
		"cycles":           {"perf_events", "cycles", "0", Event{"cycles", "cycles", 1_000_000}},
		"native function":  {"perf_events", "malloc", "0", Event{"malloc", "calls", 1}},
		"tracepoint":       {"perf_events", "syscalls:sys_enter_open", "7", Event{"syscalls:sys_enter_open", "events", 7}},
		"raw event":        {"perf_events", "pmu/x/", "0", Event{"pmu/x/", "events", 0}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := cpuChunk(9, time.Millisecond)
			c.Profiler(test.engine, test.event, test.interval)
			r := decodeChunks(t, DefaultOptions(), c)
			got, losses := scanned(t, &r, profile.CPU)
			want := []profile.Loss{{Outcome: profile.Dropped, Reason: profile.EventNotCPU, Count: 9}}
			if diff := cmp.Diff(want, losses); diff != "" || got != (profile.Amount{}) {
				t.Errorf("as CPU time: %+v, losses (-want +got):\n%s", got, diff)
			}
			o := DefaultOptions()
			o.AnyEvent = true
			r = decodeChunks(t, o, c)
			got, _ = scanned(t, &r, profile.CPU)
			if want := (profile.Amount{Value: 9 * test.want.Weight, Count: 9}); got != want || r.Event != test.want {
				t.Errorf("%+v of %+v, want %+v of %+v", got, r.Event, want, test.want)
			}
		})
	}
}

// Two recordings of different events in one file are not added up.
func TestEventsAreNotMixed(t *testing.T) {
	calls, cpu := cpuChunk(3, time.Millisecond), cpuChunk(4, time.Millisecond)
	calls.Profiler("instrument", "W.burnA", "0")
	cpu.Profiler("perf_events", "cpu", "0")
	o := DefaultOptions()
	o.AnyEvent = true
	r := decodeChunks(t, o, calls, cpu)
	got, losses := scanned(t, &r, profile.CPU)
	if got.Value != 3 || r.Event.Name != "W.burnA" || len(losses) != 1 || losses[0].Count != 4 {
		t.Errorf("%+v of %+v, losses %+v", got, r.Event, losses)
	}
}

// What the JDK records twice is counted once, and what it leaves out is told.
func TestRecordingsOfTheJDK(t *testing.T) {
	c := jfrtest.NewChunk()
	c.TicksPerSecond = 2_500_000_000
	stack := c.Stack("Main.main", "Main.work")
	class := c.Class("java/lang/String")
	c.Event(allocSample, jfrtest.Fields{"stackTrace": stack, "objectClass": class, "weight": 1000})
	c.Event(inNewTLAB, jfrtest.Fields{"stackTrace": stack, "objectClass": class, "tlabSize": 600, "allocationSize": 24})
	c.Event(outsideTLAB, jfrtest.Fields{"stackTrace": stack, "objectClass": class, "allocationSize": 300})
	c.Event(cpuTimeSample, jfrtest.Fields{"stackTrace": stack, "samplingPeriod": 25_000_000})
	c.Event(cpuTimeSample, jfrtest.Fields{"samplingPeriod": 50_000_000, "failed": 1})
	c.Event("jdk.CPUTimeSamplesLost", jfrtest.Fields{"lostSamples": 12})
	c.Event(executionSample, jfrtest.Fields{"stackTrace": stack, "state": jfrtest.StateDefault})
	for _, parked := range []string{
		"java/util/concurrent/locks/ReentrantLock$NonfairSync", "java/util/concurrent/locks/ReentrantReadWriteLock$FairSync",
		"java/util/concurrent/Semaphore$NonfairSync", "java/util/concurrent/locks/StampedLock",
		"java/util/concurrent/locks/AbstractQueuedSynchronizer$ConditionObject", "java/util/concurrent/SynchronousQueue$TransferStack",
		"java/util/concurrent/FutureTask", "java/util/concurrent/CountDownLatch$Sync", "java/util/concurrent/ForkJoinPool",
	} {
		c.Event(threadPark, jfrtest.Fields{"stackTrace": stack, "parkedClass": c.Class(parked), "duration": 1})
	}
	c.Event(threadPark, jfrtest.Fields{"stackTrace": stack, "duration": 5}) // on nothing
	c.Setting(executionSample, "period", "10 ms")
	r := decodeChunks(t, DefaultOptions(), c)
	for of, want := range map[profile.Type]profile.Amount{
		profile.CPU: {Value: 10_000_000, Count: 1}, profile.Alloc: {Value: 900, Count: 2}, profile.Lock: {Value: 0, Count: 4},
	} {
		if got, _ := scanned(t, &r, of); got != want {
			t.Errorf("%s %+v, want %+v", of, got, want)
		}
	}
	unread := map[string]int64{
		"jdk.ExecutionSample (beside jdk.CPUTimeSample)": 1, "jdk.ObjectAllocationSample (beside TLAB events)": 1, "jdk.ThreadPark (no lock)": 6,
	}
	if diff := cmp.Diff(unread, r.Unread); diff != "" {
		t.Errorf("not read (-want +got):\n%s", diff)
	}
	_, losses := scanned(t, &r, profile.CPU)
	want := []profile.Loss{
		{Outcome: profile.Dropped, Reason: profile.ProfilerSkipped, Count: 12},
		{Outcome: profile.Dropped, Reason: profile.StackMissing, Value: 20_000_000, Count: 1},
	}
	if diff := cmp.Diff(want, losses); diff != "" {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
}

// Waits are converted when they are added up: of a thousand waits of three ticks
// of a clock of 2.5 GHz each is 1.2 ns.
func TestTicksAreConvertedOncePerStack(t *testing.T) {
	c := jfrtest.NewChunk()
	c.TicksPerSecond = 2_500_000_000
	c.Profiler("perf_events", "cpu", "0")
	stack, class := c.Stack("Main.main"), c.Class("Lock")
	for range 1000 {
		c.Event(monitorEnter, jfrtest.Fields{"stackTrace": stack, "monitorClass": class, "duration": 3})
	}
	for _, raw := range []bool{false, true} {
		o := DefaultOptions()
		o.Raw = raw
		r := decodeChunks(t, o, c)
		if got, _ := scanned(t, &r, profile.Lock); got != (profile.Amount{Value: 1200, Count: 1000}) {
			t.Errorf("raw %t: %+v", raw, got)
		}
	}
}

// A batch of wall samples says over which time it was taken. Where threads are
// sampled less often than asked for, that is what they stand for.
func TestWallSamplesStandForTheirSpan(t *testing.T) {
	c := jfrtest.NewChunk()
	c.Profiler("wall", "wall", "20000000")
	stack := c.Stack("Main.main")
	for _, e := range []jfrtest.Fields{
		{"samples": 1},                          // an interval
		{"samples": 9, "timeSpan": 160_000_000}, // as often as asked for: 9 intervals
		{"samples": 5, "timeSpan": 400_000_000}, // each 100 ms: 5 of these
	} {
		e["stackTrace"], e["state"] = stack, 2
		c.Event("profiler.WallClockSample", e)
	}
	r := decodeChunks(t, DefaultOptions(), c)
	if got, _ := scanned(t, &r, profile.Wall); got != (profile.Amount{Value: 700_000_000, Count: 15}) {
		t.Errorf("wall %+v", got)
	}
	unknown := jfrtest.NewChunk() // without an interval the batches are known all the same
	stack = unknown.Stack("Main.main")
	unknown.Event("profiler.WallClockSample", jfrtest.Fields{"stackTrace": stack, "samples": 1})
	unknown.Event("profiler.WallClockSample", jfrtest.Fields{"stackTrace": stack, "samples": 9, "timeSpan": 160_000_000})
	r = decodeChunks(t, DefaultOptions(), unknown)
	got, losses := scanned(t, &r, profile.Wall)
	want := []profile.Loss{{Outcome: profile.Unvalued, Reason: profile.IntervalUnknown, Count: 1}}
	if diff := cmp.Diff(want, losses); diff != "" || got != (profile.Amount{Value: 180_000_000, Count: 10}) {
		t.Errorf("wall %+v, losses (-want +got):\n%s", got, diff)
	}
}

// The waits of virtual threads are not recorded: that they ran is told with the
// locks, and only where that is so.
func TestVirtualThreadsAreNoticed(t *testing.T) {
	chunk := func(engine string, frames ...string) *jfrtest.Chunk {
		c := jfrtest.NewChunk()
		if engine != "" {
			c.Profiler(engine, "cpu", "0")
		} else {
			c.Setting(executionSample, "period", "20 ms")
		}
		c.Event(executionSample, jfrtest.Fields{"stackTrace": c.Stack(frames...), "state": jfrtest.StateDefault})
		return c
	}
	for name, test := range map[string]struct {
		chunk *jfrtest.Chunk
		want  int
	}{
		"virtual":             {chunk("ctimer", "java/lang/VirtualThread.run", "Main.work"), 1},
		"platform":            {chunk("ctimer", "java/lang/Thread.run", "Main.work"), 0},
		"recorded by the JDK": {chunk("", "java/lang/VirtualThread.run", "Main.work"), 0},
	} {
		r := decodeChunks(t, DefaultOptions(), test.chunk)
		_, losses := scanned(t, &r, profile.Lock)
		notices := slices.DeleteFunc(losses, func(l profile.Loss) bool {
			return l.Outcome != profile.Noticed || l.Reason != profile.VirtualThreadLocks
		})
		if len(notices) != test.want {
			t.Errorf("%s: %d notices, want %d", name, len(notices), test.want)
		}
	}
}

// A recording that holds nothing but samples without a type says which.
func TestUnreadEventsAreCounted(t *testing.T) {
	want := map[string]int64{"jdk.NativeMethodSample": 2, "datadog.ExecutionSample": 3}
	c := jfrtest.NewChunk()
	stack := c.Stack("Main.main")
	for name, n := range want {
		for range n {
			c.Event(name, jfrtest.Fields{"stackTrace": stack})
		}
	}
	r := decodeChunks(t, DefaultOptions(), c)
	if diff := cmp.Diff(want, r.Unread); diff != "" {
		t.Errorf("not read (-want +got):\n%s", diff)
	}
}
