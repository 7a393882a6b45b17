package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/budget"
	"github.com/podflame/podflame/sidecar/internal/session"
)

// budgeted are the events with an interval that follows from a rate, each with the one
// of contract.Budgeted whose interval is asked for.
func budgeted() map[string]string {
	all := map[string]string{"nativemem": "alloc", "nativelock": "lock"}
	for _, event := range contract.Budgeted() {
		all[event] = event
	}
	return all
}

// offBeat is an interval near the one asked for. Native memory is sampled by a
// counter, and sizes are powers of two more often than not: with an interval that is
// one, too, a program that allocates in turns would have samples of one turn only.
func offBeat(interval int64) int64 { return interval*9/10 | 1 }

// rules are those of budgeted.
func (w *worker) rules() map[string]budget.Rule {
	s, longest := w.settings, w.config.Limits.Longest
	all := map[string]budget.Rule{
		"cpu":        {Asked: int64(s.CPUInterval), Longest: int64(longest.CPU)},
		"alloc":      {Asked: s.AllocInterval, Longest: longest.alloc(profile.JavaFeature(w.target.JVMVersion))},
		"lock":       {Asked: int64(s.LockThreshold), Longest: int64(longest.Lock)},
		"nativemem":  {Asked: offBeat(s.AllocInterval), Longest: cmp.Or(longest.Alloc, LongestExactAlloc)},
		"nativelock": {Asked: int64(s.LockThreshold), Longest: int64(longest.Lock)},
	}
	for event, r := range all {
		if slices.Contains(s.Events, event) && !slices.Contains(s.Fixed, budgeted()[event]) {
			r.Rate = s.SampleRate
		}
		if event == "alloc" && slices.Contains(s.Events, "live") {
			r.Rate = min(r.Rate, liveRate(s.Window))
		}
		all[event] = r
	}
	return all
}

// sampling are the settings with the intervals that the budget has led to.
func (w *worker) sampling() contract.Settings {
	s := w.settings
	s.CPUInterval = time.Duration(w.interval("cpu"))
	s.AllocInterval = w.interval("alloc")
	s.LockThreshold = time.Duration(w.interval("lock"))
	return s
}

// interval is that of an event, as the budget has led to it.
func (w *worker) interval(event string) int64 {
	p := w.marker.Pace
	led := map[string]int64{"cpu": p.CPU, "alloc": p.Alloc, "lock": p.Lock, "nativemem": p.NativeMem, "nativelock": p.NativeLock}
	return w.rules()[event].Bound(led[event])
}

// weigh notes how much of each event a window had.
func (w *worker) weigh(window *profile.Window) {
	seconds := window.Recorded.End.Sub(window.Recorded.Start).Seconds()
	if seconds < minCut.Seconds() {
		return
	}
	for event := range budgeted() {
		if c := window.CoverageOf(profile.Type(event)); c != nil {
			w.loads.Note(w.clock.Elapsed(), event, float64(c.Captured.Value)/seconds)
		}
	}
}

// adapt changes, at a border of windows, the intervals by which the JVM is sampled,
// if they give far more samples than they should or could be shorter again. The
// session is renewed for it, so there is a time between two changes; only the first
// one does not wait.
func (w *worker) adapt() {
	p := &w.marker.Pace
	if w.session() == "" || !p.Changed.IsZero() && w.clock.Now().Sub(p.Changed) < w.config.Limits.AdaptInterval {
		return
	}
	r := w.rules()
	var events []string
	next := func(event string) int64 {
		current := w.interval(event)
		last, peak, whole := w.loads.Of(event)
		to := r[event].Next(current, last, peak, whole)
		if to != current {
			w.metrics.adapted(event, to > current)
			events = append(events, event)
		}
		return to
	}
	changed := session.Pace{
		CPU: next("cpu"), Alloc: next("alloc"), Lock: next("lock"), NativeMem: next("nativemem"), NativeLock: next("nativelock"),
	}
	if len(events) == 0 {
		return
	}
	changed.New, changed.Changed = events, w.clock.Now().UTC()
	*p = changed
	w.loads.Begin(w.clock.Elapsed())
	w.log.Info("sampling changes", "reason", profile.SamplingAdapted, "sampling", w.samplingText(), "rate", w.settings.SampleRate)
}

// samplingText says which intervals are longer than asked for; empty for none.
func (w *worker) samplingText() string {
	asked, is := w.settings, w.sampling()
	var longer []string
	if is.CPUInterval > asked.CPUInterval {
		longer = append(longer, fmt.Sprintf("cpu every %s instead of %s", is.CPUInterval, asked.CPUInterval)+w.boundText("cpu", int64(is.CPUInterval)))
	}
	if is.AllocInterval > asked.AllocInterval {
		longer = append(longer, fmt.Sprintf("alloc every %d KiB instead of %d", is.AllocInterval>>10, asked.AllocInterval>>10)+w.liveText()+w.boundText("alloc", is.AllocInterval))
	}
	if is.LockThreshold > asked.LockThreshold {
		longer = append(longer, fmt.Sprintf("lock every %s instead of %s", is.LockThreshold, asked.LockThreshold)+w.boundText("lock", int64(is.LockThreshold)))
	}
	if to, from := w.interval("nativemem"), w.rules()["nativemem"].Asked; to > from {
		longer = append(longer, fmt.Sprintf("nativemem every %d KiB instead of %d", to>>10, from>>10)+w.boundText("nativemem", to))
	}
	if to := w.interval("nativelock"); to > int64(asked.LockThreshold) {
		longer = append(longer, fmt.Sprintf("nativelock every %s instead of %s", time.Duration(to), asked.LockThreshold)+w.boundText("nativelock", to))
	}
	if len(longer) == 0 {
		return ""
	}
	return fmt.Sprintf("sampled for at most about %d samples a second: %s", asked.SampleRate, strings.Join(longer, ", "))
}

// boundText says how many samples a second there are where the interval may not be
// long enough.
func (w *worker) boundText(event string, interval int64) string {
	last, _, _ := w.loads.Of(event)
	if !w.rules()[event].Bounded(interval, last) {
		return ""
	}
	return fmt.Sprintf(" (%.0f samples a second, but no longer interval is allowed: %s)", last/float64(interval), longestFlag(event))
}

// longestFlag is the flag that bounds the interval of an event.
func longestFlag(event string) string {
	return map[string]string{"cpu": "--longest-cpu-interval", "alloc": "--longest-alloc-interval", "lock": "--longest-lock-threshold"}[budgeted()[event]]
}

// noticeBounded enters into the ledgers of a window that it has more samples than
// the budget asks for.
func (w *worker) noticeBounded(window *profile.Window) {
	seconds := window.Recorded.End.Sub(window.Recorded.Start).Seconds()
	if seconds < minCut.Seconds() {
		return
	}
	s := window.Settings
	for event, interval := range map[string]int64{"cpu": int64(s.CPUInterval), "alloc": s.AllocInterval, "lock": int64(s.LockThreshold), "nativemem": s.NativeInterval, "nativelock": int64(s.NativeThreshold)} {
		c := window.CoverageOf(profile.Type(event))
		if c != nil && w.rules()[event].Bounded(interval, float64(c.Captured.Value)/seconds) {
			c.AddLoss(profile.Noticed, profile.SamplingBounded, profile.Amount{Count: c.Captured.Count})
			w.metrics.bounded.WithLabelValues(event).Inc()
		}
	}
}

// noticeAdapted enters into the ledgers of the first window of a recording that it
// samples at other intervals than the one before.
func noticeAdapted(window *profile.Window, r *session.Recording) {
	if r.Consumed > 0 {
		return
	}
	for _, event := range r.Adapted {
		if c := window.CoverageOf(profile.Type(event)); c != nil {
			c.AddLoss(profile.Noticed, profile.SamplingAdapted, profile.Amount{Count: c.Captured.Count})
		}
	}
}

// detailOf is what there is to say of a JVM beside its state.
func detailOf(s TargetStatus) string { return cmp.Or(s.Detail, s.Capture, s.Sampling) }
