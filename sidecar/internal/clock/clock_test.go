package clock

import (
	"testing"
	"time"
)

func TestClocksOfTheKernelGoOn(t *testing.T) {
	boot, awake, wall := SinceBoot(), Awake(), Wall()
	if boot <= 0 || awake <= 0 || boot < awake-time.Second {
		t.Errorf("booted %s ago, awake for %s", boot, awake)
	}
	if SinceBoot() < boot || Awake() < awake {
		t.Error("a clock that nobody can set went back")
	}
	if wall != wall.Round(0) {
		t.Errorf("%v has a monotonic part", wall)
	}
}

// The process loses the CPU between two clocks: what it read then is of two moments.
func TestAtOnceTriesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		away int // attempts within which the process is away for an hour
		ok   bool
	}{
		"never away":    {0, true},
		"twice":         {2, true},
		"each time":     {attempts, false},
		"the last time": {attempts - 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			now, reads := 100*time.Hour, 0
			clock := func() time.Duration {
				if reads++; reads <= c.away {
					defer func() { now += time.Hour }()
				}
				return now
			}
			at, then, ok := AtOnce(time.Second, clock, func() time.Duration { return now })
			if ok != c.ok || ok && at != then || reads > attempts {
				t.Errorf("%s and %s, %v after %d reads", at, then, ok, reads)
			}
		})
	}
}
