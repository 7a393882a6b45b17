package agent

import (
	"slices"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/session"
)

// Report describes all targets to the backend.
func (a *Agent) Report() profile.Report {
	r := profile.Report{Instance: a.owner.instance, ReportedAt: a.clock.Now().UTC()}
	for _, s := range a.Status() {
		if a.untold(s) {
			continue
		}
		if s.Reason == profile.JVMStarting && r.ReportedAt.Before(s.Target.JVMStart.Add(a.config.Limits.StartDelay)) {
			continue // no target yet, see worker.forget
		}
		r.Targets = append(r.Targets, profile.TargetReport{Identity: s.Target, State: a.stateOf(s)})
	}
	if t, ok := a.withoutJVM(); ok {
		r.Targets = append(r.Targets, t)
	}
	slices.SortStableFunc(r.Targets, func(x, y profile.TargetReport) int {
		return slices.Index(profile.States(), x.State.State) - slices.Index(profile.States(), y.State.State)
	})
	r.Targets = r.Targets[:min(len(r.Targets), profile.MaxReportTargets)]
	return r
}

// untold says whether a JVM is none of the targets: the user has left it out by pid.
func (a *Agent) untold(s TargetStatus) bool {
	return s.Reason == profile.NotSelected && len(a.config.PIDs) > 0
}

func (a *Agent) stateOf(s TargetStatus) profile.TargetState {
	settings := s.Settings
	if len(settings.Events) == 0 {
		settings = a.config.Settings
	}
	state := profile.TargetState{
		State: reportState(s), Reason: s.Reason, Detail: cut(detailOf(s)), Since: s.Since,
		WindowSeconds: int(settings.Window / time.Second),
		Session:       s.Session, Adopted: s.Adopted, Engine: s.Engine, Events: settings.Events,
		Options: cut(s.Options), LastError: cut(s.LastError), StallNS: s.Stall.Nanoseconds(),
		ReadWaitNS: s.ReadWait.Nanoseconds(), Threads: &settings.Threads,
	}
	if s.Refused != "" && s.Reason == "" {
		state.Reason, state.Detail = profile.AnnotationRefused, cut(s.Refused)
	}
	if s.Session != "" {
		state.ProfilerVersion = s.Profiler
	}
	if !s.LastEnd.IsZero() {
		state.LastWindowStart, state.LastWindowEnd = &s.LastStart, &s.LastEnd
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
	case profile.NotSelected, profile.Paused, profile.OpenJ9, profile.NativeImage, profile.AttachDisabled, profile.TooManyTargets,
		profile.SignalsReduced, profile.CrashedAfterAttach, profile.NoJVMSigns, profile.LauncherNotJava, profile.OptionsUnreadable:
		return profile.StateSkipped
	}
	return profile.StateFailed
}
