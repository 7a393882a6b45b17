// Package agent is the sidecar at work. It finds JVMs, keeps one profiler
// session in each, and turns what the sessions record into windows.
//
// The order of work for one JVM, which worker.go follows:
//
//	find → look who profiles → begin, adopt or wait →
//	at each boundary of the clock: dump → read the finished chunks →
//	decode → window → spool → only then mark the bytes as consumed
//
// A window is put into the spool before its bytes are given up, and its id
// depends on nothing but the JVM, the session and the clock. So a sidecar that
// is killed at any point leaves a session that records on, and its successor
// makes the windows that were not made, and perhaps one again with the same id.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
	"github.com/prometheus/client_golang/prometheus"
)

// Spool keeps windows until they are uploaded.
type Spool interface {
	Put(ctx context.Context, w *profile.Window) error
}

// Decoder reads chunks of a recording.
type Decoder interface {
	Decode(ctx context.Context, f *os.File, chunks []jfr.Chunk, o jfr.Options) (jfr.Result, error)
}

// Config is what the user decides.
type Config struct {
	Target     profile.Target // what is the same for all JVMs: cluster to node
	Settings   contract.Settings
	Shared     string // directory shared with the JVMs, under the same path
	State      string // directory of this sidecar alone
	Library    string // profiler library to install
	PIDs       []int  // profile these only; empty: all
	Containers []string
	Limits     Limits
	Decode     jfr.Options // limits of reading; types and settings are set here
	// RetryCrashed attaches also to JVMs of a kind that has died shortly after
	// a profiler command.
	RetryCrashed   bool
	KeepUnreadable bool // keep recordings that cannot be read, a few, in the state directory
	// ExitWhenAlone ends Run when a JVM has been there and every other process
	// of the pod has ended: a sidecar must not keep a pod alive.
	ExitWhenAlone bool
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
	CrashWindow    time.Duration // a JVM that dies this soon after a command is taken as killed by it
}

// DefaultLimits are those of a pod.
func DefaultLimits() Limits {
	return Limits{
		MaxTargets: 16, ScanInterval: 5 * time.Second, StartDelay: 10 * time.Second,
		RetryInterval: 30 * time.Second, CommandTimeout: asprof.DefaultTimeout, Renew: 30 * time.Minute,
		ProfilerMemory: 64 << 20, ChunkSize: 16 << 20, MaxRecording: 64 << 20, MinFree: 16 << 20,
		ExitGrace: 20 * time.Second, CrashWindow: 5 * time.Second,
	}
}

// Agent profiles the JVMs that it finds.
type Agent struct {
	config   Config
	log      *slog.Logger
	procs    *target.Finder
	profiler *asprof.Client
	looker   *session.Looker
	decoder  Decoder
	spool    Spool
	journal  *journal
	metrics  *metrics
	library  string // as installed
	instance string // of this sidecar

	scanned atomic.Int64 // when the last scan began, Unix ns

	mu       sync.Mutex
	statuses map[string]TargetStatus // by target.Process.Key
}

// New prepares the directories, installs the library and returns an agent that
// Run sets to work.
func New(c Config, procs *target.Finder, spool Spool, decoder Decoder, log *slog.Logger, reg prometheus.Registerer) (*Agent, error) {
	if err := prepare(c); err != nil {
		return nil, err
	}
	libraries := filepath.Join(c.Shared, contract.LibraryDirectory)
	library, err := asprof.Install(c.Library, libraries)
	if err != nil {
		return nil, err
	}
	journal, err := openJournal(filepath.Join(c.State, "jvms.json"))
	if err != nil {
		return nil, err
	}
	profiler := asprof.NewClient(procs, c.Limits.CommandTimeout)
	return &Agent{
		config: c, log: log, procs: procs, profiler: profiler, decoder: decoder, spool: spool,
		looker:  &session.Looker{Procs: procs, Profiler: profiler, LibraryDir: libraries},
		journal: journal, metrics: newMetrics(reg), library: library, instance: session.NewID(),
		statuses: map[string]TargetStatus{},
	}, nil
}

// prepare makes the directories. The shared one is writable by every user of
// the pod, and sticky, so that none can replace what is another's.
func prepare(c Config) error {
	if err := os.MkdirAll(c.State, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	info, err := os.Stat(c.Shared)
	if err == nil {
		return checkOwner(c.Shared, info)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look at shared directory: %w", err)
	}
	if err := os.MkdirAll(c.Shared, 0o755); err != nil {
		return fmt.Errorf("make shared directory: %w", err)
	}
	if err := os.Chmod(c.Shared, 0o777|os.ModeSticky); err != nil {
		return fmt.Errorf("open shared directory to all users: %w", err)
	}
	return nil
}

// checkOwner refuses a shared directory of another user, who could replace the
// library that JVMs load from it.
func checkOwner(path string, info os.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return fmt.Errorf("shared directory %s is no directory", path)
	}
	if uid := int(st.Uid); uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("shared directory %s belongs to uid %d; it has to belong to root or to uid %d", path, uid, os.Geteuid())
	}
	return nil
}

// Run profiles until ctx ends, then stops every session of its own and puts the
// last windows into the spool.
func (a *Agent) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alone := loneliness{agent: a}
	running := map[string]bool{}
	finished := make(chan string)
	workers.Go(func() { a.recoverLeftovers(ctx) })

	ticker := time.NewTicker(a.config.Limits.ScanInterval)
	defer ticker.Stop()
	for {
		a.scanned.Store(time.Now().UnixNano())
		found, err := a.procs.Find(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Error("JVMs cannot be looked for", "error", err)
		}
		for _, p := range a.choose(found, running) {
			running[p.Key()] = true
			workers.Go(func() {
				newWorker(a, p).run(ctx)
				select {
				case finished <- p.Key():
				case <-ctx.Done():
				}
			})
		}
		if alone.check(len(found) > 0) {
			a.log.Info("every other process has ended, so the sidecar ends")
			cancel()
		}
		select {
		case <-ctx.Done():
			return nil
		case key := <-finished:
			delete(running, key)
		case <-ticker.C:
		}
	}
}

// Alive says whether the agent still looks for JVMs.
func (a *Agent) Alive() bool {
	last := time.Unix(0, a.scanned.Load())
	return time.Since(last) < 10*a.config.Limits.ScanInterval
}

// choose returns the JVMs that are to be profiled and are not yet, and notes
// why others are not.
func (a *Agent) choose(found []target.Process, running map[string]bool) []target.Process {
	var chosen []target.Process
	for _, p := range found {
		if running[p.Key()] {
			continue
		}
		reason, detail := a.excluded(p)
		if reason == "" && len(running)+len(chosen) >= a.config.Limits.MaxTargets {
			reason, detail = profile.TooManyTargets, fmt.Sprintf("the limit is %d", a.config.Limits.MaxTargets)
		}
		if reason != "" {
			a.note(p, reason, detail)
			continue
		}
		chosen = append(chosen, p)
	}
	a.forgetOthers(found, running)
	return chosen
}

// excluded says why a process is none of ours.
func (a *Agent) excluded(p target.Process) (profile.Reason, string) {
	c := a.config
	if len(c.PIDs) > 0 && !slices.Contains(c.PIDs, p.PID) {
		return profile.NotSelected, "its pid is not among those given"
	}
	if len(c.Containers) > 0 && !slices.Contains(c.Containers, p.Container) {
		return profile.NotSelected, fmt.Sprintf("container %q is not among those given", p.Container)
	}
	return p.Reason, p.Detail
}

// targetOf describes a JVM for its windows.
func (a *Agent) targetOf(p target.Process) profile.Target {
	t := a.config.Target
	t.PID, t.JVMStart = p.PID, a.journal.start(p)
	t.JVMVersion, t.MainClass = p.Version, p.MainClass
	if p.Container != "" {
		t.Container = p.Container
	}
	if t.Service == "" {
		t.Service = serviceName(p.MainClass)
	}
	return t
}

// serviceName is the name of a service that nobody has named: the simple name
// of its main class, or its jar.
func serviceName(mainClass string) string {
	name := mainClass
	switch filepath.Ext(name) {
	case ".jar":
		name = name[:len(name)-len(".jar")]
	case "":
	default:
		name = filepath.Ext(name)[1:]
	}
	if name == "" {
		return "java"
	}
	return name
}

// Status returns what the agent knows of each JVM, ordered by pid.
func (a *Agent) Status() []TargetStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.Collect(maps.Values(a.statuses))
	slices.SortFunc(list, func(x, y TargetStatus) int { return x.Target.PID - y.Target.PID })
	return list
}

// Check returns an error for limits that contradict each other or the settings.
func (l Limits) Check(s contract.Settings) error {
	switch {
	case l.MaxTargets < 1 || l.MaxTargets > 256:
		return fmt.Errorf("maximum of %d targets is not between 1 and 256", l.MaxTargets)
	case l.ScanInterval <= 0 || l.RetryInterval <= 0 || l.CommandTimeout <= 0 || l.ExitGrace <= 0 || l.StartDelay < 0:
		return errors.New("intervals and timeouts have to be positive")
	case l.Renew < 2*s.Window:
		return fmt.Errorf("renewal after %s is not at least two windows of %s", l.Renew, s.Window)
	case l.ProfilerMemory < asprof.MinMemory:
		return fmt.Errorf("profiler memory of %d bytes is less than %d, with which it keeps no stack at all", l.ProfilerMemory, asprof.MinMemory)
	}
	return nil
}
