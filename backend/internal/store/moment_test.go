package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// even makes windows that all hold the same: 20 samples of 10 ms, and 3 that
// were given up. Whatever set of windows an answer is about, its number follows
// from each of its figures.
func (m *maker) even(start time.Time, session string) *profile.Window {
	w := m.window(start)
	w.Session, w.Sets, w.Coverage = session, nil, nil
	w.ID = profile.NewWindowID(m.target.SeriesID(), session, start)
	b := profile.NewBuilder(profile.CPU, profile.DefaultLimits())
	for i := range 20 {
		frames := []uint32{b.Function("java.lang.Thread.run", profile.Java), b.Function(fmt.Sprint("shop.Cart.m", m.random.IntN(40)+i), profile.Java)}
		b.Add(frames, profile.Amount{Value: 1e7, Count: 1})
	}
	b.Lose(profile.Truncated, profile.StackLimit, profile.Amount{Value: 3e7, Count: 3})
	set, coverage := b.Build()
	w.Sets, w.Coverage = []profile.StackSet{set}, []profile.Coverage{coverage}
	w.Losses = []profile.Loss{{Outcome: profile.Dropped, Reason: profile.ProfilerStall, Duration: time.Millisecond}}
	return w
}

// agree says which figures of an account are not about the same windows. Each
// window begins anew, so windows and headers are the same number.
func agree(a *store.Account) string {
	n := a.Windows.Stored
	truncated := a.Ledger.Sum(profile.Truncated)
	var stall time.Duration
	for _, l := range a.Losses {
		if l.Reason == profile.ProfilerStall {
			stall += l.Duration
		}
	}
	switch {
	case a.Ledger.Check() != nil:
		return a.Ledger.Check().Error()
	case a.Ledger.Stored != (profile.Amount{Value: 2e8 * n, Count: 20 * n}):
		return fmt.Sprintf("%d windows, stored %+v", n, a.Ledger.Stored)
	case truncated != (profile.Amount{Value: 3e7 * n, Count: 3 * n}):
		return fmt.Sprintf("%d windows, truncated %+v", n, truncated)
	case stall != time.Duration(n)*time.Millisecond:
		return fmt.Sprintf("%d windows, stalled %s", n, stall)
	}
	return ""
}

// TestOneMomentOneAnswer asks while windows arrive, for the present and for
// hours that are being rolled up: graph, total, ledger and counts of each answer
// are about the same windows.
func TestOneMomentOneAnswer(t *testing.T) {
	s := storetest.Open(t, noSkew, patient)
	now := time.Now().UTC().Truncate(time.Second)
	hour := now.Add(-3 * time.Hour).Truncate(time.Hour)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var inserted atomic.Int64
	var work sync.WaitGroup
	for pod := range 4 {
		work.Go(func() {
			m := newMaker("cart", pod)
			m.length = time.Second
			for i := 0; ctx.Err() == nil && !t.Failed(); i++ {
				starts := []time.Time{now.Add(-time.Duration(i) * time.Second), hour.Add(time.Duration(i*4+pod) * time.Second % time.Hour)}
				for _, start := range starts {
					insert(t, s, m.even(start, fmt.Sprint("session-", i/900)))
					inserted.Add(1)
				}
				if i%10 == pod { // now and then
					if _, err := s.RollupDue(context.Background(), now); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	sel := selection("cart", profile.CPU, hour, now.Sub(hour)+time.Minute)
	one := sel
	one.Versions = []string{"v1"}
	for range 6 {
		checkMoment(t, s, sel)
		checkMoment(t, s, one)
	}
	stop()
	work.Wait()
	sums, err := s.Sums(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	if last := sums.Sides[0]; last.Coverage.Windows.Stored != inserted.Load() || last.Excess != (profile.Amount{}) {
		t.Errorf("%d windows in the last answer, %d inserted, excess %+v", last.Coverage.Windows.Stored, inserted.Load(), last.Excess)
	}
}

// TestWindowsUnderWayAreNotCounted: samples are written before their header, and
// whoever reads in between must not see them in the graph only.
func TestWindowsUnderWayAreNotCounted(t *testing.T) {
	s := storetest.Open(t, noSkew)
	now := time.Now().UTC().Truncate(time.Minute)
	m := newMaker("cart", 0)
	closed := now.Add(-3 * time.Hour).Truncate(time.Hour)
	whole := []*profile.Window{m.even(closed, "a"), m.even(now.Add(-time.Hour), "a"), m.even(now.Add(-2*time.Minute), "a")}
	for _, w := range whole {
		insert(t, s, w)
	}
	underWay := func(at time.Time) {
		t.Helper()
		statement := fmt.Sprintf("INSERT INTO @.samples SELECT * REPLACE (toDateTime(%d, 'UTC') AS window_start) FROM (SELECT * FROM @.samples WHERE window_start = toDateTime(%d, 'UTC'))",
			at.Unix(), closed.Unix())
		if err := s.Conn().Exec(t.Context(), s.SQL(statement)); err != nil {
			t.Fatal(err)
		}
	}
	sel := selection("cart", profile.CPU, closed, now.Sub(closed)+time.Minute)
	check := func(what string) {
		t.Helper()
		checkMoment(t, s, sel)
		diff(t, what, merged(profile.CPU, whole...), read(t, s, sel))
	}
	check("before")
	underWay(now.Add(-time.Minute))
	check("a fresh window")
	underWay(now.Add(-30 * time.Minute))
	check("a late window")
	underWay(closed.Add(20 * time.Minute))
	if n, err := s.RollupDue(t.Context(), now); n == 0 || err != nil {
		t.Fatalf("%d hours rolled up, %v", n, err)
	}
	check("a window that is in the roll-up already")
	one := sel
	one.Pods = []string{m.target.Pod}
	diff(t, "a pod", merged(profile.CPU, whole...), read(t, s, one))

	// Samples that stay without a header, in a window that has one: that cannot be
	// told apart, so it is told.
	underWay(now.Add(-2 * time.Minute))
	untilAttemptsSeeAll(t, s)
	sums, err := s.Sums(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	if side := sums.Sides[0]; side.Excess != (profile.Amount{Value: 2e8, Count: 20}) {
		t.Errorf("excess is %+v, total %+v, stored %+v, queries %d", side.Excess, side.Total, side.Coverage.Ledger.Stored, sums.Cost.Queries)
	}
}

// untilAttemptsSeeAll waits until all windows are so old that each attempt at a moment,
// of which the last looks back furthest, has them.
func untilAttemptsSeeAll(t *testing.T, s *store.Store) {
	t.Helper()
	statement := s.SQL(fmt.Sprintf("SELECT max(received_at) < now64(3) - toIntervalMillisecond(%d) FROM @.profiles", store.LongestLookBack.Milliseconds()))
	for seen := false; !seen; {
		if err := s.Conn().QueryRow(t.Context(), statement).Scan(&seen); err != nil {
			t.Fatal(err)
		}
	}
}

func checkMoment(t *testing.T, s *store.Store, sel store.Selection) {
	t.Helper()
	sums, err := s.Sums(context.Background(), sel)
	if err != nil {
		t.Error(err)
		return
	}
	side, set := sums.Sides[0], stacksOf(sums.Tree, 0, sel.Type)
	if bad := agree(&side.Coverage.Account); bad != "" {
		t.Errorf("coverage of the graph: %s", bad)
	}
	if total := set.Total().Add(side.Omitted); total != side.Total || total != side.Coverage.Ledger.Stored {
		t.Errorf("the graph has %+v, its total is %+v, its ledger says %+v", total, side.Total, side.Coverage.Ledger.Stored)
	}
	cells, whole, err := s.Timeline(context.Background(), sel, sel.From, 10*time.Minute)
	if err != nil {
		t.Error(err)
		return
	}
	if bad := agree(&whole.Account); bad != "" {
		t.Errorf("coverage of the timeline: %s", bad)
	}
	var sum profile.Amount
	for i := range cells {
		if bad := agree(&cells[i].Account); bad != "" {
			t.Errorf("cell at %s: %s", cells[i].Start, bad)
		}
		sum = sum.Add(cells[i].Ledger.Stored)
	}
	if sum != whole.Ledger.Stored {
		t.Errorf("cells have %+v, the timeline %+v", sum, whole.Ledger.Stored)
	}
	checkOverview(t, s, sel.Range)
}

func checkOverview(t *testing.T, s *store.Store, span store.Range) {
	t.Helper()
	all, err := s.Overview(context.Background(), store.ServiceFilter{Range: span}, span.From, 10*time.Minute)
	if err != nil {
		t.Error(err)
		return
	}
	for _, service := range all.Services {
		activity := all.Activity[service.ServiceKey]
		n, cpu := activity.Windows.Stored, activity.Types[profile.CPU]
		want, inSteps := profile.Amount{Value: 2e8 * n, Count: 20 * n}, int64(0)
		for _, step := range cpu.Steps {
			inSteps += step.Value
		}
		if service.Windows != n || service.Types[0].Stored != want || inSteps != want.Value || activity.Losses[0].Count != 3*n {
			t.Errorf("%d windows, listed %d with %+v, steps %+v, losses %+v", n, service.Windows, service.Types[0], cpu.Steps, activity.Losses)
		}
	}
}
