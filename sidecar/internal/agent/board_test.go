package agent

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// A JVM without a worker is told to have ended, for as long as others are, and what
// was no target is forgotten at once.
func TestLeftOutJVMsEnd(t *testing.T) {
	process := func(pid int) target.Process { return target.Process{PID: pid, StartTicks: 1} }
	leftOut, stays, worked, young, unasked := process(1), process(2), process(3), process(4), process(5)
	b := newBoard(newMetrics(prometheus.NewRegistry()))
	begun := time.Unix(1000, 0)
	for p, reason := range map[target.Process]profile.Reason{
		leftOut: profile.NotSelected, stays: profile.TooManyTargets, worked: profile.Conflict, young: profile.JVMStarting,
		unasked: profile.NotSelected,
	} {
		b.update(p.Key(), func(s *TargetStatus) {
			s.Target = profile.Target{Service: "shop", PID: p.PID}
			s.set(begun, "", reason, "for some reason")
		})
	}
	running := map[string]bool{worked.Key(): true}
	untold := func(s TargetStatus) bool { return s.Target.PID == unasked.PID }
	check := func(at time.Time, found []target.Process, want map[target.Process]profile.Reason) {
		t.Helper()
		b.endOthers(found, running, at, untold)
		if got := len(b.list()); got != len(want) {
			t.Errorf("after %s there are %d JVMs, want %d", at.Sub(begun), got, len(want))
		}
		for p, reason := range want {
			if got := b.get(p.Key()); got.Reason != reason {
				t.Errorf("after %s JVM %d is %q, want %q", at.Sub(begun), p.PID, got.Reason, reason)
			}
		}
	}
	ended := begun.Add(time.Minute)
	check(begun, []target.Process{leftOut, stays, worked, young, unasked}, map[target.Process]profile.Reason{
		leftOut: profile.NotSelected, stays: profile.TooManyTargets, worked: profile.Conflict, young: profile.JVMStarting, unasked: profile.NotSelected})
	still := map[target.Process]profile.Reason{leftOut: profile.JVMExited, stays: profile.TooManyTargets, worked: profile.Conflict}
	check(ended, []target.Process{stays}, still)
	if s := b.get(leftOut.Key()); !s.Since.Equal(ended) || s.Detail != "" || reportState(s) != profile.StateGone {
		t.Errorf("the end of the one that is left out is told as %+v", s)
	}
	check(ended.Add(showGone-time.Second), []target.Process{stays}, still)
	delete(still, leftOut)
	check(ended.Add(showGone), []target.Process{stays}, still)
}
