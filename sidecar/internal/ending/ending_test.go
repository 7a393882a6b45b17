package ending

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const segv = `#
# A fatal error has been detected by the Java Runtime Environment:
#
#  SIGSEGV (0xb) at pc=0x00007f5b, pid=7, tid=8
#
# JRE version: OpenJDK
# Problematic frame:
# C  [libc.so.6+0x1692d8]
#

---------------  S U M M A R Y ------------
`

const noMemory = `#
# There is insufficient memory for the Java Runtime Environment to continue.
# Native memory allocation (mmap) failed to map 16384 bytes.
`

func TestClassify(t *testing.T) {
	exit := func(code int) Evidence { return Evidence{HasStatus: true, Status: unix.WaitStatus(code << 8)} }
	signal := func(s unix.Signal) Evidence { return Evidence{HasStatus: true, Status: unix.WaitStatus(s)} }
	with := func(e Evidence, change func(*Evidence)) Evidence { change(&e); return e }
	tests := map[string]struct {
		evidence Evidence
		want     Cause
		blame    bool
		detail   string
	}{
		"exit code 0":                {exit(0), Exited, false, "exit code 0"},
		"exit code 1":                {exit(1), Exited, false, "exit code 1"},
		"exit code 0, cut off":       {with(exit(0), func(e *Evidence) { e.Recording = CutOff }), Exited, false, "exit code 0"},
		"SIGKILL":                    {signal(unix.SIGKILL), Killed, false, "SIGKILL"},
		"SIGTERM":                    {signal(unix.SIGTERM), Killed, false, "SIGTERM"},
		"SIGKILL for want of memory": {with(signal(unix.SIGKILL), func(e *Evidence) { e.OOMKills = 1 }), OOMKilled, false, "1 more"},
		"SIGTERM, other one killed":  {with(signal(unix.SIGTERM), func(e *Evidence) { e.OOMKills = 1 }), Killed, false, "SIGTERM"},
		"SIGSEGV":                    {signal(unix.SIGSEGV), Crashed, true, "SIGSEGV"},
		"SIGABRT with a log":         {with(signal(unix.SIGABRT), func(e *Evidence) { e.HsErr = parseHsErr("x.log", segv, "libprofiler.so") }), Crashed, true, "x.log: SIGSEGV (0xb)"},
		"a log that says memory":     {with(signal(unix.SIGABRT), func(e *Evidence) { e.HsErr = parseHsErr("x.log", noMemory, "libprofiler.so") }), Exited, false, "insufficient memory"},
		"finished":                   {Evidence{Recording: Finished}, Exited, false, "finished its recording"},
		"cut off":                    {Evidence{Recording: CutOff}, CutShort, true, "not finished"},
		"cut off, memory":            {Evidence{Recording: CutOff, OOMKills: 2}, OOMKilled, false, "2 more"},
		"nothing":                    {Evidence{}, Unknown, false, "no recording"},
	}
	for name, test := range tests {
		got := Classify(test.evidence)
		if got.Cause != test.want || got.Blamable() != test.blame || !strings.Contains(got.Detail, test.detail) {
			t.Errorf("%s: %+v, blamable %v, want %s with %q", name, got, got.Blamable(), test.want, test.detail)
		}
	}
}

const frames = `#
#  SIGSEGV (0xb) at pc=0x00007f5b, pid=7, tid=8
#
# Problematic frame:
# C  [libc.so.6+0x1692d8]
#

---------------  T H R E A D  ---------------

Current thread (0x00007f0d5c0f2800):  JavaThread "worker-3" [_thread_in_vm, id=71, stack(0x00007f0d,0x00007f0e)]

Native frames: (J=compiled Java code, j=interpreted, Vv=VM code, C=native code)
C  [libc.so.6+0x1692d8]
C  [libprofiler-1f.so+0x2c1b0]  LockTracer::recordContendedLock(EventType, unsigned long)+0x90
C  [libprofiler-1f.so+0x2c6a1]  LockTracer::UnsafeParkHook(JNIEnv_*, _jobject*, unsigned char, long)+0xf1
j  jdk.internal.misc.Unsafe.park(ZJ)V+0 java.base@17.0.15

Java frames: (J=compiled Java code, j=interpreted, Vv=VM code)
j  jdk.internal.misc.Unsafe.park(ZJ)V+0 java.base@17.0.15

Dynamic libraries:
7f5b-7f5c r-xp 00000000 00:10 11    /lib/libprofiler-2e.so
`

const timer = `#
#  SIGSEGV (0xb) at pc=0x00007f9291885f16, pid=6373, tid=6400
#
# Problematic frame:
# C  [libc.so.6+0x85f16]
#

---------------  T H R E A D  ---------------

Current thread (0x00007f929113d2a0):  JavaThread "Async-profiler Timer" daemon [_thread_in_native, id=6400, stack(0x00007f928a30e000,0x00007f928a40e000) (1024K)]

Native frames: (J=compiled Java code, j=interpreted, Vv=VM code, C=native code)
C  [libc.so.6+0x85f16]

`

// The stack of the thread that crashed says whether the profiler was at work.
func TestStackOfACrash(t *testing.T) {
	for name, test := range map[string]struct {
		content, library string
		want             Stack
	}{
		"of the profiler":             {frames, "/lib/libprofiler-1f.so", ProfilerStack},
		"of another one":              {frames, "/lib/libprofiler-2e.so", OtherStack},
		"in a JVM without a profiler": {frames, "", UnknownStack},
		"one frame":                   {segv, "/lib/libprofiler-1f.so", OtherStack},
		"one frame, of the profiler":  {segv, "/lib/libc.so.6", ProfilerStack},
		"the profiler's thread":       {timer, "/lib/libprofiler-1f.so", ProfilerStack},
		"without a profiler of ours":  {timer, "", UnknownStack},
		"none":                        {noMemory, "/lib/libprofiler-1f.so", UnknownStack},
	} {
		if got := parseHsErr("x.log", test.content, test.library).Stack; got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	for want, words := range map[Stack]string{ProfilerStack: "is on the stack", OtherStack: "is not among the frames"} {
		got := Classify(Evidence{HsErr: &HsErr{Path: "x.log", Stack: want}})
		if got.Stack != want || !strings.Contains(got.Detail, words) {
			t.Errorf("%+v, want %q", got, words)
		}
	}
}

// Nothing is blamed for an end that the kernel calls an exit or a kill.
func TestBlameNeedsEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Evidence{
			HasStatus: rapid.Bool().Draw(t, "known"), Status: unix.WaitStatus(rapid.Uint32Range(0, 0xffff).Draw(t, "status")),
			OOMKills: rapid.Int64Range(0, 3).Draw(t, "kills"), Recording: Recording(rapid.IntRange(0, 2).Draw(t, "recording")),
		}
		got := Classify(e)
		supported := e.HasStatus && isCrash(e.Status.Signal()) || !e.HasStatus && e.Recording == CutOff
		if got.Blamable() && !supported {
			t.Errorf("%+v is blamed: %+v", e, got)
		}
		if got.Detail == "" {
			t.Errorf("%+v: no detail", e)
		}
	})
}

func FuzzHsErr(f *testing.F) {
	f.Add(segv)
	f.Add(noMemory)
	f.Add(frames)
	f.Fuzz(func(t *testing.T, content string) {
		log := parseHsErr("x", content, "libprofiler.so")
		if len(log.Summary) > maxSummary || strings.ContainsAny(log.Summary, "\x00\n\r\x1b") {
			t.Errorf("summary %q", log.Summary)
		}
	})
}

// Real JVMs, ended in different ways.
func TestEndsOfRealJVMs(t *testing.T) {
	procs, err := target.NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		signal syscall.Signal
		want   Cause
		log    bool
	}{
		"SIGTERM": {syscall.SIGTERM, Exited, false}, // HotSpot exits with 143
		"SIGKILL": {syscall.SIGKILL, Killed, false},
		"SIGSEGV": {syscall.SIGSEGV, Crashed, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := jvmtest.Start(t, jvmtest.Options{})
			p, err := procs.Process(j.PID)
			if err != nil {
				t.Fatal(err)
			}
			w := Start(procs, p)
			defer w.Close()
			since := time.Now().Add(-time.Second)
			if runs, known := w.Runs(); !runs || !known {
				t.Errorf("before its end: runs %t, known %t", runs, known)
			}
			j.Signal(test.signal)
			<-j.Done()
			if runs, known := w.Runs(); runs || !known {
				t.Errorf("after its end: runs %t, known %t", runs, known)
			}
			got := w.End(since, CutOff, "")
			if _, known := w.exitStatus(); !known && !test.log {
				t.Logf("this kernel does not tell the exit status: %+v", got)
				return
			}
			if got.Cause != test.want || test.log != strings.Contains(got.Detail, "hs_err_pid") {
				t.Errorf("%+v, want %s, log %v", got, test.want, test.log)
			}
		})
	}
}

// Of a process that has the number of one that has ended nothing is known.
func TestRunsOfAnotherProcess(t *testing.T) {
	procs, err := target.NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	w := Start(procs, target.Process{PID: os.Getpid(), StartTicks: 1})
	defer w.Close()
	if runs, known := w.Runs(); runs || known {
		t.Errorf("runs %t, known %t", runs, known)
	}
}

// A log of an earlier JVM of the same number, or something that is no file, is no
// evidence.
func TestOldLogs(t *testing.T) {
	dir := t.TempDir()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	path := filepath.Join(dir, "log")
	if err := os.WriteFile(path, []byte(segv), 0o644); err != nil {
		t.Fatal(err)
	}
	if readHsErr(d, "log", "", time.Now().Add(-time.Minute)) == nil {
		t.Error("a new log is not read")
	}
	if readHsErr(d, "log", "", time.Now().Add(time.Minute)) != nil {
		t.Error("an old log is read")
	}
	if err := exec.Command("mkfifo", filepath.Join(dir, "fifo")).Run(); err != nil {
		t.Fatal(err)
	}
	if readHsErr(d, "fifo", "", time.Time{}) != nil {
		t.Error("a FIFO is read")
	}
}

// The counters of the control group are read where the container shows them, and
// what the application puts there instead blocks nothing.
func TestCountersOfTheControlGroup(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "sys", "fs", "cgroup")
	if err := os.MkdirAll(filepath.Join(dir, "memory"), 0o755); err != nil {
		t.Fatal(err)
	}
	fifo, v1 := filepath.Join(dir, "memory.events"), filepath.Join(dir, "memory", "memory.oom_control")
	if err := syscall.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	write := func(kills string) {
		if err := os.WriteFile(v1, []byte("oom_kill_disable 0\nunder_oom 0\noom_kill "+kills+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("3")
	w := &Watch{pidfd: -1}
	defer w.Close()
	w.openOOM(root)
	write("5")
	if got := w.End(time.Time{}, CutOff, ""); got.Cause != OOMKilled || !strings.Contains(got.Detail, "2 more") {
		t.Errorf("%+v, want 2 kills", got)
	}
}

// Where the container has cgroup v2, as Linux 6.1 shows it.
func TestCountersOfTheUnifiedControlGroup(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "sys", "fs", "cgroup")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(events string) {
		if err := os.WriteFile(filepath.Join(dir, "memory.events"), []byte(events), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("low 0\nhigh 0\nmax 13693\noom 4\noom_kill 4\noom_group_kill 2\n")
	w := &Watch{pidfd: -1}
	defer w.Close()
	w.openOOM(root)
	if got := w.End(time.Time{}, CutOff, ""); got.Cause != CutShort {
		t.Errorf("%+v, and nobody was killed", got)
	}
	write("low 0\nhigh 0\nmax 13728\noom 5\noom_kill 7\noom_group_kill 3\n") // all of the container
	if got := w.End(time.Time{}, CutOff, ""); got.Cause != OOMKilled || !strings.Contains(got.Detail, "3 more") {
		t.Errorf("%+v, want 3 kills", got)
	}
}
