package asprof

import (
	"strconv"
	"strings"

	"github.com/podflame/podflame/backend/profile"
)

// Running reads the answer to Status. ok is false if it is neither yes nor no.
func Running(log string) (running, ok bool) {
	switch {
	case strings.Contains(log, "Profiling is running"):
		return true, true
	case strings.Contains(log, "Profiler is not active"):
		return false, true
	}
	return false, false
}

// NoLiveObjects says whether a session did not begin because its JVM cannot tell which
// sampled objects are alive: it is old, or another agent has its sampler.
func NoLiveObjects(err error) bool {
	return ReasonOf(err) == profile.ProfilerError && strings.Contains(err.Error(), "'live' option")
}

// maxVersion is longer than any version, "4.5" and the like.
const maxVersion = 32

// ParseVersion reads the answer to Version. It is empty if that is no version.
func ParseVersion(log string) string {
	version := strings.TrimSpace(log)
	if len(version) > maxVersion || strings.Trim(version, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-") != "" {
		return ""
	}
	return version
}

// Counters are what the profiler counts, from the start of its session.
type Counters struct {
	Samples   int64 // taken
	Skipped   int64 // not taken, because the profiler was busy
	Overflows int64 // taken, but without room for their stack
	StackKB   int64 // memory for stacks
}

// ParseMetrics reads the answer to Metrics: lines of a name and a number.
// Unknown names are left out.
func ParseMetrics(log string) Counters {
	var c Counters
	fields := map[string]*int64{
		"samples_total":                    &c.Samples,
		"samples_skipped_total":            &c.Skipped,
		"calltracestorage_overflows_total": &c.Overflows,
		"mem_calltracestorage_kb":          &c.StackKB,
	}
	for line := range strings.SplitSeq(log, "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		field := fields[name]
		if !ok || field == nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil && n >= 0 {
			*field = n
		}
	}
	return c
}
