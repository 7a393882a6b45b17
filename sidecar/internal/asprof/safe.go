package asprof

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// startingFor is how long a process may take to show a JVM's signs before the
// reason says that it shows none. It decides about words, never about a signal.
const startingFor = 2 * time.Minute

// RefuseSignal says why a process without an attach socket must not get the
// SIGQUIT that starts its attach listener; no reason if it may. launchers allows
// it for JVMs that another program than the java command has started.
//
// HotSpot attaches on SIGQUIT if it handles the signal itself (thread "Signal
// Dispatcher"), is past its start and was not told otherwise. All of that has to
// show: what only maps libjvm.so may take SIGQUIT for anything.
func RefuseSignal(p target.Process, s target.Signs, launchers bool) (profile.Reason, string) {
	switch {
	case s.Stopped:
		return profile.JVMStopped, ""
	case s.QuitPending:
		return profile.AttachTimeout, "a SIGQUIT that somebody has sent is still pending"
	case s.HasPerf && !s.PerfData.Attachable || s.Options.AttachDisabled:
		return profile.AttachDisabled, ""
	case s.Options.ReducedSignals || !handlesQuit(s) && s.Threads.Listener:
		return profile.SignalsReduced, ""
	case !handlesQuit(s) && time.Since(p.Start) < startingFor:
		return profile.JVMStarting, "SIGQUIT is not handled yet"
	case !handlesQuit(s):
		return profile.NoJVMSigns, ""
	case !s.Threads.Late && !s.PerfData.Initialised:
		return profile.JVMStarting, "the attach listener cannot be started yet"
	case !s.Launched && !launchers:
		return profile.LauncherNotJava, ""
	case s.Options.Unread != "" && (!s.HasPerf || !s.Threads.Dispatcher):
		return profile.OptionsUnreadable, "cannot be read: " + s.Options.Unread
	}
	return "", ""
}

// handlesQuit also knows JDK 8, whose threads have no names: there the
// performance data shows the JVM, and the options say the rest.
func handlesQuit(s target.Signs) bool {
	unnamed := !s.Threads.VM && s.PerfData.Initialised
	return s.CatchesQuit && (s.Threads.Dispatcher || unnamed)
}

// remakesSocket says whether a JVM makes its attach socket again after somebody
// has removed it. Seen: 11.0.5 does not and prints a thread dump instead,
// 11.0.13, 17, 21 and 25 do.
func remakesSocket(version string) bool {
	m := regexp.MustCompile(`^(\d+)(?:\.(\d+)\.(\d+))?`).FindStringSubmatch(version)
	if m == nil {
		return false
	}
	major, _ := strconv.Atoi(m[1])
	update, _ := strconv.Atoi(m[3])
	return major >= 17 || major == 11 && update >= 13
}

// missingSocket explains SocketMissing.
func missingSocket(version string) string {
	if version == "" {
		version = "of unknown version"
	}
	return fmt.Sprintf("a JVM %s does not make it again", version)
}
