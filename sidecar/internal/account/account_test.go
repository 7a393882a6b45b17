package account

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// process is charged one second of CPU time each second.
type process struct {
	start time.Time
	gone  bool
}

func (p *process) read() (time.Duration, error) {
	if p.gone {
		return 0, errors.New("no such process")
	}
	return time.Since(p.start), nil
}

func TestBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{start: time.Now()}
		a := New(p.read)
		cut := func(took time.Duration) (middle time.Time) {
			a.Around(func() {
				time.Sleep(took / 2)
				middle = time.Now().Round(0)
				time.Sleep(took - took/2)
			})
			return middle
		}
		first := cut(4 * time.Millisecond)
		time.Sleep(time.Minute)
		second := cut(2 * time.Second)
		time.Sleep(time.Minute)
		p.gone = true
		third := cut(time.Millisecond)

		if got := a.Between(first, second); got == nil || *got != second.Sub(first) {
			t.Errorf("between the cuts: %v, want %s", got, second.Sub(first))
		}
		for name, span := range map[string][2]time.Time{
			"from no cut":        {first.Add(10 * time.Second), second},
			"to no cut":          {first, second.Add(10 * time.Second)},
			"backwards":          {second, first},
			"nothing":            {first, first},
			"of a gone process":  {second, third},
			"times of no window": {},
		} {
			if got := a.Between(span[0], span[1]); got != nil {
				t.Errorf("%s: %s, want not known", name, *got)
			}
		}
	})
}

func TestCutsAreBounded(t *testing.T) {
	a := New(func() (time.Duration, error) { return 0, nil })
	for range 3 * maxCuts {
		a.Around(func() {})
	}
	if len(a.cuts) != maxCuts {
		t.Errorf("%d cuts are kept", len(a.cuts))
	}
}
