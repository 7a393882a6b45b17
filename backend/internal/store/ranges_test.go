package store_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// The windows of several ranges of a service are read together: each range has the
// account that it has alone, however the ranges lie.
func TestRangesSideBySideAreAsEachAlone(t *testing.T) {
	s := storetest.Open(t, patient)
	random := rand.New(rand.NewPCG(7, 7))
	const minutes = 100
	for pod := range 2 {
		m := newMaker("cart", pod)
		m.stacks = 3
		for at := 0; at < minutes; at++ {
			switch w := m.window(today().Add(time.Duration(at) * time.Minute)); random.IntN(4) {
			case 0: // it is missing
			case 1: // it says why there is none, of some minutes
				w.Sets, w.Coverage, w.Recorded = nil, nil, profile.Span{}
				w.End = w.Start.Add(time.Duration(1+random.IntN(5)) * time.Minute)
				w.Losses = []profile.Loss{{Outcome: profile.Dropped, Reason: profile.JVMStopped, Duration: w.End.Sub(w.Start)}}
				insert(t, s, w)
				at += int(w.End.Sub(w.Start)/time.Minute) - 1
			default:
				insert(t, s, w)
			}
		}
	}
	draw := func() store.Selection {
		from := random.IntN(minutes)
		return selection("cart", profile.CPU, today().Add(time.Duration(from)*time.Minute), time.Duration(1+random.IntN(minutes-from))*time.Minute)
	}
	for range 10 {
		ranges := []store.Selection{draw(), draw()}
		together, err := s.Sums(t.Context(), ranges...)
		if err != nil {
			t.Fatal(err)
		}
		for i, one := range ranges {
			alone, err := s.Sums(t.Context(), one)
			if err != nil {
				t.Fatal(err)
			}
			side, want := together.Sides[i], alone.Sides[0]
			if d := cmp.Diff(want.Coverage.Account, side.Coverage.Account); d != "" {
				t.Errorf("%s to %s beside another (-alone +beside):\n%s", one.From, one.To, d)
			}
			if side.Total != want.Total || side.Coverage.Targets != want.Coverage.Targets {
				t.Errorf("%s to %s beside another has %+v of %d targets, alone %+v of %d", one.From, one.To, side.Total, side.Coverage.Targets, want.Total, want.Coverage.Targets)
			}
			diff(t, "stacks", stacksOf(alone.Tree, 0, profile.CPU), stacksOf(together.Tree, i, profile.CPU))
		}
	}
}
