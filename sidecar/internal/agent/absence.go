package agent

import (
	"sync"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// noJVMAfter is how long a pod may take to start a JVM before it is told to have none.
const noJVMAfter = time.Minute

// absence tells of a pod in which no JVM was seen. No window and no other target
// says that there is such a pod.
type absence struct {
	mu           sync.Mutex
	began, ended time.Time // of the time without a JVM; ended is zero as long as it lasts
}

func (a *absence) look(jvms bool, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.began.IsZero() {
		a.began = now
	}
	if jvms && a.ended.IsZero() {
		a.ended = now
	}
}

// end is the end of looking.
func (a *absence) end(now time.Time) { a.look(true, now) }

// state is what is to be told now, and since when; ok is false if nothing is.
func (a *absence) state(now time.Time) (state profile.State, since time.Time, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.began.IsZero():
		return "", time.Time{}, false
	case a.ended.IsZero():
		return profile.StateSkipped, a.began, now.Sub(a.began) >= noJVMAfter
	}
	// What was never told is not taken back.
	told := a.ended.Sub(a.began) >= noJVMAfter
	return profile.StateGone, a.ended, told && now.Sub(a.ended) < showGone
}

// withoutJVM is the target that stands for a pod in which no JVM was seen: it has
// neither pid nor start, and is the same for every sidecar of the pod.
func (a *Agent) withoutJVM() (t profile.TargetReport, ok bool) {
	state, since, ok := a.absence.state(a.clock.Now())
	if !ok || a.config.Target.Pod == "" || a.config.Target.Service == "" {
		return profile.TargetReport{}, false
	}
	return profile.TargetReport{Identity: a.config.Target, State: profile.TargetState{
		State: state, Reason: profile.NoJVM, Since: since, WindowSeconds: int(a.config.Settings.Window / time.Second),
	}}, true
}
