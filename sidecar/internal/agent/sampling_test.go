package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

// adapted are the windows whose ledger says that their type is sampled at another
// interval.
func adapted(windows []profile.Window, t profile.Type) (noticed []profile.Window) {
	isNotice := func(l profile.Loss) bool {
		return l.Outcome == profile.Noticed && l.Reason == profile.SamplingAdapted
	}
	for _, w := range windows {
		if c := w.CoverageOf(t); c != nil && slices.ContainsFunc(c.Losses, isNotice) {
			noticed = append(noticed, w)
		}
	}
	return noticed
}

func sampledEvery(v *world) string {
	for option := range strings.SplitSeq(v.w.status().Options, ",") {
		if interval, ok := strings.CutPrefix(option, "interval="); ok {
			d, _ := time.ParseDuration(interval + "ns")
			return d.String()
		}
	}
	return ""
}

// A JVM that uses ten cores is sampled more seldom at the second border, and only
// when it has used one for ten minutes more often again. A sidecar that comes back
// goes on so. Each change is in a window, and no time is missing.
func TestSamplingFollowsTheLoad(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	const core = int64(time.Millisecond) // a sample a millisecond
	v.decoder.value = 10 * core
	want := func(interval string, changes int) {
		t.Helper()
		if got := sampledEvery(v); got != interval {
			t.Errorf("after %s it is sampled every %s, want %s", v.clock.elapsed-v.began, got, interval)
		}
		if n := len(adapted(v.spool.all(), profile.CPU)); n != changes {
			t.Errorf("after %s %d windows say that sampling has changed, want %d", v.clock.elapsed-v.began, n, changes)
		}
	}
	v.lead(12)
	want("10ms", 0)
	v.lead(30)
	want("80ms", 1)
	if s := v.w.status(); !strings.Contains(s.Sampling, "cpu every 80ms instead of 10ms") {
		t.Errorf("the status says %q", s.Sampling)
	}
	v.decoder.value = 1 * core
	v.lead(300)
	v.kill()
	v.comeBack()
	v.lead(240)
	want("80ms", 1)
	v.lead(400) // ten minutes of the second sidecar, and a window
	want("10ms", 2)
	v.decoder.value = 10 * core
	v.lead(500)
	want("10ms", 2)
	v.lead(150)
	want("80ms", 3)
	own := 0
	for _, w := range v.spool.all() {
		if w.Session == "" {
			own++
			t.Logf("a window of its own tells %+v", w.Losses)
		}
	}
	if own > 1 { // of the sidecar that was killed, perhaps
		t.Errorf("%d gaps have a window of their own", own)
	}
	v.finish(t)
	v.checkWhole(t)
}

func TestSamplingStaysAsAskedFor(t *testing.T) {
	for name, change := range map[string]func(*contract.Settings){
		"without a budget":      func(s *contract.Settings) { s.SampleRate = 0 },
		"an interval asked for": func(s *contract.Settings) { s.Fix("cpu") },
		"few enough samples":    func(s *contract.Settings) { s.SampleRate = 1000 },
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld(t.TempDir(), t.Fatalf)
			change(&v.w.settings)
			v.config.Settings = v.w.settings
			v.decoder.value = int64(10 * time.Millisecond)
			v.lead(60)
			if got := sampledEvery(v); got != "10ms" || v.w.status().Sampling != "" {
				t.Errorf("it is sampled every %s, %q", got, v.w.status().Sampling)
			}
			v.finish(t)
		})
	}
}

// Where an interval may not be long enough for the budget, windows and status say so.
func TestSamplingTellsThatItIsBounded(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	v.decoder.value = int64(64 * time.Millisecond) // 64 cores
	v.lead(30)
	v.decoder.settings.CPUInterval = 80 * time.Millisecond
	v.lead(30)
	if got, text := sampledEvery(v), v.w.status().Sampling; got != "80ms" || !strings.Contains(text, "cpu every 80ms instead of 10ms (800 samples a second") || !strings.Contains(text, "--longest-cpu-interval") {
		t.Errorf("it is sampled every %s, %q", got, text)
	}
	told := 0
	for _, w := range v.spool.all() {
		c := w.CoverageOf(profile.CPU)
		isTold := c != nil && slices.ContainsFunc(c.Losses, func(l profile.Loss) bool { return l.Reason == profile.SamplingBounded })
		if isTold {
			told++
		}
		if isTold && w.Settings.CPUInterval != 80*time.Millisecond {
			t.Errorf("a window at %s is told to be at the longest interval", w.Settings.CPUInterval)
		}
	}
	if counted := testutil.ToFloat64(v.w.metrics.bounded.WithLabelValues("cpu")); told == 0 || counted != float64(told) {
		t.Errorf("%d windows tell it, %.0f are counted", told, counted)
	}
	v.finish(t)
	v.checkWhole(t)
}

func TestLongestAllocIntervalFollowsTheJVM(t *testing.T) {
	for _, c := range []struct {
		version string
		asked   int64
		want    int64
	}{{"", 0, 4 << 20}, {"17.0.9", 0, 4 << 20}, {"24.0.1", 0, 4 << 20}, {"25.0.2", 0, 64 << 20}, {"26-ea", 0, 64 << 20}, {"17.0.9", 16 << 20, 16 << 20}, {"25", 1 << 20, 1 << 20}} {
		if got := (Longest{Alloc: c.asked}).alloc(profile.JavaFeature(c.version)); got != c.want {
			t.Errorf("Java %s, asked for %d: %d, want %d", c.version, c.asked, got, c.want)
		}
	}
}

// The same in a real JVM, in which four threads wait for locks at any time: so there
// are four seconds of waiting in each, at whatever interval they are sampled. Which
// one the budget leads to depends on what the first window had, which may be short
// and lacks the waits that last; it is eight times the one asked for at least.
func TestSamplingAdaptsInAJVM(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"lock", "monitor"}})
	b.config.Settings.Events, b.config.Settings.SampleRate = []string{"lock"}, 10
	b.start()
	interval := func(w profile.Window) time.Duration { return w.Settings.LockThreshold }
	b.await("two windows at a longer interval", func() bool {
		windows := b.spool.profiled()
		return len(windows) > 2 && interval(windows[len(windows)-2]) > b.config.Settings.LockThreshold
	})
	state := b.agent.Report().Targets[0].State
	b.stop()
	windows := b.spool.profiled()
	longer := interval(windows[len(windows)-1])
	if longer < 80*time.Millisecond || state.State != profile.StateProfiled ||
		!strings.Contains(state.Detail, fmt.Sprintf("lock every %s instead of 10ms", longer)) || !strings.Contains(state.Options, fmt.Sprintf("lock=%d", longer)) {
		t.Errorf("at %s the report says %+v", longer, state)
	}
	var waited, recorded [2]time.Duration // before, after
	for _, w := range windows {
		t.Logf("%s: every %s, %+v in %s", w.Start, interval(w), w.CoverageOf(profile.Lock).Captured, w.Recorded.End.Sub(w.Recorded.Start))
		i := 0
		if interval(w) > b.config.Settings.LockThreshold {
			i = 1
		}
		waited[i] += time.Duration(w.CoverageOf(profile.Lock).Captured.Value)
		recorded[i] += w.Recorded.End.Sub(w.Recorded.Start)
	}
	for i := range waited {
		if perSecond := waited[i].Seconds() / recorded[i].Seconds(); perSecond < 0.8 || perSecond > 8 {
			t.Errorf("%.2f seconds of waiting a second, want about 4: with the weights of the other interval it would be an eighth, or eight times that, at least", perSecond)
		}
	}
	if noticed := adapted(b.spool.all(), profile.Lock); len(noticed) != 1 || interval(noticed[0]) != longer {
		t.Errorf("%d windows say that sampling has changed", len(noticed))
	}
	if b.spool.loss(profile.ProfilerStall).Duration == 0 {
		t.Error("the gap of the change is not told")
	}
	b.checkContiguous(b.spool.profiled())
	if d := b.status().Difference; d > 50*time.Millisecond {
		t.Errorf("the account of time differs by %s from the windows", d)
	}
	b.jvm.CheckUntouched(t)
}
