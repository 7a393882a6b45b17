package agent

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/profile"
)

// A pod without a JVM is a target after a minute, and gone when one comes after all
// or the sidecar ends; one that starts its JVM in time never is.
func TestPodWithoutJVM(t *testing.T) {
	for name, ends := range map[string]func(*absence, time.Time){
		"a JVM comes":      func(a *absence, now time.Time) { a.look(true, now) },
		"the sidecar ends": (*absence).end,
	} {
		t.Run(name, func(t *testing.T) {
			clock := &fakeClock{wall: time.Unix(1000, 0)}
			a := &Agent{clock: clock, board: newBoard(newMetrics(prometheus.NewRegistry()))}
			a.config.Target = profile.Target{Service: "shop", Pod: "shop-1"}
			tells := func(want ...profile.State) {
				t.Helper()
				var got []profile.State
				for _, target := range a.Report().Targets {
					got = append(got, target.State.State)
					if target.State.Reason != profile.NoJVM || target.Identity != a.config.Target {
						t.Errorf("told is %+v", target)
					}
				}
				if len(got) != len(want) || len(got) == 1 && got[0] != want[0] {
					t.Errorf("the states are %v, want %v", got, want)
				}
			}
			tells()
			a.absence.look(false, clock.Now())
			clock.pass(noJVMAfter - time.Second)
			tells()
			clock.pass(time.Second)
			tells(profile.StateSkipped)
			ends(&a.absence, clock.Now())
			tells(profile.StateGone)
			clock.pass(showGone)
			tells()
		})
	}
	t.Run("a JVM comes in time", func(t *testing.T) {
		var a absence
		now := time.Unix(1000, 0)
		a.look(false, now)
		a.look(true, now.Add(noJVMAfter-time.Second))
		if state, _, ok := a.state(now.Add(noJVMAfter)); ok {
			t.Errorf("it is told to be %s", state)
		}
	})
}
