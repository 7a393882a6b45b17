package asprof

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// lab is one JVM with what is needed to send commands to it.
type lab struct {
	*testing.T
	procs   *target.Finder
	client  *Client
	jvm     *jvmtest.JVM
	process target.Process
	library string
	dir     string
}

func newLab(t *testing.T, timeout time.Duration, o jvmtest.Options) *lab {
	t.Helper()
	procs := newFinder(t)
	l := &lab{T: t, procs: procs, client: NewClient(procs, Options{Timeout: timeout}), dir: jvmtest.SharedDir(t)}
	library, err := Install(jvmtest.Library(t), filepath.Join(l.dir, "lib"))
	if err != nil {
		t.Fatal(err)
	}
	l.library = library
	l.jvm = jvmtest.Start(t, o)
	l.find()
	return l
}

func newFinder(t *testing.T) *target.Finder {
	t.Helper()
	procs, err := target.NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	return procs
}

func (l *lab) find() {
	l.Helper()
	jvmtest.Eventually(l.T, jvmtest.Patience, "the JVM is found", func() bool {
		p, err := l.procs.Process(l.jvm.PID)
		l.process = p
		return err == nil && p.Kind == target.HotSpot
	})
}

func (l *lab) log() string { return filepath.Join(l.dir, "profiler.log") }

func (l *lab) run(cmd Command) (Result, error) {
	return l.client.Run(context.Background(), l.process, l.library, cmd)
}

func (l *lab) must(cmd Command) Result {
	l.Helper()
	r, err := l.run(cmd)
	if err != nil {
		l.Fatal(err)
	}
	return r
}

func (l *lab) recording(file string) Command {
	l.Helper()
	cmd, err := Record(Recording{
		File: file, CPUInterval: 10 * time.Millisecond, AllocInterval: 512 << 10, LockThreshold: time.Millisecond,
		MemoryLimit: 64 << 20, ChunkSize: 16 << 20, ChunkTime: time.Minute, Timeout: time.Hour,
	}, l.log())
	if err != nil {
		l.Fatal(err)
	}
	return cmd
}

func TestSessionInARealJVM(t *testing.T) {
	l := newLab(t, 2*time.Minute, jvmtest.Options{Threads: []string{"cpu", "alloc", "lock"}})
	file := filepath.Join(l.dir, "a.jfr")

	if got := l.must(Version(l.log())).Log; got != "4.5" {
		t.Errorf("version = %q, want 4.5", got)
	}
	if running, ok := Running(l.must(Status(l.log())).Log); running || !ok {
		t.Errorf("status before the session: running %v, ok %v", running, ok)
	}
	if _, err := l.run(Stop(l.log())); !NotActive(err) || ReasonOf(err) != profile.ProfilerError {
		t.Errorf("stop of an idle profiler: %v, want not active", err)
	}
	l.must(l.recording(file))
	if running, _ := Running(l.must(Status(l.log())).Log); !running {
		t.Error("status says not running after the start")
	}
	if _, err := l.run(l.recording(filepath.Join(l.dir, "b.jfr"))); err == nil || !strings.Contains(err.Error(), "already started") {
		t.Errorf("second session: %v, want already started", err)
	}
	l.must(Dump(l.log()))
	jvmtest.Eventually(t, jvmtest.Patience, "samples are counted", func() bool {
		return ParseMetrics(l.must(Metrics(l.log())).Log).Samples > 10
	})
	l.must(Stop(l.log()))
	if info, err := os.Stat(file); err != nil || info.Size() < 10_000 {
		t.Errorf("recording: %v, %v", info, err)
	}
	l.must(l.recording(filepath.Join(l.dir, "c.jfr")))
	l.must(Stop(l.log()))
	l.client.Forget(l.process)
	l.checkUntouched()
}

func TestJVMOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to start a JVM as another user")
	}
	l := newLab(t, 2*time.Minute, jvmtest.Options{Threads: []string{"cpu"}, Credential: &syscall.Credential{Uid: 12345, Gid: 12346}})
	file := filepath.Join(l.dir, "a.jfr")
	l.must(l.recording(file))
	l.must(Stop(l.log()))
	l.jvm.CheckUntouched(t)
	for _, path := range []string{file, l.log()} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 12345 || owner.Gid != 12346 {
			t.Errorf("%s belongs to %d:%d, want 12345:12346", path, owner.Uid, owner.Gid)
		}
	}
}

func TestReasonsNotToAttach(t *testing.T) {
	tests := []struct {
		name    string
		options jvmtest.Options
		prepare func(*lab)
		want    profile.Reason
	}{
		{name: "-Xrs", options: jvmtest.Options{Flags: []string{"-Xrs"}}, want: profile.SignalsReduced,
			prepare: func(l *lab) { // with -Xrs the socket exists from the start; a /tmp cleaner removes it
				_ = os.Remove(l.attachSocket())
			}},
		{name: "-Xrs from the environment", options: jvmtest.Options{Env: []string{"_JAVA_OPTIONS=-Xrs"}}, want: profile.SignalsReduced,
			prepare: func(l *lab) { _ = os.Remove(l.attachSocket()) }},
		{name: "-Xrs that no option shows", options: jvmtest.Options{Flags: []string{"-XX:Flags=" + flagsFile(t, "+ReduceSignalUsage")}}, want: profile.SignalsReduced,
			prepare: func(l *lab) { _ = os.Remove(l.attachSocket()) }},
		{name: "attach disabled", options: jvmtest.Options{Flags: []string{"-XX:+DisableAttachMechanism"}}, want: profile.AttachDisabled},
		{name: "stopped", want: profile.JVMStopped,
			prepare: func(l *lab) { l.jvm.Signal(syscall.SIGSTOP); l.awaitStopped() }},
		{name: "exited", want: profile.JVMExited, prepare: func(l *lab) { l.jvm.Kill() }},
		{name: "library missing", want: profile.LibraryNotLoaded, prepare: func(l *lab) { l.library += ".absent" }},
		{name: "dynamic loading forbidden", options: jvmtest.Options{Flags: []string{"-XX:-EnableDynamicAgentLoading"}}, want: profile.LibraryNotLoaded},
		{name: "log is a FIFO", want: profile.SharedDirNotUsable, prepare: func(l *lab) {
			if err := syscall.Mkfifo(l.log(), 0o666); err != nil {
				l.Fatal(err)
			}
		}},
		{name: "log is a symlink", want: profile.SharedDirNotUsable, prepare: func(l *lab) {
			if err := os.Symlink("/dev/stdout", l.log()); err != nil {
				l.Fatal(err)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, time.Minute, test.options)
			if test.prepare != nil {
				test.prepare(l)
			}
			_, err := l.run(Status(l.log()))
			if got := ReasonOf(err); got != test.want {
				t.Errorf("reason %s (%v), want %s", got, err, test.want)
			}
			l.jvm.Signal(syscall.SIGCONT)
			l.client.Forget(l.process)
			if test.want == profile.JVMExited {
				return
			}
			if out := l.jvm.Output(t); out != jvmtest.Ready || !l.jvm.Running() {
				t.Errorf("JVM running %v, output %q", l.jvm.Running(), out)
			}
		})
	}
}

func flagsFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flags")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (l *lab) attachSocket() string {
	return l.procs.Path(l.jvm.PID, "root", "tmp", ".java_pid"+filepath.Base(l.procs.Path(l.process.NSPID)))
}

func (l *lab) awaitStopped() {
	jvmtest.Eventually(l.T, jvmtest.Patience, "the JVM is stopped", func() bool {
		s, err := l.procs.Signals(l.jvm.PID)
		return err == nil && s.Stopped
	})
}

// A JVM that is stopped gets no command; when it goes on it is asked again, and
// prints nothing.
func TestStoppedJVM(t *testing.T) {
	l := newLab(t, 2*time.Minute, jvmtest.Options{})
	l.must(Status(l.log()))
	l.jvm.Signal(syscall.SIGSTOP)
	l.awaitStopped()
	if _, err := l.run(Status(l.log())); ReasonOf(err) != profile.JVMStopped || StageOf(err) != Unsent {
		t.Errorf("status of a stopped JVM: %v, stage %d", err, StageOf(err))
	}
	l.jvm.Signal(syscall.SIGCONT)
	l.must(Status(l.log()))
	l.jvm.CheckUntouched(t)
}

// A JVM that is busy with another client makes a command time out; the next one
// succeeds, and nothing is printed by the JVM.
func TestBusyJVMTimesOutAndRecovers(t *testing.T) {
	l := newLab(t, 2*time.Minute, jvmtest.Options{})
	release := l.occupy()
	l.client.timeout = 5 * time.Second // in which the command is sent, however busy the machine is
	if _, err := l.run(Status(l.log())); ReasonOf(err) != profile.AttachTimeout || StageOf(err) != Sent {
		t.Errorf("status of a busy JVM: %v, stage %d, want a timeout", err, StageOf(err))
	}
	release()
	l.client.timeout = 2 * time.Minute
	l.must(Status(l.log()))
	l.jvm.CheckUntouched(t)
}

// occupy connects to the JVM and says nothing: it reads one request at a time.
func (l *lab) occupy() (release func()) {
	l.Helper()
	l.must(Status(l.log()))
	conn, err := net.Dial("unix", l.attachSocket())
	if err != nil {
		l.Fatal(err)
	}
	return func() { _ = conn.Close() }
}

// A JVM is asked from its very first moment on: as long as it does not handle
// SIGQUIT it is "starting", never dead.
func TestAttachToAStartingJVM(t *testing.T) {
	procs, err := target.NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	dir := jvmtest.SharedDir(t)
	library, err := Install(jvmtest.Library(t), filepath.Join(dir, "lib"))
	if err != nil {
		t.Fatal(err)
	}
	j := jvmtest.Start(t, jvmtest.Options{DoNotWait: true})
	client := NewClient(procs, Options{Timeout: 2 * time.Minute})
	jvmtest.Eventually(t, jvmtest.Patience, "the command succeeds", func() bool {
		p, err := procs.Process(j.PID)
		if err != nil {
			if errors.Is(err, target.ErrNotJVM) {
				return false
			}
			t.Fatal(err)
		}
		_, err = client.Run(context.Background(), p, library, Status(filepath.Join(dir, "profiler.log")))
		if err != nil && ReasonOf(err) != profile.JVMStarting {
			t.Fatal(err)
		}
		return err == nil
	})
	jvmtest.Eventually(t, jvmtest.Patience, "the workload runs", func() bool { return j.Output(t) == jvmtest.Ready })
	j.CheckUntouched(t)
}

// The JVM exits while the command waits for it.
func TestJVMExitsDuringAttach(t *testing.T) {
	l := newLab(t, 2*time.Minute, jvmtest.Options{})
	defer l.occupy()()
	time.AfterFunc(200*time.Millisecond, func() { l.jvm.Signal(syscall.SIGKILL) })
	if _, err := l.run(Status(l.log())); ReasonOf(err) != profile.JVMExited {
		t.Errorf("command to a JVM that is killed: %v, want jvm_exited", err)
	}
}

func TestCancelledCommandEnds(t *testing.T) {
	l := newLab(t, time.Hour, jvmtest.Options{})
	defer l.occupy()()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := l.client.Run(ctx, l.process, l.library, Status(l.log())); err == nil { // and it came back, before an hour was over
		t.Error("the command succeeded")
	}
}
