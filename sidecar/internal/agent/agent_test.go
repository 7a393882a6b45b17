package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

func TestWindowsOfARunningJVM(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu", "alloc", "lock", "monitor"}, Env: []string{"PODFLAME_CONTAINER=shop"}})
	b.start()
	b.awaitWindows(3)
	if got := b.status().Profiler; got != "4.5" {
		t.Errorf("the profiler's version is %q", got)
	}
	b.stop()
	windows := b.spool.profiled()
	b.checkContiguous(windows)
	var counted, charged time.Duration // in sum: where a border lies within a slow dump is not known exactly
	for _, w := range windows {
		if w.Target.PID != b.jvm.PID || w.Target.MainClass != "Workload" || w.Target.JVMVersion == "" || w.Target.Container != "shop" {
			t.Errorf("target %+v", w.Target)
		}
		if w.Settings.CPUInterval != 10*time.Millisecond || w.Settings.AllocInterval != 512<<10 || w.Settings.Engine == "" {
			t.Errorf("settings %+v are not those of the first chunk", w.Settings)
		}
		if len(w.Coverage) != 3 {
			t.Errorf("coverage of %d types, want 3", len(w.Coverage))
		}
		if w.KernelCPU == nil || w.Settings.Tick == 0 {
			t.Errorf("window of %s has no account of the kernel's, or no tick of %s", w.Start, w.Settings.Tick)
		} else {
			counted, charged = counted+time.Duration(w.Coverage[0].Captured.Value), charged+*w.KernelCPU
		}
	}
	t.Logf("%s of CPU time in %d windows, the kernel charged %s", counted, len(windows), charged)
	const unsampled = 500 * time.Millisecond // what some 30 threads use without a whole interval of it
	if (counted - charged).Abs() > charged/4+unsampled {
		t.Errorf("windows have %s of CPU time, the kernel charged %s", counted, charged)
	}
	if cpu := windows[1].Set(profile.CPU); cpu == nil || selfOf(cpu, "Workload.spin") == 0 {
		t.Errorf("CPU samples of Workload.spin are missing: %v", cpu)
	}
	if _, err := os.Stat(b.config.Volumes[0] + "/" + filepath.Base(b.config.Volumes[0])); err == nil {
		t.Error("unexpected")
	}
	if left, _ := filepath.Glob(filepath.Join(b.config.Volumes[0], "[0-9]*")); len(left) != 0 {
		t.Errorf("the session directory is left: %v", left)
	}
	b.jvm.CheckUntouched(t)
}

func selfOf(s *profile.StackSet, name string) (value int64) {
	for _, stack := range s.Stacks {
		if s.Functions[stack.Frames[len(stack.Frames)-1]].Name == name {
			value += stack.Value
		}
	}
	return value
}

func TestRenewalLosesNoWindow(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	b.config.Limits.Renew = 10 * time.Second
	b.start()
	b.awaitProfiled()
	first := b.status().Session
	b.await("windows of a second session", func() bool {
		windows := b.spool.profiled()
		return len(windows) > 2 && windows[len(windows)-2].Session != first
	})
	skipped := b.counters().Skipped
	b.stop()
	var told int64
	for _, w := range b.spool.profiled() {
		for _, l := range w.Losses {
			if l.Reason == profile.ProfilerSkipped {
				told += l.Count
			}
		}
	}
	if told > skipped {
		t.Errorf("windows tell of %d skipped samples, the profiler of %d", told, skipped)
	}
	b.checkContiguous(b.spool.profiled())
	starts := map[time.Time]bool{}
	for _, w := range b.spool.profiled() {
		if starts[w.Start] {
			t.Errorf("two windows begin at %s: the renewal was not at a boundary", w.Start)
		}
		starts[w.Start] = true
	}
	if gap := b.spool.loss(profile.ProfilerStall).Duration; gap <= 0 {
		t.Errorf("renewal accounts for a stall of %s", gap)
	}
	if d := b.status().Difference; d > 50*time.Millisecond {
		t.Errorf("the account of time differs by %s from the windows", d)
	}
	b.jvm.CheckUntouched(t)
}

// counters asks the profiler itself.
func (b *bench) counters() asprof.Counters {
	b.Helper()
	p, err := b.agent.procs.Process(b.jvm.PID)
	if err != nil {
		b.Fatal(err)
	}
	result, err := b.agent.profiler.Run(context.Background(), p, b.agent.owner.library, asprof.Metrics(filepath.Join(b.jvm.Dir, "metrics.log")))
	if err != nil {
		b.Fatal(err)
	}
	return asprof.ParseMetrics(result.Log)
}

// The session of a recording that takes too much disk ends within the window, and
// another one begins after the usual wait.
func TestRecordingThatGrowsTooLarge(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	b.config.Limits.MaxRecording, b.config.Limits.RetryInterval = 1, 100*time.Millisecond
	b.start()
	b.await("time that is told as lost by it", func() bool { return b.spool.loss(profile.RecordingTooLarge).Duration > 0 })
	b.awaitReason(profile.RecordingTooLarge)
	first := b.status().Session
	b.await("another session", func() bool { return b.status().Session != first && b.status().Session != "" })
	b.stop()
	b.checkNothingIsRecorded()
	if d := b.status().Difference; d > 50*time.Millisecond {
		t.Errorf("the account of time differs by %s from the windows", d)
	}
	b.jvm.CheckUntouched(t)
}

// foreign runs a command in a second copy of the library.
func (b *bench) foreign(options string) {
	b.Helper()
	b.jvm.LoadAgent(b.T, b.jvm.ForeignLibrary(b.T), options)
}

func TestForeignProfilerIsNotDisturbed(t *testing.T) {
	for name, options := range map[string]string{
		"JFR":                  "start,event=cpu,jfr,file=FILE",
		"collapsed, lock only": "start,event=lock",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, jvmtest.Options{Threads: []string{"cpu", "lock"}})
			file := filepath.Join(b.jvm.Dir, "theirs.jfr")
			b.foreign(strings.Replace(options, "FILE", file, 1))
			b.start()
			b.awaitReason(profile.Conflict)
			if detail := b.status().Detail; !strings.Contains(detail, "libasyncProfiler.so") {
				t.Errorf("detail %q does not say who", detail)
			}
			b.await("a window that says conflict", func() bool { return b.spool.loss(profile.Conflict).Count > 0 })
			if n := len(b.spool.profiled()); n != 0 {
				t.Errorf("%d windows were recorded beside a foreign session", n)
			}
			b.foreign("stop,file=" + filepath.Join(b.jvm.Dir, "out.txt") + ",collapsed") // their session was alive all the time
			b.awaitProfiled()
			b.stop()
			if name == "JFR" {
				if info, err := os.Stat(file); err != nil || info.Size() == 0 {
					t.Errorf("their recording: %v %v", info, err)
				}
			}
			b.jvm.CheckUntouched(t)
		})
	}
}

// Somebody begins a session while ours runs: we step aside with our data, and
// come back.
func TestYieldsToAForeignProfiler(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	b.start()
	b.awaitProfiled()
	b.foreign("start,event=cpu,jfr,file=" + filepath.Join(b.jvm.Dir, "theirs.jfr"))
	b.awaitReason(profile.Conflict)
	b.await("our samples are in the spool", func() bool { return len(b.spool.profiled()) > 0 })
	b.foreign("stop")
	b.awaitProfiled()
	b.stop()
	b.checkContiguous(b.spool.profiled())
	b.jvm.CheckUntouched(t)
}

func TestSecondSidecarStaysAway(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	b.start()
	b.awaitProfiled()
	second := &bench{T: t, jvm: b.jvm, config: b.config, spool: &memory{}, decoder: jfr.NewDecoder()}
	second.config.State = t.TempDir()
	second.start()
	second.awaitReason(profile.Conflict)
	if !strings.Contains(second.status().Detail, session.ErrOtherOwner.Error()) {
		t.Errorf("detail %q", second.status().Detail)
	}
	b.stop()
	second.awaitProfiled()
	second.stop()
	b.jvm.CheckUntouched(t)
}

func TestExitOfTheJVM(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu", "alloc"}})
	b.start()
	b.awaitWindows(1)
	time.Sleep(500 * time.Millisecond) // samples that are in the chunk which is not finished
	b.jvm.Kill()
	b.await("the exit is seen", func() bool { return b.status().Reason == profile.JVMExited })
	b.await("the unfinished chunk is a loss", func() bool { return b.spool.loss(profile.ChunkUnfinished).Bytes > 0 })
	b.stop()
	b.checkContiguous(b.spool.profiled())
	if left, _ := filepath.Glob(filepath.Join(b.config.Volumes[0], "[0-9]*")); len(left) != 0 {
		t.Errorf("the session directory is left: %v", left)
	}
}

// The grace for a JVM's end runs out before its recording is read: the same
// sidecar reads it later.
func TestExitGraceRunsOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	d := &patient{Decoder: b.decoder}
	b.decoder, b.config.Limits.ExitGrace = d, time.Millisecond
	b.start()
	b.awaitWindows(1)
	id, directory := b.status().Session, b.directory()
	d.waits.Store(true)
	b.jvm.Signal(syscall.SIGTERM)
	b.await("the exit is seen", func() bool { return b.status().Reason == profile.JVMExited })
	b.await("a later reading has begun", func() bool { return d.later.Load() })
	if _, err := os.Stat(filepath.Join(directory, id+".jfr")); err != nil {
		t.Errorf("the recording did not stay: %v", err)
	}
	before := b.windowsOf(id)
	d.waits.Store(false)
	b.await("the recording is read and removed", func() bool {
		_, err := os.Stat(directory)
		return errors.Is(err, os.ErrNotExist)
	})
	b.stop()
	if b.windowsOf(id) == before {
		t.Error("no window was made of the recording")
	}
	b.checkContiguous(b.spool.profiled())
}

func (b *bench) windowsOf(session string) (n int) {
	for _, w := range b.spool.all() {
		if w.Session == session {
			n++
		}
	}
	return n
}

// patient decodes nothing as long as it waits. It tells whether somebody without a
// deadline, who is no worker that finishes, has asked meanwhile.
type patient struct {
	recording.Decoder
	waits, later atomic.Bool
}

func (p *patient) Decode(ctx context.Context, f *os.File, chunks []jfr.Chunk, o jfr.Options) (jfr.Result, error) {
	if !p.waits.Load() {
		return p.Decoder.Decode(ctx, f, chunks, o)
	}
	if _, bounded := ctx.Deadline(); bounded {
		<-ctx.Done()
		return jfr.Result{}, ctx.Err()
	}
	p.later.Store(true)
	return jfr.Result{}, errors.New("not yet")
}

// A probe or a short tool is no target, no loss and no line of log.
func TestJVMThatEndsBeforeTheStartDelay(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{})
	b.config.Limits.StartDelay = time.Hour
	b.start()
	b.await("the JVM is seen", func() bool { return b.status().Reason == profile.JVMStarting })
	if report := b.agent.Report(); len(report.Targets) != 0 {
		t.Errorf("targets %+v", report.Targets)
	}
	b.jvm.Kill()
	b.await("the JVM is forgotten", func() bool { return b.status().Target.PID == 0 }) // others of this host stay
	b.stop()
	if windows := b.spool.all(); len(windows) != 0 {
		t.Errorf("%d windows: %+v", len(windows), windows[0])
	}
}

func TestCrashBreaker(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	b.config.Limits.CrashWindow = jvmtest.Patience
	b.start()
	b.awaitProfiled()
	b.jvm.Signal(syscall.SIGSEGV) // right after the attach: HotSpot writes its fatal error log
	b.await("the exit is seen", func() bool { return b.status().Reason == profile.JVMExited })
	b.stop()
	next := b.replaced()
	next.start()
	next.awaitReason(profile.CrashedAfterAttach)
	if s := next.status(); !strings.Contains(s.Detail, "undecided") || !strings.Contains(s.Detail, "not among the frames") {
		t.Errorf("detail %q", s.Detail)
	}
	next.stop()
	next.config.RetryCrashed = true
	next.start()
	next.awaitProfiled()
	next.stop()
	next.jvm.CheckUntouched(t)
}

// replaced is a bench with the JVM that comes after this one's, and the same state.
func (b *bench) replaced() *bench {
	b.Helper()
	next := &bench{T: b.T, jvm: jvmtest.Start(b.T, jvmtest.Options{}), config: b.config, spool: &memory{}, decoder: jfr.NewDecoder()}
	next.config.PIDs = []int{next.jvm.PID}
	return next
}

// A crash in the profiler's own thread is ours, however long after a command.
func TestCrashInTheProfiler(t *testing.T) {
	t.Parallel()
	for _, jdk := range []string{"11", "25"} {
		b := newBench(t, jvmtest.Options{JDK: jdk, Threads: []string{"cpu"}})
		b.config.Limits.CrashWindow = 0 // no time is short enough
		b.start()
		b.awaitProfiled()
		if err := unix.Tgkill(b.jvm.PID, threadOf(t, b.jvm.PID, "Async-profiler"), unix.SIGSEGV); err != nil {
			t.Fatal(err)
		}
		b.await("the exit is seen", func() bool { return b.status().Reason == profile.JVMExited })
		b.stop()
		next := b.replaced()
		next.start()
		next.awaitReason(profile.CrashedAfterAttach)
		if s := next.status(); strings.Contains(s.Detail, "undecided") || !strings.Contains(s.Detail, "the profiler is on the stack") {
			t.Errorf("Java %s: detail %q", jdk, s.Detail)
		}
		next.stop()
	}
}

// A sidecar of another image brings another library. The JVM keeps the one that it
// has: a second one would know nothing of the sessions of the first.
func TestLibraryOfAnotherImage(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	b.start()
	b.awaitProfiled()
	b.stop()
	content, err := os.ReadFile(b.config.Library)
	if err != nil {
		t.Fatal(err)
	}
	b.config.Library = filepath.Join(t.TempDir(), "libasyncProfiler.so")
	if err := os.WriteFile(b.config.Library, append(content, 0), 0o644); err != nil {
		t.Fatal(err)
	}
	before := len(b.spool.profiled())
	b.start()
	b.awaitProfiled()
	b.awaitWindows(before + 1)
	if copies, _ := filepath.Glob(filepath.Join(b.config.Libraries, contract.LibraryDirectory, contract.LibraryPrefix+"*")); len(copies) != 2 {
		t.Errorf("installed: %v, want both", copies)
	}
	mapped := map[string]bool{}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", b.jvm.PID))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, contract.LibraryPrefix) {
			mapped[filepath.Base(strings.TrimSpace(line))] = true
		}
	}
	if len(mapped) != 1 {
		t.Errorf("mapped: %v, want one", mapped)
	}
	b.stop()
	b.jvm.CheckUntouched(t)
}

// threadOf is the id of a thread by the beginning of its name.
func threadOf(t *testing.T, pid int, name string) int {
	t.Helper()
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", pid))
	for _, path := range names {
		comm, _ := os.ReadFile(path)
		if strings.HasPrefix(string(comm), name) {
			id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
	}
	t.Fatalf("process %d has no thread %s", pid, name)
	return 0
}

// A JVM that is killed, or exits, right after the attach is no crash.
func TestNoBlameWithoutEvidence(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	b.start()
	b.awaitProfiled()
	b.jvm.Signal(syscall.SIGTERM)
	b.await("the exit is seen", func() bool { return b.status().Reason == profile.JVMExited })
	if s := b.status(); !strings.HasPrefix(s.Detail, "exited: ") {
		t.Errorf("detail %q", s.Detail)
	}
	b.stop()
	next := b.replaced()
	next.start()
	next.awaitProfiled()
	next.stop()
}

// Whatever lies in the place of the marker or of the recording, nothing hangs,
// nothing outside is touched, and the time is accounted for.
func TestHostileDirectory(t *testing.T) {
	t.Run("marker is a FIFO", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
		b.makeDirectory(func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "session.json"), 0o666) })
		b.start()
		b.awaitWindows(1)
		b.stop()
	})
	t.Run("marker is a symlink", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
		victim := filepath.Join(t.TempDir(), "victim")
		if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		b.makeDirectory(func(dir string) error { return os.Symlink(victim, filepath.Join(dir, "session.json")) })
		b.start()
		b.awaitWindows(1)
		b.stop()
		if content, err := os.ReadFile(victim); err != nil || string(content) != "precious" {
			t.Errorf("the symlink's target: %q %v", content, err)
		}
	})
	t.Run("directory is a symlink", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, jvmtest.Options{})
		elsewhere := t.TempDir()
		b.makeDirectory(func(dir string) error { return errors.Join(os.Remove(dir), os.Symlink(elsewhere, dir)) })
		b.start()
		b.awaitReason(profile.SharedDirNotUsable)
		b.stop()
		if left, _ := os.ReadDir(elsewhere); len(left) != 0 {
			t.Errorf("files were made behind the symlink: %v", left)
		}
	})
	t.Run("recording is removed", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
		b.start()
		b.awaitProfiled()
		recording := filepath.Join(b.directory(), b.status().Session+".jfr")
		if err := errors.Join(os.Remove(recording), syscall.Mkfifo(recording, 0o666)); err != nil {
			t.Fatal(err)
		}
		b.awaitWindows(2) // read through the descriptor
		b.stop()
		b.checkContiguous(b.spool.profiled())
		b.jvm.CheckUntouched(t)
	})
}

// makeDirectory makes the JVM's directory before the agent does.
func (b *bench) makeDirectory(spoil func(dir string) error) {
	b.Helper()
	procs, err := target.NewFinder("/proc")
	if err != nil {
		b.Fatal(err)
	}
	p, err := procs.Process(b.jvm.PID)
	if err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(b.config.Volumes[0], p.Key())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := spoil(dir); err != nil {
		b.Fatal(err)
	}
}

// Somebody ends our session behind our back.
func TestSessionEndedByOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	b.start()
	b.awaitProfiled()
	first := b.status().Session
	b.jvm.LoadAgent(t, b.agent.owner.library, "stop")
	b.await("another session", func() bool { s := b.status().Session; return s != "" && s != first })
	b.stop()
	if lost := b.spool.loss(profile.SessionEnded).Duration; lost <= 0 {
		t.Errorf("session_ended accounts for %s", lost)
	}
	b.checkContiguous(b.spool.profiled())
	b.jvm.CheckUntouched(t)
}

func TestReasonsInWindows(t *testing.T) {
	tests := []struct {
		name    string
		options jvmtest.Options
		reason  profile.Reason
		windows bool
	}{
		{"attach disabled", jvmtest.Options{Flags: []string{"-XX:+DisableAttachMechanism"}}, profile.AttachDisabled, false},
		{"agents forbidden", jvmtest.Options{Flags: []string{"-XX:-EnableDynamicAgentLoading"}}, profile.LibraryNotLoaded, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.options)
			b.start()
			b.awaitReason(test.reason)
			if test.windows {
				b.await("a window with the reason", func() bool { return b.spool.loss(test.reason).Duration > time.Second })
			}
			b.stop()
			r := b.agent.Report()
			body, err := profile.EncodeReport(&r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := profile.DecodeReport(body); err != nil {
				t.Errorf("the backend would not take the report: %v: %s", err, body)
			}
			if !json.Valid(body) {
				t.Errorf("report %s", body)
			}
			b.jvm.CheckUntouched(t)
		})
	}
}

func TestJVMOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to start a JVM as another user")
	}
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}, Credential: &syscall.Credential{Uid: 12345, Gid: 12346}})
	b.start()
	b.awaitWindows(2)
	info, err := os.Stat(b.directory())
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != 12345 {
		t.Errorf("owner of the session directory: %v %v", info, err)
	}
	b.stop()
	b.checkContiguous(b.spool.profiled())
	b.jvm.CheckUntouched(t)
}

// The sidecar ends while the JVM is stopped, as by a debugger. Whether the
// command that begins a session was sent before or not: when the JVM goes on, no
// session runs, and nothing is left of one.
func TestStoppedWhileBeginning(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	b.config.Limits.ExitGrace = jvmtest.Patience
	b.jvm.Listen(t)
	procs, err := target.NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	b.jvm.Signal(syscall.SIGSTOP)
	b.await("the JVM is stopped", func() bool {
		signs, err := procs.Signals(b.jvm.PID)
		return err == nil && signs.Stopped
	})
	b.start()
	marker := filepath.Join(b.config.Volumes[0], "*", "session.json")
	b.await("the marker says that a session is to begin", func() bool {
		found, _ := filepath.Glob(marker)
		return len(found) == 1
	})
	stopped := make(chan struct{})
	go func() { defer close(stopped); b.stop() }()
	b.await("the command is given up", func() bool { return b.status().LastError != "" })
	b.jvm.Signal(syscall.SIGCONT)
	<-stopped
	b.checkNothingIsRecorded()
	if left, _ := filepath.Glob(marker); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	b.jvm.CheckUntouched(t)
}

// byHand is a worker for the JVM of b that the test leads step by step.
func (b *bench) byHand() *worker {
	b.Helper()
	procs, err := target.NewFinder("/proc")
	if err != nil {
		b.Fatal(err)
	}
	p, err := procs.Process(b.jvm.PID)
	if err != nil {
		b.Fatal(err)
	}
	b.agent, err = New(b.config, procs, b.spool, jfr.NewDecoder(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	w := newWorker(b.agent, p, b.config.Volumes[0])
	b.Cleanup(w.close)
	b.Cleanup(b.agent.lock.Release)
	return w
}

func (b *bench) checkNothingIsRecorded() {
	b.Helper()
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", b.jvm.PID))
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && strings.HasPrefix(link, b.config.Volumes[0]) && strings.Contains(link, ".jfr") {
			b.Errorf("a session is left that writes %s", link)
		}
	}
}

// checkRecorded fails the test unless a window has been made of what a session
// recorded.
func (b *bench) checkRecorded(session string) {
	b.Helper()
	for _, w := range b.spool.all() {
		if w.Session == session && w.Recorded.End.After(w.Recorded.Start) {
			return
		}
	}
	b.Errorf("nothing of session %s is in the spool: %+v", session, b.spool.all())
}

// A session whose recording could not be opened after it began runs all the
// same: it is stopped when the sidecar ends, and read.
func TestSessionThatWasNotOpenedIsStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	w := b.byHand()
	w.consider(t.Context())
	id := w.session()
	if id == "" {
		t.Fatalf("no session: %+v", b.status())
	}
	_ = w.files[id].Close()
	delete(w.files, id)
	w.taken = ""
	w.finish(t.Context())
	b.checkNothingIsRecorded()
	b.checkRecorded(id)
}

// The marker of an earlier sidecar is lost and somebody else profiles: our
// session ends, and what it has recorded is read.
func TestYieldsWithoutAMarker(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	first := b.byHand()
	first.consider(t.Context())
	if first.session() == "" {
		t.Fatalf("no session: %+v", b.status())
	}
	id := first.session()
	if err := errors.Join(os.Remove(first.dir.Marker()), os.Remove(filepath.Join(b.config.State, "jvms.json"))); err != nil {
		t.Fatal(err)
	}
	first.lock.Release()
	b.agent.lock.Release()
	b.foreign("start,event=cpu,jfr,file=" + filepath.Join(b.jvm.Dir, "theirs.jfr"))
	second := b.byHand()
	second.consider(t.Context())
	if r := b.status().Reason; r != profile.Conflict {
		t.Errorf("reason %q, want conflict", r)
	}
	b.checkNothingIsRecorded()
	b.checkRecorded(id)
	b.foreign("stop")
}
