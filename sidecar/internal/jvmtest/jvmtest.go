// Package jvmtest starts real JVMs with a load of known shape, for tests.
package jvmtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// JVM is a running JVM. Its output goes to files, as in a container.
type JVM struct {
	PID            int
	Stdout, Stderr string // paths
	Dir            string // working directory
	cmd            *exec.Cmd
	done           chan struct{}
}

// Options say how a JVM is started.
type Options struct {
	JDK        string              // a name of JDKs, or JDK1105; empty: the host's
	Launcher   string              // a program to run instead of the java command; see Launcher
	Flags      []string            // of the JVM
	Main       string              // class to run; empty: the workload
	Threads    []string            // arguments; of the workload: cpu, alloc, lock, monitor
	Env        []string            // added to the test's own
	Credential *syscall.Credential // of another user
	DoNotWait  bool                // return before the workload runs
}

// Ready is all that the workload ever prints.
const Ready = "running\n"

// Start starts a JVM that ends with the test.
func Start(t testing.TB, o Options) *JVM {
	t.Helper()
	dir := publicDir(t)
	j := &JVM{Dir: dir, Stdout: filepath.Join(dir, "stdout"), Stderr: filepath.Join(dir, "stderr"), done: make(chan struct{})}
	flags := append([]string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", Classes(t)}, o.Flags...)
	command := o.Launcher
	if command == "" {
		command = Java(t, o.JDK)
	}
	main := o.Main
	if main == "" {
		main = "Workload"
	}
	j.cmd = exec.Command(command, append(append(flags, main), o.Threads...)...)
	j.cmd.Dir = dir
	j.cmd.Env = append(os.Environ(), o.Env...)
	j.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: o.Credential}
	if o.Credential != nil {
		chown(t, dir, o.Credential)
	}
	j.cmd.Stdout, j.cmd.Stderr = create(t, j.Stdout), create(t, j.Stderr)
	if err := j.cmd.Start(); err != nil {
		t.Fatalf("start java: %v", err)
	}
	j.PID = j.cmd.Process.Pid
	j.removeSocket() // of an earlier process of this number and another user
	go func() { _ = j.cmd.Wait(); close(j.done) }()
	t.Cleanup(j.Kill)
	if !o.DoNotWait {
		Eventually(t, Patience, "the workload runs", func() bool { return j.Output(t) == Ready })
	}
	return j
}

// Output is what the JVM has printed so far.
func (j *JVM) Output(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(j.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Kill kills the JVM and waits for its end.
func (j *JVM) Kill() { j.Signal(syscall.SIGKILL); <-j.done; j.removeSocket() }

// removeSocket removes the attach socket, which a killed JVM leaves behind and a
// later one of another user could not.
func (j *JVM) removeSocket() { _ = os.Remove(fmt.Sprintf("/tmp/.java_pid%d", j.PID)) }

// Signal sends a signal.
func (j *JVM) Signal(s syscall.Signal) { _ = j.cmd.Process.Signal(s) }

// Done is closed when the JVM has ended.
func (j *JVM) Done() <-chan struct{} { return j.done }

// Running says whether the JVM has not ended.
func (j *JVM) Running() bool {
	select {
	case <-j.done:
		return false
	default:
		return true
	}
}

// CheckUntouched fails the test if the JVM has ended, or if anything but the
// workload's own line is in its output.
func (j *JVM) CheckUntouched(t testing.TB) {
	t.Helper()
	if !j.Running() {
		t.Errorf("JVM %d has ended; its output: %s", j.PID, j.Output(t))
	}
	if out := j.Output(t); out != Ready {
		t.Errorf("standard output of JVM %d was touched: %q", j.PID, out)
	}
	if b, err := os.ReadFile(j.Stderr); err != nil || len(b) != 0 {
		t.Errorf("standard error of JVM %d was touched: %q %v", j.PID, b, err)
	}
}

// Library is the path of the profiler library that tests/setup/setup.sh
// installs.
func Library(t testing.TB) string {
	t.Helper()
	path := filepath.Join(cache(t), "async-profiler-4.5", "linux-x64", "libasyncProfiler.so")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run tests/setup/setup.sh profiler", err)
	}
	return path
}

// SharedDir is a directory that every user may write.
func SharedDir(t testing.TB) string {
	t.Helper()
	dir := publicDir(t)
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Patience is a deadline that only a hang exceeds, however busy the machine is.
const Patience = 4 * time.Minute

// Eventually polls until ok, and fails the test after the deadline.
func Eventually(t testing.TB, deadline time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", deadline, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// publicDir is a temporary directory that other users can reach: those of
// t.TempDir can be closed to them.
func publicDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "podflame-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func chown(t testing.TB, path string, c *syscall.Credential) {
	t.Helper()
	if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// LoadAgent lets the JDK's own jcmd run a profiler command in the JVM, as
// somebody else would.
func (j *JVM) LoadAgent(t testing.TB, library, options string) {
	t.Helper()
	options += ",log=" + filepath.Join(j.Dir, "foreign.log")
	out, err := exec.Command("jcmd", strconv.Itoa(j.PID), `JVMTI.agent_load `+library+` "`+options+`"`).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("return code: 0")) {
		t.Fatalf("jcmd: %v: %s", err, out)
	}
}

// ForeignLibrary is a copy of the profiler library, as another tool would bring
// it.
func (j *JVM) ForeignLibrary(t testing.TB) string {
	t.Helper()
	path := filepath.Join(j.Dir, "libasyncProfiler.so")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	content, err := os.ReadFile(Library(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Listen lets the JVM start its attach listener, by the JDK's own jcmd.
func (j *JVM) Listen(t testing.TB) {
	t.Helper()
	if out, err := exec.Command("jcmd", strconv.Itoa(j.PID), "VM.version").CombinedOutput(); err != nil {
		t.Fatalf("jcmd: %v: %s", err, out)
	}
}
