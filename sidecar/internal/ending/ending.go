// Package ending tells how a JVM has ended, as far as a process that is not its
// parent can: an ordinary exit, a signal, the kernel's out-of-memory killer, or a
// crash. Only what supports it makes a crash.
package ending

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Evidence is what was found after the end of a JVM.
type Evidence struct {
	Status    unix.WaitStatus // valid if HasStatus: kernels from 6.15 on tell it to who holds a pidfd
	HasStatus bool
	HsErr     *HsErr // fatal error log; nil if none was found
	OOMKills  int64  // by the kernel in the JVM's control group since it was watched; 0 also if not readable
	Recording Recording
}

// Recording says in which state the JVM's recording was found.
type Recording int

// The states of a recording.
const (
	NoRecording Recording = iota // none was running, or it cannot be read
	Finished                     // async-profiler ended it, as it does when a JVM exits in good order
	CutOff                       // its last chunk is not finished
)

// Cause is how a JVM ended.
type Cause string

// The causes.
const (
	Exited    Cause = "exited"     // in good order, whatever its exit code
	Killed    Cause = "killed"     // by a signal that somebody sent
	OOMKilled Cause = "oom_killed" // by the kernel, for want of memory
	Crashed   Cause = "crashed"    // by an error in native code
	CutShort  Cause = "cut_short"  // killed or crashed: it did not finish its recording, and nothing else is known
	Unknown   Cause = "unknown"
)

// Ending is a cause with its evidence in words.
type Ending struct {
	Cause  Cause
	Detail string
	Stack  Stack // of a crash
}

// Stack says whose code a thread ran when it crashed.
type Stack int

// The stacks.
const (
	UnknownStack  Stack = iota // there is no fatal error log, or it has no native frames
	ProfilerStack              // the profiler's library is on it, or it is that of the profiler's own thread
	OtherStack                 // neither, as far as frames are known
)

// Blamable says whether a profiler command shortly before may be the cause.
func (e Ending) Blamable() bool { return e.Cause == Crashed || e.Cause == CutShort }

// Classify tells the cause. What the kernel says comes first, then the fatal
// error log, then the state of the recording.
func Classify(e Evidence) Ending {
	switch {
	case e.HsErr != nil && e.HsErr.OutOfMemory:
		return Ending{Cause: Exited, Detail: "the JVM ended itself when its memory ran out: " + e.HsErr.Summary}
	case e.HsErr != nil:
		return Ending{Crashed, e.HsErr.Path + ": " + e.HsErr.Summary + e.HsErr.Stack.words(), e.HsErr.Stack}
	case e.HasStatus && e.Status.Exited():
		return Ending{Cause: Exited, Detail: fmt.Sprintf("exit code %d", e.Status.ExitStatus())}
	case e.HasStatus && isCrash(e.Status.Signal()):
		return Ending{Cause: Crashed, Detail: "signal " + unix.SignalName(e.Status.Signal())}
	case e.OOMKills > 0 && (!e.HasStatus || e.Status.Signal() == unix.SIGKILL):
		return Ending{Cause: OOMKilled, Detail: fmt.Sprintf("the kernel counts %d more processes of its control group that it killed", e.OOMKills)}
	case e.HasStatus:
		return Ending{Cause: Killed, Detail: "signal " + unix.SignalName(e.Status.Signal())}
	case e.Recording == Finished:
		return Ending{Cause: Exited, Detail: "it finished its recording"}
	case e.Recording == CutOff:
		return Ending{Cause: CutShort, Detail: "its last chunk is not finished, and there is no fatal error log"}
	}
	return Ending{Cause: Unknown, Detail: "it had no recording, and there is no fatal error log"}
}

func (s Stack) words() string {
	switch s {
	case ProfilerStack:
		return "; the profiler is on the stack"
	case OtherStack:
		return "; the profiler is not among the frames"
	}
	return ""
}

// isCrash knows the signals that faults raise.
func isCrash(s unix.Signal) bool {
	switch s {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGILL, unix.SIGFPE, unix.SIGABRT, unix.SIGTRAP, unix.SIGSYS:
		return true
	}
	return false
}

// HsErr is HotSpot's fatal error log.
type HsErr struct {
	Path        string // in the JVM's container
	Summary     string // the error and the problematic frame; bounded
	OutOfMemory bool   // -XX:+CrashOnOutOfMemoryError, or no memory from the kernel
	Stack       Stack
}

const maxSummary = 300

// profilerThread is async-profiler's own, whose native frames HotSpot does not find.
const profilerThread = "\"Async-profiler"

// parseHsErr reads a fatal error log: its head, which is comments, and the native
// frames of the thread that crashed, among which it looks for those of a library.
//
//	#  SIGSEGV (0xb) at pc=0x00007f…, pid=1, tid=7
//	# Problematic frame:
//	# C  [libc.so.6+0x1692d8]
//	…
//	Current thread (0x00007f…):  JavaThread "worker" [_thread_in_vm, id=7, …]
//	…
//	Native frames: (J=compiled Java code, …)
//	C  [libc.so.6+0x1692d8]
//	V  [libjvm.so+0x9e3b75]  Unsafe_Park+0x105
func parseHsErr(path, content, library string) *HsErr {
	log := &HsErr{Path: path}
	head, rest := cutHead(content)
	var parts []string
	frame := false
	for line := range strings.Lines(head) {
		text := printable(strings.TrimSpace(strings.TrimPrefix(strings.TrimRight(line, "\r\n"), "#")))
		lower := strings.ToLower(text)
		switch {
		case frame:
			parts, frame = append(parts, text), false
			log.Stack = log.Stack.with(text, library)
		case strings.Contains(text, ", pid="):
			parts = append(parts, text)
		case text == "Problematic frame:":
			frame = true
		case strings.Contains(lower, "insufficient memory") || strings.Contains(lower, "outofmemory") || strings.Contains(lower, "out of memory"):
			log.OutOfMemory = true
			parts = append(parts, text)
		}
	}
	_, rest, _ = strings.Cut(rest, "\nCurrent thread")
	thread, rest, _ := strings.Cut(rest, "\n")
	if library != "" && strings.Contains(thread, profilerThread) {
		log.Stack = ProfilerStack
	}
	_, rest, _ = strings.Cut(rest, "\nNative frames:")
	_, rest, _ = strings.Cut(rest, "\n")
	frames, _, _ := strings.Cut(rest, "\n\n")
	for line := range strings.Lines(frames) {
		log.Stack = log.Stack.with(line, library)
	}
	log.Summary = strings.Join(parts, "; ")
	if len(log.Summary) > maxSummary {
		log.Summary = strings.ToValidUTF8(log.Summary[:maxSummary], "")
	}
	return log
}

// cutHead cuts a log behind the comments that it begins with.
func cutHead(content string) (head, rest string) {
	n := 0
	for line := range strings.Lines(content) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		n += len(line)
	}
	return content[:n], content[n:]
}

// with adds a native frame to a stack: C  [NAME+0xOFFSET]  FUNCTION
func (s Stack) with(frame, library string) Stack {
	_, name, _ := strings.Cut(frame, "[")
	name, _, ok := strings.Cut(name, "+0x")
	switch {
	case s == ProfilerStack || !ok || library == "":
		return s
	case name == filepath.Base(library):
		return ProfilerStack
	}
	return OtherStack
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
}
