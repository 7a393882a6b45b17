package jfr

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// session is how the events of a chunk were recorded, as the recording itself
// says. It is in the first chunk of a recording of async-profiler, and in every
// chunk of the JDK's own; a later chunk continues the session of the one before.
// What is not said is not known: nothing is guessed.
type session struct {
	profile.Settings
	known bool  // the recording says how it was made
	jdk   bool  // by the JDK's own sampler, which has a clock of its own
	event Event // of execution samples that are no CPU time
}

// Event is what an execution sample counts when it is not CPU time: calls of an
// instrumented method, page faults, cache misses.
type Event struct {
	Name   string `json:"name"`   // as the profiler was asked for it; empty: CPU time
	Unit   string `json:"unit"`   // of a value
	Weight int64  `json:"weight"` // of a sample, in the unit; 0: not known
}

// What async-profiler does where an interval is "0".
const (
	defaultCPUInterval  = 10 * time.Millisecond
	defaultWallInterval = 50 * time.Millisecond
	maxInterval         = time.Hour // longer is not believed

	defaultAllocInterval = 524287 // objectSampler.cpp
	maxSettingText       = 64     // bytes of a name that are kept
)

// settingKey names a setting: the event that it is of, and its own name, which
// events of different makers share.
type settingKey struct{ event, name string }

// said are the settings of a chunk.
type said map[settingKey]string

// wanted are the settings that are read.
func wanted(k settingKey) bool {
	switch k.event {
	case "jdk.ActiveRecording": // async-profiler's own
		return k.name == "engine" || k.name == "event" || k.name == "version"
	case executionSample:
		return k.name == "interval" || k.name == "wall" || k.name == "period"
	case inNewTLAB:
		return k.name == "alloc"
	case monitorEnter:
		return k.name == "lock"
	case malloc:
		return k.name == "nativemem"
	case nativeLock:
		return k.name == "nativelock"
	}
	return false
}

// session interprets the settings of a chunk, which must be some.
func (s said) session(tick time.Duration) session {
	engine, asked := s[settingKey{"jdk.ActiveRecording", "engine"}], s[settingKey{"jdk.ActiveRecording", "event"}]
	out := session{known: true, Settings: profile.Settings{Engine: shortText(engine), Tick: tick}}
	interval, sampled := s[settingKey{executionSample, "interval"}]
	switch {
	case !sampled:
		out.CPUInterval, out.jdk = period(s[settingKey{executionSample, "period"}]), true
	case asked == "wall" || engine == "wall" && asked == "": // 2.9 does not name the engine
		out.WallInterval = nanos(interval, defaultWallInterval)
	case isCPUTime(engine, asked):
		out.CPUInterval = nanos(interval, defaultCPUInterval)
	default:
		out.event = eventOf(engine, asked, interval)
	}
	if wall, ok := s[settingKey{executionSample, "wall"}]; ok { // beside a CPU engine
		out.WallInterval = nanos(wall, defaultWallInterval)
	}
	if n, err := strconv.ParseInt(s[settingKey{inNewTLAB, "alloc"}], 10, 64); err == nil && n >= 0 && n < maxEventValue {
		out.AllocInterval = n
	}
	out.LockThreshold = nanos(s[settingKey{monitorEnter, "lock"}], 0)
	out.NativeInterval = count(s[settingKey{malloc, "nativemem"}])
	out.NativeThreshold = nanos(s[settingKey{nativeLock, "nativelock"}], 0)
	out.Java = profile.JavaFeature(s[settingKey{event: jvmInformation}])
	return out
}

// before says whether the JVM is known to be older than a version of Java.
func (s *session) before(feature int) bool { return s.Java > 0 && s.Java < feature }

// heapSampler is how the JVM took the allocations of the session.
func (s *session) heapSampler() heapSampler {
	if s.jdk || !s.known {
		return heapSampler{}
	}
	return heapSampler{interval: cmp.Or(s.AllocInterval, defaultAllocInterval), resumes: s.before(resetsSince), forgets: s.before(remembersSince)}
}

// isCPUTime says whether a sample stands for CPU time. Versions that do not say
// the event had no others with the engines that they name.
func isCPUTime(engine, event string) bool {
	switch event {
	case "", "cpu", "cpu-clock", "ctimer", "itimer":
		return true
	}
	return engine == "ctimer" || engine == "itimer"
}

// onlyWall says whether execution samples are of elapsed time, whatever their
// thread did.
func (s *session) onlyWall() bool {
	return s.WallInterval > 0 && s.CPUInterval == 0 && (s.Engine == "wall" || s.Engine == "" && s.event.Name == "")
}

// firesAtTicks says whether samples are taken at ticks of the kernel at best. An
// engine that is not named may do so.
func (s *session) firesAtTicks() bool {
	return s.Engine == "ctimer" || s.Engine == "itimer" || s.Engine == "" && !s.jdk
}

// countedEvents are the events of the processor and the kernel, each with how
// many of them are between two samples where the interval is "0"
// (perfEvents_linux.cpp).
func countedEvents() map[string]int64 {
	return map[string]int64{
		"page-faults": 1, "context-switches": 2,
		"cycles": 1_000_000, "instructions": 1_000_000, "cache-references": 1_000_000, "cache-misses": 1_000,
		"branch-instructions": 1_000_000, "branch-misses": 1_000, "bus-cycles": 1_000_000, "ref-cycles": 1_000_000,
		"L1-dcache-load-misses": 1_000_000, "LLC-load-misses": 1_000, "dTLB-load-misses": 1_000,
	}
}

// eventOf is the event of execution samples that are no CPU time: one that the
// processor or the kernel counts, else calls of a method or a function.
func eventOf(engine, name, interval string) Event {
	e := Event{Name: shortText(name), Unit: "events", Weight: count(interval)}
	byDefault, counted := countedEvents()[name]
	switch {
	case engine == "instrument" || engine == "perf_events" && !counted && !strings.ContainsAny(name, ":/"):
		e.Unit, byDefault = "calls", 1
	case name == "cycles" || name == "instructions":
		e.Unit = name
	}
	if e.Weight == 0 {
		e.Weight = byDefault
	}
	return e
}

func shortText(s string) string {
	return strings.ToValidUTF8(strings.Clone(s[:min(len(s), maxSettingText)]), "?")
}

// nanos parses a number of nanoseconds; "0" is the default. What is no number is
// not known.
func nanos(value string, byDefault time.Duration) time.Duration {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case err != nil || n < 0 || n > int64(maxInterval):
		return 0
	case n == 0:
		return byDefault
	}
	return time.Duration(n)
}

func count(value string) int64 {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 || n > maxEventValue {
		return 0
	}
	return n
}

// period parses what the JDK writes, such as "10 ms".
func period(value string) time.Duration {
	d, err := time.ParseDuration(strings.ReplaceAll(value, " ", ""))
	if err != nil || d <= 0 || d > maxInterval {
		return 0
	}
	return d
}

// cpuWeight is the CPU time that a sample stands for, or why it is not known.
func (s *session) cpuWeight() (int64, profile.Reason) {
	switch {
	case s.CPUInterval == 0:
		return 0, profile.IntervalUnknown
	case s.ticksUnknown():
		return 0, profile.TickUnknown
	case s.firesAtTicks():
		return int64(max(s.CPUInterval, s.Tick)), ""
	}
	return int64(s.CPUInterval), ""
}

// ticksUnknown says whether the interval may be shorter than a tick that the
// recording does not tell.
func (s *session) ticksUnknown() bool {
	slowest := slices.Max(kernelTicks())
	return s.Tick == 0 && s.firesAtTicks() && s.CPUInterval > 0 && s.CPUInterval < slowest
}
