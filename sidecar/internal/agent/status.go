package agent

import (
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// TargetStatus is what the agent knows of one JVM.
type TargetStatus struct {
	Target      profile.Target
	State       session.State  // empty as long as nobody has looked
	Reason      profile.Reason // why it is not profiled; empty if it is
	Detail      string
	Since       time.Time // of State and Reason
	Session     string
	Adopted     bool // the session was begun by an earlier sidecar
	Options     string
	Engine      string
	LastStart   time.Time     // of the newest window in the spool
	LastWindow  time.Time     // its end
	Windows     int64         // made by this sidecar
	Stall       time.Duration // of the last dump
	LastError   string
	LastErrorAt time.Time
}

// note records why a JVM without a worker is not profiled.
func (a *Agent) note(p target.Process, r profile.Reason, detail string) {
	t := a.targetOf(p)
	a.update(p.Key(), func(s *TargetStatus) {
		s.Target = t
		s.set("", r, detail)
	})
}

func (s *TargetStatus) set(state session.State, r profile.Reason, detail string) {
	if s.State != state || s.Reason != r || s.Since.IsZero() {
		s.Since = time.Now()
	}
	s.State, s.Reason, s.Detail = state, r, detail
}

func (a *Agent) update(key string, change func(*TargetStatus)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.statuses[key]
	change(&s)
	a.statuses[key] = s
	a.metrics.showStates(a.statuses)
}

func (a *Agent) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.statuses, key)
	a.metrics.showStates(a.statuses)
}

// forgetOthers drops the status of JVMs that have ended.
func (a *Agent) forgetOthers(found []target.Process, running map[string]bool) {
	alive := map[string]bool{}
	for _, p := range found {
		alive[p.Key()] = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, s := range a.statuses {
		gone := s.Reason == profile.JVMExited && time.Since(s.Since) < showGone
		if !alive[key] && !running[key] && !gone {
			delete(a.statuses, key)
		}
	}
	a.metrics.showStates(a.statuses)
}

// showGone is how long an ended JVM stays in the status, so that a report can
// say that it has ended.
const showGone = 2 * time.Minute
