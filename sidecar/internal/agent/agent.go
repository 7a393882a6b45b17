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
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/account"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/ending"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
	"github.com/podflame/podflame/sidecar/internal/timeline"
	"github.com/prometheus/client_golang/prometheus"
)

// Spool keeps windows until they are uploaded.
type Spool interface {
	Put(ctx context.Context, w *profile.Window) error
}

// Agent profiles the JVMs that it finds.
type Agent struct {
	config   Config
	log      *slog.Logger
	clock    Clock
	procs    *target.Finder
	profiler *asprof.Client
	looker   *session.Looker
	reader   recording.Reader
	spool    Spool
	journal  *journal
	metrics  *metrics
	board    *board
	owner    owner
	pause    pause
	lock     *session.Lock // of the state directory
	absence  absence

	scanned atomic.Int64 // Clock.Elapsed when the last scan began
}

// New prepares the directories, installs the library and returns an agent that
// Run sets to work.
func New(c Config, procs *target.Finder, spool Spool, decoder recording.Decoder, log *slog.Logger, reg prometheus.Registerer) (*Agent, error) {
	if c.Clock == nil {
		c.Clock = SystemClock()
	}
	if err := prepare(c); err != nil {
		return nil, err
	}
	lock, err := session.NewDir(c.State, "").Lock()
	if err != nil {
		return nil, fmt.Errorf("use state directory %s: %w; give each sidecar one of its own with --state-dir", c.State, err)
	}
	a, err := newAgent(c, procs, spool, decoder, log, reg)
	if err != nil {
		lock.Release()
		return nil, err
	}
	a.lock = lock
	return a, nil
}

func newAgent(c Config, procs *target.Finder, spool Spool, decoder recording.Decoder, log *slog.Logger, reg prometheus.Registerer) (*Agent, error) {
	libraries := filepath.Join(c.Libraries, contract.LibraryDirectory)
	library, err := asprof.Install(c.Library, libraries)
	if err != nil {
		return nil, err
	}
	journal, err := openJournal(filepath.Join(c.State, "jvms.json"), c.Clock)
	if err != nil {
		return nil, err
	}
	metrics := newMetrics(reg)
	profiler := asprof.NewClient(procs, asprof.Options{Timeout: c.Limits.CommandTimeout, Memory: journal, SignalLaunchers: c.SignalLaunchers})
	return &Agent{
		config: c, log: log, clock: c.Clock, procs: procs, profiler: profiler, spool: spool,
		looker: &session.Looker{Procs: procs, Profiler: profiler, LibraryDir: libraries},
		reader: c.reader(decoder), journal: journal, metrics: metrics, board: newBoard(metrics),
		owner: owner{instance: session.NewID(), library: library},
	}, nil
}

// newWorker returns the worker for a JVM whose recordings lie in a volume.
func newWorker(a *Agent, p target.Process, volume string) *worker {
	dir := session.NewDir(volume, p.Key())
	j := process{Process: p, dir: dir, procs: a.procs, looker: a.looker, profiler: a.profiler, watch: ending.Start(a.procs, p)}
	w := &worker{
		config: &a.config, log: a.log.With("pid", p.PID, "container", p.Container, "main_class", p.MainClass), clock: a.clock,
		p: p, target: a.targetOf(p), jvm: j, dir: dir, reader: a.reader, spool: a.spool, journal: a.journal, board: a.board,
		metrics: a.metrics, account: account.New(j.CPUTime), owner: a.owner, pause: &a.pause,
		files: map[string]*os.File{}, watch: watchClock(a.clock), retry: p.Start.Add(a.config.Limits.StartDelay),
	}
	now := a.clock.Now()
	w.loads.Period = a.config.Limits.AdaptInterval
	w.loads.Begin(a.clock.Elapsed())
	w.settings = a.config.Settings
	w.settings = w.wish().settings
	w.beginTime(timeline.New(now, profile.JVMStarting))
	w.next = w.grid("").Next(now)
	w.recall()
	return w
}

// prepare makes the directories.
func prepare(c Config) error {
	if err := os.MkdirAll(c.State, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	if len(c.Volumes) == 0 {
		return errors.New("no directory is given for recordings")
	}
	for _, volume := range c.Volumes {
		if err := prepareVolume(volume); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(c.Libraries, 0o755); err != nil {
		return fmt.Errorf("make directory of the profiler library: %w", err)
	}
	return nil
}

// openToAll lets every user write, and none replace what is another's.
const openToAll = 0o777 | os.ModeSticky

// prepareVolume makes a directory that is open to all. One that is there has to
// belong to root or to us; a kubelet makes it without the sticky bit, which none
// but its owner can set.
func prepareVolume(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return fmt.Errorf("make shared directory: %w", err)
		}
		if err := os.Chmod(path, openToAll); err != nil {
			return fmt.Errorf("open shared directory to all users: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at shared directory: %w", err)
	}
	if info.Mode().Perm() == 0o777 {
		_ = os.Chmod(path, openToAll)
	}
	return checkOwner(path, info)
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
	defer a.lock.Release()
	defer workers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alone := loneliness{agent: a}
	running := map[string]bool{}
	finished := make(chan string)
	left := recovery{agent: a}

	ticker := time.NewTicker(a.config.Limits.ScanInterval)
	defer ticker.Stop()
	for {
		a.scanned.Store(int64(a.clock.Elapsed()))
		found, err := a.procs.Find(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Error("JVMs cannot be looked for", "error", err)
		}
		if err == nil {
			a.absence.look(len(found) > 0, a.clock.Now())
		}
		for _, p := range a.choose(found, running) {
			running[p.Key()] = true
			workers.Go(func() {
				newWorker(a, p, a.volumeOf(p)).run(ctx)
				select {
				case finished <- p.Key():
				case <-ctx.Done():
				}
			})
		}
		left.pass(ctx, &workers, running)
		if alone.check(len(found) > 0, func() bool { return left.unread(running) }) {
			a.log.Info("every other process has ended, so the sidecar ends", "unread", left.unread(running))
			cancel()
		}
		if alone.waits() {
			left.hurry()
		}
		select {
		case <-ctx.Done():
			a.lookLast(context.WithoutCancel(ctx), running)
			return nil
		case key := <-finished:
			delete(running, key)
		case <-ticker.C:
		}
	}
}

// lookLast finds which JVMs without a worker have ended before the sidecar is told
// to, as those of a deleted pod have: the last report says so.
func (a *Agent) lookLast(ctx context.Context, running map[string]bool) {
	if found, err := a.procs.Find(ctx); err == nil {
		a.endOthers(found, running)
	}
	a.absence.end(a.clock.Now())
}

// endOthers notes the end of JVMs without a worker. A probe or a short tool leaves no
// trace, as worker.forget says.
func (a *Agent) endOthers(found []target.Process, running map[string]bool) {
	now := a.clock.Now()
	a.board.endOthers(found, running, now, func(s TargetStatus) bool {
		return a.untold(s) || now.Sub(s.Since) < a.config.Limits.StartDelay
	})
}

// Alive says whether the agent still looks for JVMs.
func (a *Agent) Alive() bool {
	return a.clock.Elapsed()-time.Duration(a.scanned.Load()) < 10*a.config.Limits.ScanInterval
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
	a.endOthers(found, running)
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

// volumeOf is where a JVM and its recordings are.
func (a *Agent) volumeOf(p target.Process) (volume string) {
	_ = a.procs.As(p.Identity, func() error {
		volume = a.config.Volumes.Of(p.Container, a.procs.Path(p.PID, "root"))
		return nil
	})
	if volume == "" { // nothing can be done as that user; preparing the directory will say so
		volume = a.config.Volumes[0]
	}
	return volume
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

// showGone is how long an ended JVM stays in the status, so that a report can
// say that it has ended.
const showGone = 2 * time.Minute

// note records why a JVM without a worker is not profiled.
func (a *Agent) note(p target.Process, r profile.Reason, detail string) {
	t := a.targetOf(p)
	a.board.update(p.Key(), func(s *TargetStatus) {
		s.Target = t
		s.set(a.clock.Now(), "", r, detail)
	})
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
func (a *Agent) Status() []TargetStatus { return a.board.list() }

// Pause stops profiling for the reason that a person gave, or, with nil, lets it
// go on.
func (a *Agent) Pause(why *string) { a.pause.set(why) }
