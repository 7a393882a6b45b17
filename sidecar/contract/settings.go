package contract

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings are what a user may choose about the profiling of one pod.
type Settings struct {
	Events        []string      // of AllEvents, each once
	Window        time.Duration // MinWindow to MaxWindow, whole seconds
	CPUInterval   time.Duration // CPU time between two samples
	AllocInterval int64         // bytes between two allocation samples
	LockThreshold time.Duration // accumulated wait that makes one lock sample
	// SampleRate is how many samples a second a JVM should have at most of each
	// of Budgeted: where it has more the sidecar lengthens the interval. 0: never.
	SampleRate int
	Fixed      []string // of Budgeted: those whose interval was asked for, and stays
	Threads    bool     // samples keep the name of their thread group
}

// Budgeted are the events with an interval that follows from SampleRate. Wall is
// none: the profiler looks at eight threads an interval, however many there are.
func Budgeted() []string { return []string{"cpu", "alloc", "lock"} }

// Fix makes the intervals of some events stay as they were asked for.
func (s *Settings) Fix(events ...string) {
	fixed := slices.Clone(s.Fixed) // Settings are copied, and share it
	for _, e := range events {
		if !slices.Contains(fixed, e) {
			fixed = append(fixed, e)
		}
	}
	s.Fixed = fixed
}

// Asked are the events whose interval is another one than by default: so
// somebody has asked for it.
func (s *Settings) Asked() (events []string) {
	d := DefaultSettings()
	for i, asked := range []bool{s.CPUInterval != d.CPUInterval, s.AllocInterval != d.AllocInterval, s.LockThreshold != d.LockThreshold} {
		if asked {
			events = append(events, Budgeted()[i])
		}
	}
	return events
}

// AllEvents are the events that can be asked for.
func AllEvents() []string {
	return []string{"cpu", "alloc", "lock", "wall", "live", "nativemem", "nativelock"}
}

// Bounds of the settings. A value outside is refused by Parse; the webhook
// then injects with the default and warns.
const (
	MinWindow        = 5 * time.Second
	MaxWindow        = 10 * time.Minute
	MinCPUInterval   = time.Millisecond
	MaxCPUInterval   = time.Second
	MinAllocInterval = 32 << 10
	MaxAllocInterval = 1 << 30
	MinLockThreshold = 10 * time.Microsecond
	MaxLockThreshold = time.Minute
	MaxSampleRate    = 100_000
)

// DefaultSettings are CPU every 10 ms, an allocation sample every 512 KiB, lock
// waits from 10 ms, at most about 200 samples of each a second, and windows of one
// minute.
func DefaultSettings() Settings {
	return Settings{
		Events:        []string{"cpu", "alloc", "lock"},
		Window:        time.Minute,
		CPUInterval:   10 * time.Millisecond,
		AllocInterval: 512 << 10,
		LockThreshold: 10 * time.Millisecond,
		SampleRate:    200,
		Threads:       true,
	}
}

// notOffered says why there is no profile of some events that the profiler has.
var notOffered = map[string]string{
	"nativeleak": "the profiler writes an event for each time that memory is given back, however often that is, and the volume for recordings is small; nativemem shows what is allocated",
}

// ParseEvents reads a comma-separated list of events.
func ParseEvents(s string) ([]string, error) {
	var events []string
	for part := range strings.SplitSeq(s, ",") {
		event := strings.TrimSpace(part)
		if why := notOffered[event]; why != "" {
			return nil, fmt.Errorf("event %q is not offered: %s", event, why)
		}
		if !slices.Contains(AllEvents(), event) {
			return nil, fmt.Errorf("event %q is not one of %s", event, strings.Join(AllEvents(), ", "))
		}
		if !slices.Contains(events, event) {
			events = append(events, event)
		}
	}
	if slices.Contains(events, "live") && !slices.Contains(events, "alloc") {
		return nil, errors.New("event \"live\" needs \"alloc\" beside it: the objects that are followed are those of allocation samples")
	}
	return events, nil
}

// SplitEvents returns events as the webhook hands them to a sidecar, whose version it
// does not know: as EnvEvents those that sidecars of all versions know, for one that
// does not know an event does not start; and all of them as EnvAllEvents, or nothing
// if that is the same.
func SplitEvents(events []string) (old, all []string) {
	known := []string{"cpu", "alloc", "lock", "wall"}
	for _, event := range events {
		if slices.Contains(known, event) {
			old = append(old, event)
		}
	}
	switch len(old) {
	case len(events):
		return old, nil
	case 0:
		old = DefaultSettings().Events
	}
	return old, events
}

// ParseKnownEvents reads EnvAllEvents. What this version does not know, or would
// refuse, is left out and told.
func ParseKnownEvents(s string) (events []string, unknown error) {
	events, unknown = ParseEvents(s)
	if unknown == nil {
		return events, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		if more, err := ParseEvents(strings.Join(append(slices.Clone(events), part), ",")); err == nil {
			events = more
		}
	}
	return events, unknown
}

// ParseWindow reads the length of a window.
func ParseWindow(s string) (time.Duration, error) {
	d, err := parseDuration(s, MinWindow, MaxWindow)
	if err != nil {
		return 0, err
	}
	if d%time.Second != 0 {
		return 0, fmt.Errorf("%s is not a whole number of seconds", s)
	}
	return d, nil
}

// ParseSampleRate reads how many samples a second a JVM should have at most of
// each type.
func ParseSampleRate(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > MaxSampleRate {
		return 0, fmt.Errorf("%.64q is not a number of samples a second from 1 to %d, or 0 for any", s, MaxSampleRate)
	}
	return n, nil
}

// ParseFixed reads a comma-separated list of Budgeted.
func ParseFixed(s string) (events []string, err error) {
	for part := range strings.SplitSeq(s, ",") {
		event := strings.TrimSpace(part)
		switch {
		case event == "":
		case !slices.Contains(Budgeted(), event):
			return nil, fmt.Errorf("event %.64q is not one of %s", event, strings.Join(Budgeted(), ", "))
		case !slices.Contains(events, event):
			events = append(events, event)
		}
	}
	return events, nil
}

// ParseCPUInterval reads the CPU time between two samples.
func ParseCPUInterval(s string) (time.Duration, error) {
	return parseDuration(s, MinCPUInterval, MaxCPUInterval)
}

// ParseLockThreshold reads the accumulated wait that makes one lock sample.
func ParseLockThreshold(s string) (time.Duration, error) {
	return parseDuration(s, MinLockThreshold, MaxLockThreshold)
}

// ParseAllocInterval reads a number of bytes with an optional suffix k or m
// (1024 and 1024² bytes).
func ParseAllocInterval(s string) (int64, error) {
	digits, unit := s, int64(1)
	switch {
	case strings.HasSuffix(strings.ToLower(s), "k"):
		digits, unit = s[:len(s)-1], 1<<10
	case strings.HasSuffix(strings.ToLower(s), "m"):
		digits, unit = s[:len(s)-1], 1<<20
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of bytes such as 524288, 512k or 4m", s)
	}
	if n < 0 || n > MaxAllocInterval/unit || n*unit < MinAllocInterval {
		return 0, fmt.Errorf("%s is outside %d to %d bytes", s, MinAllocInterval, MaxAllocInterval)
	}
	return n * unit, nil
}

// ParseThreads reads whether samples keep the name of their thread group.
func ParseThreads(s string) (bool, error) {
	if s != "true" && s != "false" {
		return false, fmt.Errorf("%q is neither true nor false", s)
	}
	return s == "true", nil
}

func parseDuration(s string, low, high time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 10ms, 30s or 1m", s)
	}
	if d < low || d > high {
		return 0, fmt.Errorf("%s is outside %s to %s", s, low, high)
	}
	return d, nil
}
