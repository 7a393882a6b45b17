package agent

import (
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/session"
)

// profilerVersion is that of the library in tests/setup/pins.sh and the images.
const profilerVersion = "4.5"

// Report describes all targets to the backend. JVMs that the user has left out
// by pid are none of its targets.
func (a *Agent) Report() profile.Report {
	r := profile.Report{Instance: a.instance, ReportedAt: time.Now().UTC()}
	for _, s := range a.Status() {
		if s.Reason == profile.NotSelected && len(a.config.PIDs) > 0 {
			continue
		}
		r.Targets = append(r.Targets, profile.TargetReport{Identity: s.Target, State: a.stateOf(s)})
	}
	slices.SortStableFunc(r.Targets, func(x, y profile.TargetReport) int {
		return slices.Index(profile.States(), x.State.State) - slices.Index(profile.States(), y.State.State)
	})
	r.Targets = r.Targets[:min(len(r.Targets), profile.MaxReportTargets)]
	return r
}

func (a *Agent) stateOf(s TargetStatus) profile.TargetState {
	state := profile.TargetState{
		State: reportState(s), Reason: s.Reason, Detail: cut(s.Detail), Since: s.Since,
		WindowSeconds: int(a.config.Settings.Window / time.Second),
		Session:       s.Session, Adopted: s.Adopted, Engine: s.Engine, Events: a.config.Settings.Events,
		Options: cut(s.Options), LastError: cut(s.LastError), StallNS: s.Stall.Nanoseconds(),
	}
	if s.Session != "" {
		state.ProfilerVersion = profilerVersion
	}
	if !s.LastWindow.IsZero() {
		state.LastWindowStart, state.LastWindowEnd = &s.LastStart, &s.LastWindow
	}
	return state
}

func cut(s string) string { return s[:min(len(s), profile.MaxReportText/2)] }

// reportState maps what was seen in the JVM to what a user is told.
func reportState(s TargetStatus) profile.State {
	switch {
	case s.Reason == "" && s.State == session.Owned:
		return profile.StateProfiled
	case s.Reason == profile.JVMExited:
		return profile.StateGone
	case s.Reason == "" || s.Reason == profile.JVMStarting || s.Reason == profile.SessionEnded:
		return profile.StateWaiting
	case s.Reason == profile.Conflict || s.Reason == profile.UnknownProfiler:
		return profile.StateConflict
	}
	switch s.Reason {
	case profile.NotSelected, profile.OpenJ9, profile.NativeImage, profile.AttachDisabled, profile.TooManyTargets,
		profile.SignalsReduced, profile.CrashedAfterAttach:
		return profile.StateSkipped
	}
	return profile.StateFailed
}
