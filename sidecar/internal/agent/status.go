package agent

import (
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/timeline"
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
	Settings    contract.Settings
	Capture     string // that is under way, in words
	Sampling    string // where the budget has made intervals longer, in words
	Refused     string // annotations that are not followed, and why
	Engine      string
	Profiler    string        // version of the library, as it says
	LastStart   time.Time     // of the newest window in the spool
	LastEnd     time.Time     // of it
	Windows     int64         // made by this sidecar
	Stall       time.Duration // of the last dump
	ReadWait    time.Duration // of the newest window, for its recording's turn to be read
	LastError   string
	LastErrorAt time.Time
	Time        timeline.Sums // what the time since From was
	From, Until time.Time     // the time that is accounted for
	Difference  time.Duration // of the account and what the windows in the spool say; always 0
}

// leftOut says whether it is of a JVM that is not to be profiled, for a reason.
func (s *TargetStatus) leftOut() bool {
	return s.Reason != "" && s.Reason != profile.JVMStarting && s.Reason != profile.JVMExited && s.Target.Service != ""
}

func (s *TargetStatus) set(now time.Time, state session.State, r profile.Reason, detail string) {
	if s.State != state || s.Reason != r || s.Since.IsZero() {
		s.Since = now
	}
	s.State, s.Reason, s.Detail = state, r, detail
}
