package agent

import (
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// TargetStatus is what the agent knows of one JVM.
type TargetStatus struct {
	Target      profile.Target `json:"target"`
	State       session.State  `json:"state"`            // empty as long as nobody has looked
	Reason      profile.Reason `json:"reason,omitempty"` // why it is not profiled; empty if it is
	Detail      string         `json:"detail,omitempty"`
	Since       time.Time      `json:"since"` // of State and Reason
	Session     string         `json:"session,omitempty"`
	LastWindow  time.Time      `json:"lastWindow"` // end of the newest window in the spool
	Windows     int64          `json:"windows"`    // made by this sidecar
	LastError   string         `json:"lastError,omitempty"`
	LastErrorAt time.Time      `json:"lastErrorAt"`
}

// note records why a JVM without a worker is not profiled.
func (a *Agent) note(p target.Process, r profile.Reason, detail string) {
	a.update(p.Key(), func(s *TargetStatus) {
		if s.Target.PID == 0 {
			s.Target = a.targetOf(p)
		}
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
	s := a.statuses[key]
	a.mu.Unlock()
	change(&s) // not under the lock: it may look at the journal
	a.mu.Lock()
	defer a.mu.Unlock()
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
	for _, s := range a.keys() {
		if !alive[s] && !running[s] {
			a.forget(s)
		}
	}
}

func (a *Agent) keys() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	keys := make([]string, 0, len(a.statuses))
	for key := range a.statuses {
		keys = append(keys, key)
	}
	return keys
}
