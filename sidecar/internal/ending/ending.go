// Package ending tells how a JVM has ended, as far as a process that is not its
// parent can: an ordinary exit, a signal, the kernel's out-of-memory killer, or a
// crash. Only what supports it makes a crash.
package ending

import (
	"fmt"
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
}

// Blamable says whether a profiler command shortly before may be the cause.
func (e Ending) Blamable() bool { return e.Cause == Crashed || e.Cause == CutShort }

// Classify tells the cause. What the kernel says comes first, then the fatal
// error log, then the state of the recording.
func Classify(e Evidence) Ending {
	switch {
	case e.HsErr != nil && e.HsErr.OutOfMemory:
		return Ending{Exited, "the JVM ended itself when its memory ran out: " + e.HsErr.Summary}
	case e.HsErr != nil:
		return Ending{Crashed, e.HsErr.Path + ": " + e.HsErr.Summary}
	case e.HasStatus && e.Status.Exited():
		return Ending{Exited, fmt.Sprintf("exit code %d", e.Status.ExitStatus())}
	case e.HasStatus && isCrash(e.Status.Signal()):
		return Ending{Crashed, "signal " + unix.SignalName(e.Status.Signal())}
	case e.OOMKills > 0 && (!e.HasStatus || e.Status.Signal() == unix.SIGKILL):
		return Ending{OOMKilled, fmt.Sprintf("the kernel counts %d more processes of its control group that it killed", e.OOMKills)}
	case e.HasStatus:
		return Ending{Killed, "signal " + unix.SignalName(e.Status.Signal())}
	case e.Recording == Finished:
		return Ending{Exited, "it finished its recording"}
	case e.Recording == CutOff:
		return Ending{CutShort, "its last chunk is not finished, and there is no fatal error log"}
	}
	return Ending{Unknown, "it had no recording, and there is no fatal error log"}
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
}

const maxSummary = 300

// parseHsErr reads the head of a fatal error log, which is comments:
//
//	#  SIGSEGV (0xb) at pc=0x00007f…, pid=1, tid=7
//	# Problematic frame:
//	# C  [libc.so.6+0x1692d8]
func parseHsErr(path, content string) *HsErr {
	log := &HsErr{Path: path}
	var parts []string
	frame := false
	for line := range strings.Lines(content) {
		text, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "#")
		if !ok {
			break
		}
		text = printable(strings.TrimSpace(text))
		lower := strings.ToLower(text)
		switch {
		case frame || strings.Contains(text, ", pid="):
			parts, frame = append(parts, text), false
		case text == "Problematic frame:":
			frame = true
		case strings.Contains(lower, "insufficient memory") || strings.Contains(lower, "outofmemory") || strings.Contains(lower, "out of memory"):
			log.OutOfMemory = true
			parts = append(parts, text)
		}
	}
	log.Summary = strings.Join(parts, "; ")
	if len(log.Summary) > maxSummary {
		log.Summary = strings.ToValidUTF8(log.Summary[:maxSummary], "")
	}
	return log
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
}
