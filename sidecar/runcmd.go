package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/agent"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/push"
	"github.com/podflame/podflame/sidecar/internal/spool"
)

// RunCmd profiles JVMs. In a pod every setting comes from the environment that
// the webhook gives.
type RunCmd struct {
	Local bool  `help:"Profile JVMs of this host instead of those of a pod: those of --pid, or --all."`
	All   bool  `help:"With --local: profile every JVM of this host."`
	PIDs  []int `name:"pid" help:"Profile this process only. Repeatable."`

	Backend   string `env:"PODFLAME_BACKEND" help:"URL of the backend. Without one, windows wait in the spool."`
	BackendCA string `env:"PODFLAME_BACKEND_CA" type:"path" help:"Certificates to trust for the backend."`
	TokenFile string `env:"PODFLAME_TOKEN_FILE" type:"path" help:"File with the token for the backend."`
	VolumeFlags
	StateDir string `env:"PODFLAME_STATE_DIR" type:"path" help:"Directory of this sidecar alone. Default: ${state}, or podflame in the user's cache directory with --local."`
	Library  string `env:"PODFLAME_LIBRARY" type:"path" help:"libasyncProfiler.so. Default: beside this program, or where tests/setup/setup.sh installs it."`
	Listen   string `env:"PODFLAME_METRICS" help:"Address of /metrics and /livez: host:port, or unix:PATH. Default: metrics.sock in the state directory, or none with --local."`
	LogLevel string `env:"PODFLAME_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error."`

	NativeSidecar bool `env:"PODFLAME_NATIVE_SIDECAR" help:"Kubernetes ends this sidecar when the containers of its pod have ended."`

	Cluster    string   `env:"PODFLAME_CLUSTER" help:"Name of the cluster."`
	Namespace  string   `env:"PODFLAME_NAMESPACE" help:"Namespace of the pod."`
	Pod        string   `env:"PODFLAME_POD" help:"Name of the pod."`
	PodUID     string   `env:"PODFLAME_POD_UID" help:"Uid of the pod."`
	Node       string   `env:"PODFLAME_NODE" help:"Name of the pod's node."`
	Service    string   `env:"PODFLAME_SERVICE" help:"Name of the service. Default: the main class."`
	Version    string   `name:"service-version" env:"PODFLAME_VERSION" help:"Version of the service."`
	Containers []string `env:"PODFLAME_CONTAINERS" help:"Profile the JVMs of these containers only."`

	Events        string `env:"PODFLAME_EVENTS" default:"cpu,alloc,lock" help:"Events out of cpu, alloc, lock, wall, live, nativemem, nativelock."`
	AllEvents     string `env:"PODFLAME_ALL_EVENTS" hidden:"" help:"Instead of --events, those that this version knows."`
	Window        string `env:"PODFLAME_WINDOW" default:"1m" help:"Length of a window."`
	CPUInterval   string `env:"PODFLAME_CPU_INTERVAL" default:"10ms" help:"CPU time between two samples."`
	AllocInterval string `env:"PODFLAME_ALLOC_INTERVAL" default:"512k" help:"Bytes between two allocation samples."`
	LockThreshold string `env:"PODFLAME_LOCK_THRESHOLD" default:"10ms" help:"Accumulated wait that makes one lock sample."`
	SampleRate    string `env:"PODFLAME_SAMPLE_RATE" default:"200" help:"Samples a second that a JVM should have at most of each of cpu, alloc and lock: where it has more the interval is lengthened. 0: intervals stay."`
	Fixed         string `name:"fixed-intervals" env:"PODFLAME_FIXED_INTERVALS" help:"Events out of cpu, alloc, lock whose interval stays whatever --sample-rate says, beside those whose interval is not the default."`

	Threads bool `env:"PODFLAME_THREADS" default:"true" negatable:"" help:"Keep the name of each sample's thread group, such as http-nio-8080-exec-#. Names of threads may hold data of users."`

	Annotations string `env:"PODFLAME_ANNOTATIONS_FILE" type:"path" help:"File with the pod's annotations, which change events, window, intervals, threshold, sample rate and threads while the pod runs, and ask for captures."`

	SignalLaunchers bool `env:"PODFLAME_SIGNAL_LAUNCHERS" help:"Send the SIGQUIT that starts the attach listener also to JVMs that another program than java has started. It may take the signal for something else."`

	LimitFlags `embed:""`
}

// LimitFlags are the limits that can be set.
type LimitFlags struct {
	MaxTargets     int           `env:"PODFLAME_MAX_TARGETS" default:"16" help:"JVMs that are profiled at a time."`
	ScanInterval   time.Duration `env:"PODFLAME_SCAN_INTERVAL" default:"5s" help:"Time between looks for new JVMs."`
	StartDelay     time.Duration `env:"PODFLAME_START_DELAY" default:"10s" help:"Age of a JVM before it is attached to."`
	RetryInterval  time.Duration `env:"PODFLAME_RETRY_INTERVAL" default:"30s" help:"Time until a JVM that could not be profiled is looked at again."`
	CommandTimeout time.Duration `env:"PODFLAME_COMMAND_TIMEOUT" default:"30s" help:"Time that one profiler command may take."`
	Renew          time.Duration `env:"PODFLAME_RENEW" default:"30m" help:"Age at which a session gets a new file. A session without a sidecar ends by itself after twice that."`
	ProfilerMemory int64         `env:"PODFLAME_PROFILER_MEMORY" default:"64" help:"MiB for the profiler's stacks inside the JVM, at least 10."`
	MaxRecording   int64         `env:"PODFLAME_MAX_RECORDING" default:"64" help:"MiB of disk that one recording may hold before it is renewed at the end of a window; at twice that its session ends at once."`
	MinFree        int64         `env:"PODFLAME_MIN_FREE" default:"16" help:"MiB of the shared volume below which nothing is recorded."`
	ExitGrace      time.Duration `env:"PODFLAME_EXIT_GRACE" default:"3s" help:"Time for the last windows when the sidecar ends: together with that for their upload, what it adds to the end of a pod."`
	UnreadWait     time.Duration `env:"PODFLAME_UNREAD_WAIT" default:"1m" help:"Time for which a sidecar that would end, as every other process of its pod has, stays for recordings that were not read yet."`
	UploadGrace    time.Duration `env:"PODFLAME_UPLOAD_GRACE" default:"2s" help:"Time for their upload."`
	CrashWindow    time.Duration `env:"PODFLAME_CRASH_WINDOW" default:"5s" help:"A JVM that crashes this soon after an attach, or after a change of its events, is not attached to again."`
	ChangeInterval time.Duration `env:"PODFLAME_CHANGE_INTERVAL" default:"1m" help:"Time between two changes of a JVM's settings by annotation."`
	AdaptInterval  time.Duration `env:"PODFLAME_ADAPT_INTERVAL" default:"10m" help:"Time between two changes of a JVM's intervals by --sample-rate. The first one does not wait."`
	LongestCPU     string        `name:"longest-cpu-interval" env:"PODFLAME_LONGEST_CPU_INTERVAL" default:"100ms" help:"Longest CPU interval that --sample-rate leads to."`
	LongestAlloc   string        `name:"longest-alloc-interval" env:"PODFLAME_LONGEST_ALLOC_INTERVAL" help:"Longest interval of allocations that --sample-rate leads to. Default: 4m, and 64m on Java 25 and later, before which longer ones make totals wrong."`
	LongestLock    string        `name:"longest-lock-threshold" env:"PODFLAME_LONGEST_LOCK_THRESHOLD" default:"10s" help:"Longest lock threshold that --sample-rate leads to."`
	RetryCrashed   bool          `env:"PODFLAME_RETRY_CRASHED" help:"Attach also to JVMs that died shortly after an attach."`

	DecodeMemory   int64         `env:"PODFLAME_DECODE_MEMORY" default:"256" help:"MiB that reading a recording may use, at least 96. In a pod it follows from the memory limit (annotation profiling.io/memory-limit): raise that."`
	DecodeTimeout  time.Duration `env:"PODFLAME_DECODE_TIMEOUT" default:"20s" help:"Time that reading a window may take."`
	DecodeChildren int           `env:"PODFLAME_DECODE_CHILDREN" default:"1" help:"Recordings that are read at a time; each takes --decode-memory. In a pod they share what its memory limit leaves, 96 MiB for each at least, so that a small limit allows fewer."`
	KeepUnreadable bool          `env:"PODFLAME_KEEP_UNREADABLE" help:"Keep recordings that cannot be read, at most 8, in the state directory."`
	KeepRecordings string        `env:"PODFLAME_KEEP_RECORDINGS" hidden:"" type:"existingdir" help:"Copy all recordings into this directory, without a limit."`
	MaxEvents      int64         `env:"PODFLAME_MAX_EVENTS" default:"5000000" help:"Samples of a window that are read."`
	MaxStacks      int           `env:"PODFLAME_MAX_STACKS" default:"20000" help:"Distinct stacks per type that a window keeps."`
	MaxDepth       int           `env:"PODFLAME_MAX_DEPTH" default:"512" help:"Frames of a stack that are kept."`
	MaxName        int           `env:"PODFLAME_MAX_NAME" default:"1024" help:"Bytes of a function's name that are kept."`
	MaxFunctions   int           `env:"PODFLAME_MAX_FUNCTIONS" default:"200000" help:"Distinct functions per type that a window keeps."`
	MaxThreads     int           `env:"PODFLAME_MAX_THREADS" default:"64" help:"Thread groups per type that a window tells apart."`
	SpoolBytes     int64         `env:"PODFLAME_SPOOL_BYTES" default:"128" help:"MiB of windows that wait for upload."`
	SpoolAge       time.Duration `env:"PODFLAME_SPOOL_AGE" default:"6h" help:"Age at which a waiting window is given up."`
}

// settings are those that are asked for. What this version does not know of all
// events is no error: the webhook may be a newer one.
func (c *RunCmd) settings() (s contract.Settings, unknown, err error) {
	s.Threads = c.Threads
	read := func(flag string, parse func() error) {
		if err == nil {
			if e := parse(); e != nil {
				err = fmt.Errorf("%s: %w", flag, e)
			}
		}
	}
	read("--events", func() (e error) { s.Events, e = contract.ParseEvents(c.Events); return e })
	read("--window", func() (e error) { s.Window, e = contract.ParseWindow(c.Window); return e })
	read("--cpu-interval", func() (e error) { s.CPUInterval, e = contract.ParseCPUInterval(c.CPUInterval); return e })
	read("--alloc-interval", func() (e error) { s.AllocInterval, e = contract.ParseAllocInterval(c.AllocInterval); return e })
	read("--lock-threshold", func() (e error) { s.LockThreshold, e = contract.ParseLockThreshold(c.LockThreshold); return e })
	read("--sample-rate", func() (e error) { s.SampleRate, e = contract.ParseSampleRate(c.SampleRate); return e })
	read("--fixed-intervals", func() (e error) { s.Fixed, e = contract.ParseFixed(c.Fixed); return e })
	s.Fix(s.Asked()...)
	if c.AllEvents != "" {
		var events []string
		if events, unknown = contract.ParseKnownEvents(c.AllEvents); len(events) > 0 {
			s.Events = events
		}
	}
	return s, unknown, err
}

// longest are the bounds of the sampling budget.
func (c *RunCmd) longest() (l agent.Longest, err error) {
	if l.CPU, err = contract.ParseCPUInterval(c.LongestCPU); err != nil {
		return l, fmt.Errorf("--longest-cpu-interval: %w", err)
	}
	if l.Lock, err = contract.ParseLockThreshold(c.LongestLock); err != nil {
		return l, fmt.Errorf("--longest-lock-threshold: %w", err)
	}
	if c.LongestAlloc != "" {
		if l.Alloc, err = contract.ParseAllocInterval(c.LongestAlloc); err != nil {
			return l, fmt.Errorf("--longest-alloc-interval: %w", err)
		}
	}
	return l, nil
}

// check refuses limits of a window below 1: profile.Limits, which are those of
// merges too, take 0 for none.
func (f *LimitFlags) check() error {
	for flag, n := range map[string]int64{
		"max-events": f.MaxEvents, "max-stacks": int64(f.MaxStacks), "max-depth": int64(f.MaxDepth), "max-name": int64(f.MaxName),
		"max-functions": int64(f.MaxFunctions), "max-threads": int64(f.MaxThreads),
	} {
		if n < 1 {
			return fmt.Errorf("--%s=%d is below 1", flag, n)
		}
	}
	return nil
}

func (c *RunCmd) agentConfig() (agent.Config, error) {
	if err := c.check(); err != nil {
		return agent.Config{}, err
	}
	settings, unknown, err := c.settings()
	if err != nil {
		return agent.Config{}, err
	}
	longest, err := c.longest()
	if err != nil {
		return agent.Config{}, err
	}
	options := jfr.DefaultOptions()
	options.MaxEvents = c.MaxEvents
	options.Limits = profile.Limits{MaxStacks: c.MaxStacks, MaxDepth: c.MaxDepth, MaxNameBytes: c.MaxName, MaxFunctions: c.MaxFunctions, MaxThreads: c.MaxThreads}
	limits := agent.DefaultLimits()
	limits.MaxTargets, limits.ScanInterval, limits.StartDelay = c.MaxTargets, c.ScanInterval, c.StartDelay
	limits.RetryInterval, limits.CommandTimeout, limits.Renew = c.RetryInterval, c.CommandTimeout, c.Renew
	limits.ProfilerMemory, limits.MaxRecording, limits.MinFree = c.ProfilerMemory<<20, c.MaxRecording<<20, c.MinFree<<20
	limits.ExitGrace, limits.UnreadWait, limits.CrashWindow = c.ExitGrace, c.UnreadWait, c.CrashWindow
	limits.ChangeInterval, limits.AdaptInterval, limits.Longest = c.ChangeInterval, c.AdaptInterval, longest
	refused := ""
	if unknown != nil {
		refused = fmt.Sprintf("%v; sidecar %s does not follow it", unknown, version)
	}
	return agent.Config{
		Refused: refused,
		Target: profile.Target{
			Cluster: c.Cluster, Namespace: c.Namespace, Service: c.Service, Version: c.Version,
			Pod: c.Pod, PodUID: c.PodUID, Node: c.Node,
		},
		Settings: settings, Annotations: c.Annotations, Volumes: c.volumes, Libraries: c.LibraryDir, State: c.StateDir, Library: c.Library,
		PIDs: c.PIDs, Containers: c.Containers, Limits: limits, Decode: options, RetryCrashed: c.RetryCrashed, KeepUnreadable: c.KeepUnreadable, KeepRecordings: c.KeepRecordings, SignalLaunchers: c.SignalLaunchers, ExitWhenAlone: !c.Local && !c.NativeSidecar, Clock: clock(),
	}, limits.Check(settings)
}

// resolve fills in the defaults that depend on where the sidecar runs.
func (c *RunCmd) resolve() error {
	if err := c.VolumeFlags.resolve(c.Local); err != nil {
		return err
	}
	if !c.Local {
		setDefault(&c.StateDir, contract.StatePath)
		setDefault(&c.Listen, unixPrefix+filepath.Join(c.StateDir, filepath.Base(contract.MetricsSocket)))
	} else {
		cache, err := os.UserCacheDir()
		if err != nil && c.StateDir == "" {
			return fmt.Errorf("find a state directory: %w; set --state-dir", err)
		}
		host, _ := os.Hostname()
		setDefault(&c.StateDir, filepath.Join(cache, "podflame", "sidecar"))
		setDefault(&c.Node, host)
		setDefault(&c.Pod, host)
	}
	if c.Library == "" {
		return c.findLibrary()
	}
	return nil
}

func setDefault(value *string, fallback string) {
	if *value == "" {
		*value = fallback
	}
}

const libraryName = "libasyncProfiler.so"

func (c *RunCmd) findLibrary() error {
	var candidates []string
	if program, err := os.Executable(); err == nil {
		candidates = append(candidates, filepath.Join(filepath.Dir(program), libraryName))
	}
	cache := os.Getenv("PODFLAME_CACHE")
	if home, err := os.UserHomeDir(); err == nil && cache == "" {
		cache = filepath.Join(home, ".cache", "podflame")
	}
	arch := map[string]string{"amd64": "linux-x64", "arm64": "linux-arm64"}[runtime.GOARCH]
	candidates = append(candidates, filepath.Join(cache, "async-profiler-4.5", arch, libraryName))
	for _, path := range candidates {
		if _, err := os.Stat(path); err == nil { //nolint:gosec // the operator chooses where the library is
			c.Library = path
			return nil
		}
	}
	return fmt.Errorf("%s is at none of %q; run tests/setup/setup.sh profiler, or set --library", libraryName, candidates)
}

func (c *RunCmd) spoolLimits() spool.Limits {
	limits := spool.DefaultLimits()
	limits.Bytes, limits.Age = c.SpoolBytes<<20, c.SpoolAge
	return limits
}

func (c *RunCmd) pushConfig() push.Config {
	config := push.DefaultConfig()
	config.URL, config.CAFile, config.TokenFile = c.Backend, c.BackendCA, c.TokenFile
	return config
}

func (c *RunCmd) decoder() *jfr.Decoder {
	d := jfr.NewDecoder()
	d.MemoryBytes, d.Timeout = c.DecodeMemory<<20, c.DecodeTimeout
	d.Limit(max(1, c.DecodeChildren))
	return d
}

func (c *RunCmd) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong has checked it
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
