package agent

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// Config is what the user decides.
type Config struct {
	Target   profile.Target // what is the same for all JVMs: cluster to node
	Settings contract.Settings
	Refused  string // what was asked for beside Settings, and cannot be followed
	// Annotations is a file with the pod's annotations, which may change the
	// settings while it runs; empty for none.
	Annotations string
	Volumes     session.Volumes // shared with the JVMs, for recordings
	Libraries   string          // shared with the JVMs, which need not write there, for the profiler library
	State       string          // directory of this sidecar alone
	Library     string          // profiler library to install
	PIDs        []int           // profile these only; empty: all
	Containers  []string
	Limits      Limits
	Decode      jfr.Options // limits of reading; types, threads and settings are set here
	// RetryCrashed attaches also to JVMs of a kind that has died shortly after
	// a profiler command.
	RetryCrashed bool
	// SignalLaunchers allows SIGQUIT to JVMs that the java command has not
	// started; see asprof.RefuseSignal.
	SignalLaunchers bool
	KeepUnreadable  bool // keep recordings that cannot be read, a few, in the state directory
	// KeepRecordings is a directory for whole copies of all recordings, without a
	// limit: for tests that recount. Empty: nothing is copied.
	KeepRecordings string
	// ExitWhenAlone ends Run when a JVM has been there and every other process
	// of the pod has ended: a sidecar must not keep a pod alive.
	ExitWhenAlone bool
	Clock         Clock // the host's, if nil
}

// Limits bound the agent.
type Limits struct {
	MaxTargets     int           // JVMs that are profiled at a time
	ScanInterval   time.Duration // between looks for new JVMs
	StartDelay     time.Duration // age of a JVM before it is attached to
	RetryInterval  time.Duration // until a JVM that could not be profiled is looked at again
	CommandTimeout time.Duration // of one profiler command
	Renew          time.Duration // age at which a session gets a new file; its dead-man timeout is twice that
	ProfilerMemory int64         // bytes for the profiler's stacks
	ChunkSize      int64         // bytes after which the profiler finishes a chunk by itself
	MaxRecording   int64         // bytes of disk of one recording, above which it is renewed
	MinFree        int64         // bytes of the shared volume below which nothing is recorded
	ExitGrace      time.Duration // for stopping all sessions and making their last windows
	UnreadWait     time.Duration // of a sidecar that is alone, for recordings that were not read yet
	CrashWindow    time.Duration // a JVM that crashes this soon after a command that it had not borne before may have done so because of it
	ChangeInterval time.Duration // between two changes of one JVM's settings by annotation
	AdaptInterval  time.Duration // between two changes of one JVM's intervals by the sampling budget
	Longest        Longest       // intervals that the sampling budget leads to
}

// Longest are the longest intervals that the sampling budget leads to.
type Longest struct {
	CPU   time.Duration
	Alloc int64 // 0: LongestAlloc or, where the JVM's sampler is exact, LongestExactAlloc
	Lock  time.Duration
}

// Beyond its longest interval an amount would not be right any more: a thread that
// uses less CPU time than an interval in all its life has no sample, and before Java
// 25 allocations come out at up to 1.3 times the truth at 16 MiB and 1.6 times at 64
// MiB (measured on 17 with objects of 64 KiB; JDK-8356372). On 25 they are right at
// any interval.
const (
	LongestCPU        = 100 * time.Millisecond
	LongestAlloc      = 4 << 20
	LongestExactAlloc = 64 << 20
	LongestLock       = 10 * time.Second
	exactAllocSince   = 25 // version of Java
)

// alloc is the longest interval of allocations on a version of Java.
func (l Longest) alloc(java int) int64 {
	switch {
	case l.Alloc > 0:
		return l.Alloc
	case java >= exactAllocSince:
		return LongestExactAlloc
	}
	return LongestAlloc
}

// DefaultLimits are those of a pod.
func DefaultLimits() Limits {
	return Limits{
		MaxTargets: 16, ScanInterval: 5 * time.Second, StartDelay: 10 * time.Second,
		RetryInterval: 30 * time.Second, CommandTimeout: asprof.DefaultTimeout, Renew: 30 * time.Minute,
		ProfilerMemory: 64 << 20, ChunkSize: 16 << 20, MaxRecording: 64 << 20, MinFree: 16 << 20,
		ExitGrace: 20 * time.Second, UnreadWait: time.Minute, CrashWindow: 5 * time.Second, ChangeInterval: time.Minute,
		AdaptInterval: 10 * time.Minute, Longest: Longest{CPU: LongestCPU, Lock: LongestLock},
	}
}

// reader reads recordings; whose types are those of each recording.
func (c Config) reader(decoder recording.Decoder) recording.Reader {
	r := recording.Reader{Decoder: decoder, Options: c.Decode}
	r.Options.Settings.Tick, r.Options.OneSession = target.KernelTick(), true
	if c.KeepUnreadable {
		r.Keep = filepath.Join(c.State, "unreadable")
	}
	return r
}

// typesOf are the types of profile of events.
func typesOf(events []string) []profile.Type {
	var types []profile.Type
	for _, event := range events {
		if t, err := profile.ParseType(event); err == nil {
			types = append(types, t)
		}
	}
	return types
}

// Check returns an error for limits that contradict each other or the settings.
func (l Limits) Check(s contract.Settings) error {
	switch {
	case l.MaxTargets < 1 || l.MaxTargets > 256:
		return fmt.Errorf("maximum of %d targets is not between 1 and 256", l.MaxTargets)
	case l.ScanInterval <= 0 || l.RetryInterval <= 0 || l.CommandTimeout <= 0 || l.ExitGrace <= 0 || l.StartDelay < 0 || l.UnreadWait < 0 || l.ChangeInterval < 0 || l.AdaptInterval < 0:
		return errors.New("intervals and timeouts have to be positive")
	case l.Renew < 2*s.Window:
		return fmt.Errorf("renewal after %s is not at least two windows of %s", l.Renew, s.Window)
	case l.ProfilerMemory < asprof.MinMemory:
		return fmt.Errorf("profiler memory of %d bytes is less than %d, with which it keeps no stack at all", l.ProfilerMemory, asprof.MinMemory)
	}
	return nil
}
