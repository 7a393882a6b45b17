package asprof

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// checkUntouched fails the test if the JVM has ended or printed anything, or if
// a file of ours is left beside it.
func (l *lab) checkUntouched() {
	l.Helper()
	l.jvm.CheckUntouched(l)
	trigger := fmt.Sprintf(".attach_pid%d", l.process.NSPID)
	for _, dir := range []string{l.jvm.Dir, l.procs.Path(l.jvm.PID, "root", "tmp")} {
		if left, _ := filepath.Glob(filepath.Join(dir, trigger)); len(left) != 0 {
			l.Errorf("trigger file is left: %v", left)
		}
	}
}

func (l *lab) refused(want profile.Reason) {
	l.Helper()
	if _, err := l.run(Status(l.log())); ReasonOf(err) != want {
		l.Errorf("reason %s (%v), want %s", ReasonOf(err), err, want)
	}
	l.checkUntouched()
}

// After somebody has removed the attach socket, a JVM that makes it again is
// asked for it at once, and one that does not is left in peace.
func TestRemovedSocketOnEveryJVM(t *testing.T) {
	for _, jdk := range append(jvmtest.JDKs(), jvmtest.JDK1105) {
		t.Run(jdk, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, time.Minute, jvmtest.Options{JDK: jdk})
			l.must(Status(l.log()))
			l.checkUntouched()
			for range 2 {
				if err := os.Remove(l.attachSocket()); err != nil {
					t.Fatal(err)
				}
				if jdk == jvmtest.JDK1105 {
					l.refused(profile.SocketMissing)
					return
				}
				l.must(Status(l.log()))
				l.checkUntouched()
			}
		})
	}
}

// Attach switched off is seen however it is said, with and without performance
// data.
func TestAttachDisabledInEverySpelling(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const option = "-XX:+DisableAttachMechanism"
	args := write("args", "# options\n'-Dx=a b' "+option)
	spellings := map[string]jvmtest.Options{
		"plain":                        {Flags: []string{option}},
		"argument file":                {Flags: []string{"@" + args}},
		"flags file":                   {Flags: []string{"-XX:Flags=" + write("flags", "+DisableAttachMechanism")}},
		"options file":                 {Flags: []string{"-XX:VMOptionsFile=" + write("options", "'"+option+"'")}},
		"JAVA_TOOL_OPTIONS":            {Env: []string{"JAVA_TOOL_OPTIONS='-XX:+Disable'AttachMechanism"}},
		"JDK_JAVA_OPTIONS":             {Env: []string{`JDK_JAVA_OPTIONS="` + option + `"`}},
		"file of JDK_JAVA_OPTIONS":     {Env: []string{"JDK_JAVA_OPTIONS=@" + args}},
		"options file of tool options": {Env: []string{"JAVA_TOOL_OPTIONS=-XX:VMOptionsFile=" + write("more", option)}},
	}
	for name, options := range spellings {
		for _, perf := range []string{"-XX:+UsePerfData", "-XX:-UsePerfData"} {
			t.Run(name+perf, func(t *testing.T) {
				t.Parallel()
				own := options // the other one runs beside it
				own.Flags = append([]string{perf}, options.Flags...)
				l := newLab(t, time.Minute, own)
				stderr, err := os.ReadFile(l.jvm.Stderr) // HotSpot says that it picked up the options
				if err != nil {
					t.Fatal(err)
				}
				_, err = l.run(Status(l.log()))
				if ReasonOf(err) != profile.AttachDisabled {
					t.Errorf("reason %s (%v)", ReasonOf(err), err)
				}
				if after, err := os.ReadFile(l.jvm.Stderr); err != nil || string(after) != string(stderr) || l.jvm.Output(t) != jvmtest.Ready || !l.jvm.Running() {
					t.Errorf("JVM running %v, output %q, errors %q, %v", l.jvm.Running(), l.jvm.Output(t), after, err)
				}
			})
		}
	}
}

// Without performance data, a file with options that cannot be read any more
// may have said anything.
func TestOptionsThatCannotBeRead(t *testing.T) {
	args := filepath.Join(t.TempDir(), "args")
	if err := os.WriteFile(args, []byte("-Xmx64m"), 0o644); err != nil {
		t.Fatal(err)
	}
	l := newLab(t, time.Minute, jvmtest.Options{Flags: []string{"-XX:-UsePerfData", "@" + args}})
	if err := os.Remove(args); err != nil {
		t.Fatal(err)
	}
	l.refused(profile.OptionsUnreadable)
}

// A signal that was sent before our restart and is not answered stays the only
// one; the answer is used when it comes.
func TestOneSignalOverARestart(t *testing.T) {
	l := newLab(t, time.Minute, jvmtest.Options{})
	if err := l.client.memory.SetSignalled(l.process, time.Now()); err != nil {
		t.Fatal(err)
	}
	trigger := filepath.Join("/tmp", fmt.Sprintf(".attach_pid%d", l.process.NSPID))
	if err := os.WriteFile(trigger, nil, 0o600); err != nil { // the earlier sidecar's
		t.Fatal(err)
	}
	_, err := l.run(Status(l.log()))
	if ReasonOf(err) != profile.SignalUnanswered {
		t.Fatalf("reason %s (%v)", ReasonOf(err), err)
	}
	if _, err := os.Stat(l.attachSocket()); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a signal was sent: %v", err)
	}
	l.jvm.Signal(syscall.SIGQUIT) // now it arrives
	jvmtest.Eventually(t, jvmtest.Patience, "the JVM listens", func() bool {
		_, err := os.Stat(l.attachSocket())
		return err == nil
	})
	l.must(Status(l.log()))
	if at := l.client.memory.Signalled(l.process); !at.IsZero() {
		t.Errorf("the answer is not noted: signalled %s", at)
	}
	l.checkUntouched()
}

// full is a memory that cannot note anything.
type full struct{ Forgetful }

func (*full) SetSignalled(target.Process, time.Time) error { return errors.New("disk full") }

func TestNoSignalThatCannotBeNoted(t *testing.T) {
	l := newLab(t, time.Minute, jvmtest.Options{})
	l.client.memory = &full{}
	l.refused(profile.SidecarError)
	if _, err := os.Stat(l.attachSocket()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a signal was sent: %v", err)
	}
}

// Another client's trigger is left alone while that client may be attaching. An
// old one is used, and goes with the answer; so is one that seems to be of the future.
func TestForeignTrigger(t *testing.T) {
	for _, age := range []time.Duration{time.Minute, -time.Hour} {
		l := newLab(t, time.Minute, jvmtest.Options{})
		trigger := filepath.Join("/tmp", fmt.Sprintf(".attach_pid%d", l.process.NSPID))
		if err := os.WriteFile(trigger, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := l.run(Status(l.log())); ReasonOf(err) != profile.AttachTimeout || !errors.Is(err, errFresh) {
			t.Errorf("with a fresh trigger: %v", err)
		}
		made := time.Now().Add(-age)
		if err := os.Chtimes(trigger, made, made); err != nil {
			t.Fatal(err)
		}
		l.must(Status(l.log()))
		l.checkUntouched()
	}
}

// A program that runs a JVM through JNI and has its own idea of SIGQUIT gets no
// signal, though it shows every sign of a JVM. One that listens needs none.
func TestJNILauncher(t *testing.T) {
	path, env := jvmtest.Launcher(t)
	own := append(env, "OWN_HANDLER=1")
	t.Run("own handler", func(t *testing.T) {
		newLab(t, time.Minute, jvmtest.Options{Launcher: path, Env: own}).refused(profile.LauncherNotJava)
	})
	t.Run("listens", func(t *testing.T) {
		l := newLab(t, time.Minute, jvmtest.Options{Launcher: path, Env: own, Flags: []string{"-XX:+StartAttachListener"}})
		l.must(Status(l.log()))
		l.checkUntouched()
	})
	t.Run("allowed", func(t *testing.T) {
		l := newLab(t, time.Minute, jvmtest.Options{Launcher: path, Env: env})
		l.client.signalLaunchers = true
		l.must(Status(l.log()))
		l.checkUntouched()
	})
	t.Run("allowed, options unknown", func(t *testing.T) {
		l := newLab(t, time.Minute, jvmtest.Options{Launcher: path, Env: env, Flags: []string{"-XX:-UsePerfData"}})
		l.client.signalLaunchers = true
		l.refused(profile.OptionsUnreadable)
	})
}

// uWSGI maps libjvm.so and handles SIGQUIT, by ending. None of its processes
// gets a signal.
func TestUWSGI(t *testing.T) {
	plugins, _ := filepath.Glob("/usr/lib/uwsgi/plugins/jvm_openjdk*_plugin.so")
	if len(plugins) == 0 {
		t.Fatal("uWSGI's JVM plugin is not installed; run tests/setup/setup.sh uwsgi")
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	plugin := strings.TrimSuffix(filepath.Base(plugins[0]), "_plugin.so")
	cmd := exec.Command("uwsgi-core", "--plugin", plugin, "--socket", filepath.Join(dir, "socket"), "--master", "--processes", "1",
		"--jvm-classpath", "/usr/share/java/uwsgi.jar", "--logto", log)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	ready := func() string {
		content, _ := os.ReadFile(log)
		return string(content)
	}
	jvmtest.Eventually(t, jvmtest.Patience, "uWSGI runs a JVM", func() bool {
		return strings.Contains(ready(), "JVM") && strings.Contains(ready(), "initialized") && strings.Contains(ready(), "spawned uWSGI worker 1")
	})
	procs, err := target.NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	before := ready()
	client := NewClient(procs, Options{Timeout: time.Minute})
	seen := 0
	for _, p := range group(t, procs, cmd.Process.Pid) {
		p.Start = p.Start.Add(-time.Hour) // no sign comes with age
		_, err := client.Run(t.Context(), p, "/nothing.so", Status(filepath.Join(dir, "profiler.log")))
		if reason := ReasonOf(err); reason != profile.NoJVMSigns && reason != profile.LauncherNotJava {
			t.Errorf("process %d: reason %s (%v)", p.PID, reason, err)
		}
		if !procs.Alive(target.Process{PID: p.PID, StartTicks: p.StartTicks}) {
			t.Errorf("process %d has ended", p.PID)
		}
		seen++
	}
	if seen < 2 {
		t.Errorf("%d processes of uWSGI map libjvm.so, want its master and a worker", seen)
	}
	if after := ready(); after != before {
		t.Errorf("uWSGI's log has grown: %q", strings.TrimPrefix(after, before))
	}
}

// group returns the JVMs, or what looks so, of a process group.
func group(t *testing.T, procs *target.Finder, pgid int) []target.Process {
	t.Helper()
	found, err := procs.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var members []target.Process
	for _, p := range found {
		if g, err := syscall.Getpgid(p.PID); err == nil && g == pgid {
			members = append(members, p)
		}
	}
	return members
}
