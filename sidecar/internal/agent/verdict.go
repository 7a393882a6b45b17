package agent

import (
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/ending"
	"github.com/podflame/podflame/sidecar/internal/session"
)

// verdict says whether the profiler is to blame for the end of a JVM. Whatever is
// not notOurs makes us leave JVMs of its kind alone.
type verdict string

const (
	notOurs   verdict = ""          // nothing speaks against the profiler
	undecided verdict = "undecided" // it crashed, or may have, when a command was to be borne for the first time, or ran
	ours      verdict = "ours"      // the profiler is on the stack that crashed
)

// suspect is a command that a JVM may not have borne.
type suspect struct {
	op string
	at time.Time
}

// judge weighs the end of a JVM. A stack with the profiler on it is proof, however
// long after a command.
func judge(end ending.Ending, s suspect, now time.Time, window time.Duration) verdict {
	switch {
	case end.Stack == ending.ProfilerStack:
		return ours
	case end.Blamable() && s.op != "" && now.Sub(s.at) < window:
		return undecided
	}
	return notOurs
}

// mayHarm says whether a JVM that ends soon after a command may have ended because
// of it. Commands that it has borne before come with every window, as sessions do
// where they show live objects: a JVM that ends soon after one of these has ended by
// chance, if it did not end while the command ran.
func (w *worker) mayHarm(op string, err error) bool {
	if asprof.ReasonOf(err) == profile.JVMExited && asprof.StageOf(err) == asprof.Sent {
		return true
	}
	switch op {
	case "dump", "metrics", "version":
		return false
	}
	return slices.ContainsFunc(w.settings.Events, func(event string) bool { return !slices.Contains(w.borne, event) })
}

// bear enters that the JVM lives with a session.
func (w *worker) bear(r session.Recording) {
	if w.clock.Now().Sub(r.Started.Add(r.Shift)) < w.config.Limits.CrashWindow {
		return
	}
	for _, event := range r.Events {
		if !slices.Contains(w.borne, event) {
			w.borne = append(w.borne, event)
		}
	}
}
