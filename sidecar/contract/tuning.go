package contract

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Tuning is a flag of the sidecar, or a variable named like one, that an
// installation may set for all of its sidecars: the webhook passes its variable. A
// sidecar starts with whatever its bounds allow, beside whatever other flags and
// annotations say. Flags that are not here follow from the pod, from its memory limit
// or from where things are mounted.
type Tuning struct {
	Flag   string
	Values []string // all that it may be, or the least and the most
	check  func(text string) error
}

// DecodeChildren is the one of which the webhook gives a pod less than was asked for
// if its memory limit does not hold as much.
const DecodeChildren = "decode-children"

// Tunings are all there are.
func Tunings() []Tuning {
	return []Tuning{
		oneOf("log-level", "debug", "info", "warn", "error"),
		number("max-targets", 1, 256),
		duration("scan-interval", time.Second, 10*time.Minute),
		duration("start-delay", 0, time.Hour),
		duration("retry-interval", time.Second, time.Hour),
		duration("command-timeout", time.Second, 10*time.Minute),
		duration("renew", 2*MaxWindow, 24*time.Hour),
		number("profiler-memory", 10, 1024),
		number("max-recording", 32, 4096), // two chunks, at least
		number("min-free", 0, 4096),
		duration("exit-grace", 100*time.Millisecond, time.Minute),
		duration("unread-wait", 0, time.Hour),
		duration("upload-grace", 0, time.Minute),
		duration("crash-window", 0, time.Hour),
		duration("change-interval", 0, time.Hour),
		duration("adapt-interval", 0, 24*time.Hour),
		parsed("longest-cpu-interval", ParseCPUInterval, MinCPUInterval.String(), MaxCPUInterval.String()),
		parsed("longest-alloc-interval", ParseAllocInterval, strconv.Itoa(MinAllocInterval), strconv.Itoa(MaxAllocInterval)),
		parsed("longest-lock-threshold", ParseLockThreshold, MinLockThreshold.String(), MaxLockThreshold.String()),
		oneOf("retry-crashed", "true", "false"),
		duration("decode-timeout", time.Second, 10*time.Minute),
		number(DecodeChildren, 1, 16), // at most as many as a pod's memory limit holds
		oneOf("keep-unreadable", "true", "false"),
		number("max-events", 1000, 1_000_000_000),
		number("max-stacks", 100, 50_000), // from here on what the backend takes
		number("max-depth", 8, 2048),
		number("max-name", 64, 4096),
		number("max-functions", 1000, 400_000),
		number("max-threads", 1, 1024),
		number("spool-bytes", 1, 65_536),
		duration("spool-age", time.Minute, 7*24*time.Hour),
		duration("restart-wait", time.Second, 10*time.Minute), // of the first process, which has no flags
	}
}

// Variable is what the sidecar reads the flag from.
func (t Tuning) Variable() string {
	return "PODFLAME_" + strings.ToUpper(strings.ReplaceAll(t.Flag, "-", "_"))
}

func oneOf(flag string, values ...string) Tuning {
	return Tuning{flag, values, func(text string) error {
		if !slices.Contains(values, text) {
			return fmt.Errorf("%.64q is not one of %s", text, strings.Join(values, ", "))
		}
		return nil
	}}
}

func number(flag string, least, most int) Tuning {
	return Tuning{flag, []string{strconv.Itoa(least), strconv.Itoa(most)}, func(text string) error {
		if n, err := strconv.Atoi(text); err != nil || n < least || n > most {
			return fmt.Errorf("%.64q is not a number from %d to %d", text, least, most)
		}
		return nil
	}}
}

func duration(flag string, least, most time.Duration) Tuning {
	return parsed(flag, func(text string) (time.Duration, error) { return parseDuration(text, least, most) }, least.String(), most.String())
}

func parsed[T any](flag string, parse func(string) (T, error), least, most string) Tuning {
	return Tuning{flag, []string{least, most}, func(text string) error { _, err := parse(text); return err }}
}

// running are the annotations that the sidecar follows while its pod runs. An
// installation sets their defaults by the same names without the prefix.
func running() []string {
	return []string{Events, Window, CPUInterval, AllocInterval, LockThreshold, SampleRate, Threads}
}

// Tune reads what an installation sets for all of its sidecars, by the names of
// their flags: other settings, which a pod's annotations beat, and the rest, which
// is checked.
func (s Settings) Tune(values map[string]string) (tuned Settings, rest map[string]string, err error) {
	tuned, rest = s, map[string]string{}
	for _, flag := range slices.Sorted(maps.Keys(values)) {
		text := values[flag]
		if annotation := Prefix + flag; slices.Contains(running(), annotation) {
			if tuned, err = tuned.With(map[string]string{annotation: text}); err != nil {
				return s, nil, fmt.Errorf("%s: %w", flag, errors.Unwrap(err)) // which names the annotation
			}
			continue
		}
		if err := checkTuning(flag, text); err != nil {
			return s, nil, err
		}
		rest[flag] = text
	}
	return tuned, rest, nil
}

func checkTuning(flag, text string) error {
	known := Tunings()
	i := slices.IndexFunc(known, func(t Tuning) bool { return t.Flag == flag })
	if i < 0 {
		return fmt.Errorf("%.64q is not one of %s", flag, strings.Join(tunable(), ", "))
	}
	if err := known[i].check(text); err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}

// tunable are all names that Tune knows.
func tunable() (flags []string) {
	for _, annotation := range running() {
		flags = append(flags, strings.TrimPrefix(annotation, Prefix))
	}
	for _, t := range Tunings() {
		flags = append(flags, t.Flag)
	}
	return flags
}
