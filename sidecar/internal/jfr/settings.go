package jfr

import (
	"strconv"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// What async-profiler does where a setting is "0" or absent.
const (
	defaultCPUInterval  = 10 * time.Millisecond
	defaultWallInterval = 50 * time.Millisecond
	maxInterval         = time.Hour // longer is not believed
	maxEngineName       = 64
)

// applySetting enters one ActiveSetting into the settings of the recording.
// Settings are in the first chunk of a recording only.
func applySetting(s *profile.Settings, name, value string) {
	switch name {
	case "engine":
		s.Engine = strings.ToValidUTF8(strings.Clone(value[:min(len(value), maxEngineName)]), "?")
		if s.Engine == "wall" && s.CPUInterval != 0 { // "interval" came first
			s.WallInterval, s.CPUInterval = s.CPUInterval, 0
		}
	case "interval": // of the main engine
		if s.Engine == "wall" {
			s.WallInterval = interval(value, defaultWallInterval)
		} else {
			s.CPUInterval = interval(value, defaultCPUInterval)
		}
	case "wall": // beside a CPU engine
		s.WallInterval = interval(value, defaultWallInterval)
	case "period": // of the JDK's own sampler
		if d, err := time.ParseDuration(strings.ReplaceAll(value, " ", "")); err == nil && d > 0 && d <= maxInterval && s.CPUInterval == 0 {
			s.CPUInterval = d
		}
	case "alloc":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 && n < maxEventValue {
			s.AllocInterval = n
		}
	case "lock":
		s.LockThreshold = interval(value, 0)
	}
}

// interval parses a number of nanoseconds; 0 and nonsense mean the default.
func interval(value string, byDefault time.Duration) time.Duration {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n <= 0 || time.Duration(n) > maxInterval {
		return byDefault
	}
	return time.Duration(n)
}

func cpuInterval(s *profile.Settings) int64 {
	if s.CPUInterval > 0 {
		return int64(s.CPUInterval)
	}
	return int64(defaultCPUInterval)
}

func wallInterval(s *profile.Settings) int64 {
	if s.WallInterval > 0 {
		return int64(s.WallInterval)
	}
	return int64(defaultWallInterval)
}
