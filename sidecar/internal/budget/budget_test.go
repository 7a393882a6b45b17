package budget

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func rule(t *rapid.T) Rule {
	asked := rapid.Int64Range(1, 1<<30).Draw(t, "asked")
	return Rule{
		Rate: rapid.IntRange(1, 10_000).Draw(t, "rate"), Asked: asked,
		Longest: asked * rapid.Int64Range(1, 1<<12).Draw(t, "longest") / rapid.Int64Range(1, 3).Draw(t, "of"),
	}
}

// Whatever the load: an interval is within its bounds, gives about the rate at
// most, is no longer than that needs, and stays as long as the load does.
func TestIntervalFitsTheLoad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rule(t)
		current := rapid.Int64Range(0, 2*r.Longest+1).Draw(t, "current")
		load := rapid.Float64Range(0, 1e15).Draw(t, "load")
		next := r.Next(current, load, load, true)
		if next < r.Asked || next > max(r.Asked, r.Longest) {
			t.Fatalf("interval %d of %+v", next, r)
		}
		most := load / float64(next)
		if most > above*float64(r.Rate) && next <= r.Longest/2 {
			t.Fatalf("%d leads to %d, which gives %.0f samples a second, of %+v", current, next, most, r)
		}
		if next/2 >= r.Asked && next != r.Bound(current) && 4*most < below*float64(r.Rate) {
			t.Fatalf("%d leads to %d, which gives %.0f samples a second, of %+v", current, next, most, r)
		}
		if again := r.Next(next, load, load, true); again != next {
			t.Fatalf("%d leads to %d, and that to %d", current, next, again)
		}
		if r.Next(current, load, load, false) < r.Bound(current) {
			t.Fatal("an interval is shorter too soon")
		}
		if r.Rate = 0; r.Next(current, load, load, true) != r.Asked {
			t.Fatal("without a budget the interval is another one than asked for")
		}
	})
}

func TestNext(t *testing.T) {
	const ms = int64(time.Millisecond)
	lock := Rule{Rate: 200, Asked: 10 * ms, Longest: 10_000 * ms}
	alloc := Rule{Rate: 200, Asked: 512 << 10, Longest: 4 << 20}
	cores := func(n float64) float64 { return n * 1e9 }
	for name, c := range map[string]struct {
		rule          Rule
		current, want int64
		last, peak    float64
		mayShorten    bool
	}{
		"two cores":                            {lock, 0, 10 * ms, cores(2), cores(2), true},
		"two and a half":                       {lock, 0, 10 * ms, cores(2.5), cores(2.5), true},
		"three":                                {lock, 0, 20 * ms, cores(3), cores(3), true},
		"32":                                   {lock, 0, 160 * ms, cores(32), cores(32), true},
		"2 GiB a second":                       {alloc, 0, 4 << 20, 2 << 30, 2 << 30, false},
		"600 MiB a second":                     {alloc, 0, 4 << 20, 600 << 20, 600 << 20, false},
		"back to three cores":                  {lock, 160 * ms, 20 * ms, cores(3), cores(3), true},
		"back to three cores, a moment ago 30": {lock, 160 * ms, 160 * ms, cores(3), cores(30), true},
		"back to three cores, too soon":        {lock, 160 * ms, 160 * ms, cores(3), cores(3), false},
		"a little less":                        {lock, 160 * ms, 160 * ms, cores(20), cores(20), true},
		"nothing":                              {lock, 160 * ms, 10 * ms, 0, 0, true},
	} {
		if got := c.rule.Next(c.current, c.last, c.peak, c.mayShorten); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestBounded(t *testing.T) {
	r := Rule{Rate: 200, Asked: 512 << 10, Longest: 4 << 20}
	for _, c := range []struct {
		current int64
		load    float64
		want    bool
	}{{4 << 20, 2 << 30, true}, {4 << 20, 800 << 20, false}, {2 << 20, 2 << 30, false}, {4 << 20, 0, false}} {
		if got := r.Bounded(c.current, c.load); got != c.want {
			t.Errorf("%.0f bytes a second every %d: %t", c.load, c.current, got)
		}
	}
	if r.Rate = 0; r.Bounded(4<<20, 1<<40) {
		t.Error("there is no budget")
	}
}

// An interval is made shorter for what a whole period had, not for a lull.
func TestLoads(t *testing.T) {
	l := Loads{Period: 10 * time.Minute}
	l.Begin(time.Hour)
	at := func(minutes int, perSecond float64) (last, peak float64, whole bool) {
		l.Note(time.Hour+time.Duration(minutes)*time.Minute, "cpu", perSecond)
		return l.Of("cpu")
	}
	for _, c := range []struct {
		minute          int
		load, last, top float64
		whole           bool
	}{{1, 9, 9, 9, false}, {2, 3, 3, 9, false}, {10, 2, 2, 9, true}, {19, 1, 1, 9, true}, {20, 1, 1, 2, true}, {30, 1, 1, 1, true}} {
		if last, top, whole := at(c.minute, c.load); last != c.last || top != c.top || whole != c.whole {
			t.Errorf("minute %d: %v %v %v, want %+v", c.minute, last, top, whole, c)
		}
	}
	if l.Begin(2 * time.Hour); l.events["cpu"] != (Load{last: 1}) {
		t.Errorf("%+v is remembered", l.events["cpu"])
	}
}

// sampler takes what passes a multiple of the interval, as async-profiler takes
// waits for locks (engine.h, updateCounter).
type sampler struct{ interval, sum float64 }

// take returns what an amount counts for in the profile.
func (s *sampler) take(amount float64) (weight float64) {
	if s.sum += amount; s.sum < s.interval {
		return 0
	}
	s.sum = math.Mod(s.sum, s.interval)
	return max(amount, s.interval)
}

// However the load changes, and with it the interval, the amounts that profiles
// find sum up to the true ones: each is weighed by the interval of its own session.
// The numbers are the same in every run.
func TestTotalsStayUnbiased(t *testing.T) {
	const histories, windows, seconds = 60, 40, 10
	r := Rule{Rate: 50, Asked: 10, Longest: 10_000}
	var found, truth float64
	changes := 0
	for seed := range uint64(histories) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := sampler{interval: float64(r.Asked)}
		for range windows {
			mean, load := math.Exp(6*random.Float64()), math.Exp(5+5*random.Float64())
			var window float64
			for all := 0.0; all < load*seconds; {
				amount := mean * random.ExpFloat64()
				all += amount
				truth += amount
				window += s.take(amount)
			}
			found += window
			next := r.Next(int64(s.interval), window/seconds, window/seconds, true)
			if next != int64(s.interval) {
				changes++
				s = sampler{interval: float64(next)} // another session, which begins from nothing
			}
		}
	}
	t.Logf("%d changes, %.5f of the truth", changes, found/truth)
	if off := found/truth - 1; math.Abs(off) > 0.005 {
		t.Errorf("profiles found %.2f %% more than there was", 100*off)
	}
	if changes < histories*windows/4 {
		t.Errorf("the interval changed only %d times", changes)
	}
}
