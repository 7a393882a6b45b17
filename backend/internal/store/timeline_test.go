package store_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
)

// withoutSamples is a window that only says why there is nothing.
func (m *maker) withoutSamples(start time.Time, reason profile.Reason) *profile.Window {
	w := m.window(start)
	w.Sets, w.Coverage = nil, nil
	w.Losses = []profile.Loss{{Outcome: profile.Dropped, Reason: reason, Duration: m.length}}
	return w
}

func TestTimelineSaysWhatIsMissingAndWhy(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	m.types = []profile.Type{profile.CPU, profile.Alloc}
	start := today()
	minute := func(i int) time.Time { return start.Add(time.Duration(i) * time.Minute) }
	// 0, 1: whole; 2: a reason only; 3: never came; 4: another target as well, which
	// was not asked for allocations.
	windows := []*profile.Window{m.window(minute(0)), m.window(minute(1)), m.withoutSamples(minute(2), profile.SidecarRestarted), m.window(minute(4))}
	second := newMaker("cart", 1)
	second.types = []profile.Type{profile.CPU}
	windows = append(windows, second.window(minute(4)))
	// The rest of a window after a restart: the same window, not a second one.
	rest := m.window(minute(1))
	rest.Session = "session-2"
	windows[1].Recorded.End = minute(1).Add(30 * time.Second)
	rest.Recorded.Start = windows[1].Recorded.End
	rest.ID = profile.NewWindowID(m.target.SeriesID(), rest.Session, rest.Start)
	windows = append(windows, rest)
	for _, w := range windows {
		insert(t, s, w)
	}
	sel := selection("cart", profile.CPU, start.Add(-time.Minute), 7*time.Minute)
	cells, whole, err := s.Timeline(t.Context(), sel, sel.From, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if cost := whole.Cost; cost.Queries == 0 || cost.RowsRead == 0 || cost.BytesRead == 0 {
		t.Errorf("cost %+v", whole.Cost)
	}
	limit := profile.Loss{Outcome: profile.Truncated, Reason: profile.StackLimit, Value: 7, Count: 2}
	twice := profile.Loss{Outcome: profile.Truncated, Reason: profile.StackLimit, Value: 14, Count: 4}
	amount := func(ws ...*profile.Window) profile.Amount {
		set := merged(profile.CPU, ws...)
		return set.Total()
	}
	type cell struct {
		at      int
		status  store.CellStatus
		windows store.WindowCount
		stored  profile.Amount
		losses  []profile.Loss // of samples
		time    []profile.Loss
	}
	want := []cell{
		{at: -1, status: store.CellNone},
		{0, store.CellPartial, store.WindowCount{Expected: 1, Stored: 1}, amount(windows[0]), []profile.Loss{limit}, nil},
		{1, store.CellPartial, store.WindowCount{Expected: 1, Stored: 1}, amount(windows[1], rest), []profile.Loss{twice}, nil},
		{2, store.CellLost, store.WindowCount{Expected: 1, Lost: 1}, profile.Amount{}, nil, windows[2].Losses},
		{3, store.CellLost, store.WindowCount{Expected: 1, Missing: 1}, profile.Amount{}, nil,
			[]profile.Loss{{Outcome: profile.Dropped, Reason: profile.NoReport, Duration: time.Minute}}},
		{4, store.CellPartial, store.WindowCount{Expected: 2, Stored: 2}, amount(windows[3], windows[4]), []profile.Loss{twice}, nil},
		{at: 5, status: store.CellNone},
	}
	var got []cell
	for _, c := range cells {
		got = append(got, cell{int(c.Start.Sub(start) / time.Minute), c.Status, c.Windows, c.Ledger.Stored, c.Ledger.Losses, c.Losses})
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(cell{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("cells (-want +got):\n%s", d)
	}

	coverage, err := s.Coverage(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	if want := (store.WindowCount{Expected: 6, Stored: 4, Lost: 1, Missing: 1}); coverage.Windows != want || coverage.Targets != 2 {
		t.Errorf("coverage %+v of %d targets, want %+v of 2", coverage.Windows, coverage.Targets, want)
	}
	if err := coverage.Ledger.Check(); err != nil {
		t.Error(err)
	}
	coverage.Cost, whole.Cost = store.Cost{}, store.Cost{}
	if d := cmp.Diff(coverage, whole); d != "" {
		t.Errorf("account of the timeline (-coverage +timeline):\n%s", d)
	}
	if len(coverage.Losses) != 2 || coverage.Ledger.Stored != amount(windows[0], windows[1], rest, windows[3], windows[4]) {
		t.Errorf("coverage %+v", coverage)
	}
	alloc := sel
	alloc.Type = profile.Alloc
	if coverage, err := s.Coverage(t.Context(), alloc); err != nil || coverage.Targets != 1 || coverage.Windows.Stored != 3 {
		t.Errorf("coverage of alloc %+v, %v; want 3 windows of 1 target", coverage, err)
	}
}

func TestTimelineExpectsWhoStillReports(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	m.types = []profile.Type{profile.CPU}
	m.length = 10 * time.Second
	now := time.Now().UTC().Truncate(10 * time.Second)
	insert(t, s, m.window(now.Add(-5*time.Minute)))
	if err := s.PutTargets(t.Context(), []store.TargetStatus{{Target: m.target, State: "owned"}}); err != nil {
		t.Fatal(err)
	}
	coverage := func() store.WindowCount {
		t.Helper()
		c, err := s.Coverage(t.Context(), store.Selection{
			ServiceKey: store.ServiceKey{Cluster: "c1", Namespace: "shop", Service: "cart"}, Type: profile.CPU,
			Range: store.Range{From: now.Add(-10 * time.Minute), To: now.Add(time.Minute)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c.Windows
	}
	// 30 windows in five minutes, and some more by the time of the report.
	if w := coverage(); w.Stored != 1 || w.Expected < 30 || w.Expected > 40 || w.Missing != w.Expected-1 || w.Pending < 3 || w.Pending >= w.Missing {
		t.Errorf("windows of a target that reports: %+v", w)
	}
	gone := store.TargetStatus{Target: m.target, Reason: profile.JVMExited, LastEnd: now.Add(-4 * time.Minute)}
	if err := s.PutTargets(t.Context(), []store.TargetStatus{gone}); err != nil {
		t.Fatal(err)
	}
	if w := coverage(); w != (store.WindowCount{Expected: 6, Stored: 1, Missing: 5}) {
		t.Errorf("windows of a target that is gone: %+v, want 6 in a minute", w)
	}
}

// A target owes windows from its first to its end, and is charged with the time
// that it lived.
func TestTargetIsChargedForItsOwnLife(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	m.types = []profile.Type{profile.CPU}
	m.target.JVMStart = today().Add(20 * time.Second)
	w := m.window(today())
	w.Recorded = profile.Span{Start: m.target.JVMStart, End: w.End}
	insert(t, s, w)
	gone := store.TargetStatus{Target: m.target, State: string(profile.StateGone), Reason: profile.JVMExited, LastEnd: w.End, Since: today().Add(132 * time.Second)}
	if err := s.PutTargets(t.Context(), []store.TargetStatus{gone}); err != nil {
		t.Fatal(err)
	}
	sel := selection("cart", profile.CPU, today().Add(-time.Hour), 2*time.Hour)
	cells, whole, err := s.Timeline(t.Context(), sel, sel.From, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{0, time.Minute, 12 * time.Second, 0} {
		c := cells[60+i]
		if got := sumOf(c.Losses); got != want {
			t.Errorf("minute %d is charged with %s, want %s", i, got, want)
		}
	}
	want := store.Time{Recorded: 40 * time.Second, Lived: 112 * time.Second, Covered: 112 * time.Second}
	if whole.Time != want || whole.Windows != (store.WindowCount{Expected: 3, Stored: 1, Missing: 2}) || sumOf(whole.Losses) != 72*time.Second {
		t.Errorf("%+v, want %+v and 2 of 3 windows missing, 72 s", whole.Account, want)
	}
}

// A pod that ends early in a long window has not lived to its end: else two pods seem to
// run where one takes over from the other.
func TestTargetEndsWithinItsLastWindow(t *testing.T) {
	s := storetest.Open(t, noSkew)
	old, next := newMaker("cart", 0), newMaker("cart", 1)
	end := today().Add(65 * time.Second)
	next.target.JVMStart = end
	for _, m := range []*maker{old, next} {
		m.types = []profile.Type{profile.CPU}
		insert(t, s, m.window(today().Add(time.Minute)))
		status := store.TargetStatus{Target: m.target, Reason: profile.JVMExited, Since: today().Add(2 * time.Minute), WindowLength: time.Minute}
		if m == old {
			insert(t, s, m.window(today()))
			status.Since = end.Add(-400 * time.Millisecond)
		}
		if err := s.PutTargets(t.Context(), []store.TargetStatus{status}); err != nil {
			t.Fatal(err)
		}
	}
	sel := selection("cart", profile.CPU, today(), time.Hour)
	whole, err := s.Coverage(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Overview(t.Context(), store.ServiceFilter{Range: sel.Range}, sel.From, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	lived, windows := 2*time.Minute, store.WindowCount{Expected: 3, Stored: 3}
	of := all.Activity[sel.ServiceKey]
	for name, got := range map[string]store.Time{"coverage": whole.Time, "the list of services": of.Types[profile.CPU].Time} {
		if got.Lived != lived || got.Covered != lived {
			t.Errorf("%s says %+v, want one target at a time for %s", name, got, lived)
		}
	}
	if whole.Windows != windows || of.Windows != windows {
		t.Errorf("windows are %+v, in the list %+v, want %+v", whole.Windows, of.Windows, windows)
	}
}

// The window that is being recorded is no time without a target.
func TestWindowUnderWayIsPending(t *testing.T) {
	const length = 10 * time.Minute // the longest
	s := storetest.Open(t, noSkew)
	m := newMaker("cart", 0)
	m.length, m.types = length, []profile.Type{profile.CPU}
	begun := time.Now().UTC().Truncate(length)
	m.target.JVMStart = begun.Add(-length)
	insert(t, s, m.window(begun.Add(-length)))
	if err := s.PutTargets(t.Context(), []store.TargetStatus{{Target: m.target, State: "profiled", WindowLength: length}}); err != nil {
		t.Fatal(err)
	}
	cells, _, err := s.Timeline(t.Context(), selection("cart", profile.CPU, begun.Add(-2*length), 6*length), begun.Add(-2*length), length)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]store.CellStatus{0: store.CellNone, 2: store.CellPending, 5: store.CellNone} {
		if cells[i].Status != want {
			t.Errorf("cell %d is %+v, want %s", i, cells[i], want)
		}
	}
}

func sumOf(losses []profile.Loss) (sum time.Duration) {
	for _, l := range losses {
		sum += l.Duration
	}
	return sum
}

// A window that says for a long time why there is nothing stands for all the
// windows that it covers, in each step.
func TestLongGapsCoverTheirSteps(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	m.types = []profile.Type{profile.CPU}
	minute := func(i int) time.Time { return today().Add(time.Duration(i) * time.Minute) }
	gap := m.window(minute(2))
	gap.Recorded, gap.End = profile.Span{}, minute(5)
	gap.Sets, gap.Coverage = nil, []profile.Coverage{{Type: profile.CPU}}
	gap.Losses = []profile.Loss{{Outcome: profile.Dropped, Reason: profile.SidecarRestarted, Duration: 170 * time.Second}}
	for _, w := range []*profile.Window{m.window(minute(0)), m.window(minute(1)), gap, m.window(minute(5)), m.window(minute(7))} {
		insert(t, s, w)
	}
	sel := selection("cart", profile.CPU, today(), 10*time.Minute)
	cells, whole, err := s.Timeline(t.Context(), sel, sel.From, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want := store.WindowCount{Expected: 8, Stored: 4, Lost: 3, Missing: 1}
	if whole.Windows != want || sumOf(whole.Losses) != 230*time.Second {
		t.Errorf("%+v of %s, want %+v, 170 s for the gap and 60 s missing", whole.Windows, sumOf(whole.Losses), want)
	}
	for i, want := range []store.CellStatus{store.CellPartial, store.CellPartial, store.CellLost, store.CellLost, store.CellLost, store.CellPartial, store.CellLost, store.CellPartial} {
		if cells[i].Status != want {
			t.Errorf("minute %d is %s, want %s: %+v", i, cells[i].Status, want, cells[i])
		}
		if gone := i >= 2 && i <= 4; gone && (len(cells[i].Losses) != 1 || cells[i].Losses[0].Reason != profile.SidecarRestarted) {
			t.Errorf("minute %d says %+v", i, cells[i].Losses)
		}
	}
	all, err := s.Overview(t.Context(), store.ServiceFilter{Range: sel.Range}, sel.From, time.Hour)
	if err != nil || all.Activity[sel.ServiceKey].Windows != want || all.Activity[sel.ServiceKey].WindowLength != time.Minute {
		t.Errorf("%+v, %v, want %+v", all.Activity[sel.ServiceKey], err, want)
	}
}

// A range that begins within a gap of several steps says what the gap is of, not
// that nobody reported.
func TestRangesMayBeginInAGap(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	m.types = []profile.Type{profile.CPU}
	minute := func(i int) time.Time { return today().Add(time.Duration(i) * time.Minute) }
	gap := m.window(minute(2))
	gap.Recorded, gap.End = profile.Span{}, minute(12)
	gap.Sets, gap.Coverage = nil, []profile.Coverage{{Type: profile.CPU}}
	gap.Losses = []profile.Loss{
		{Outcome: profile.Dropped, Reason: profile.Paused, Duration: 2 * time.Minute},
		{Outcome: profile.Dropped, Reason: profile.SidecarRestarted, Duration: 8 * time.Minute},
	}
	for _, w := range []*profile.Window{m.window(minute(0)), m.window(minute(1)), gap, m.window(minute(12))} {
		insert(t, s, w)
	}
	for name, test := range map[string]struct {
		from, to int
		windows  store.WindowCount
		lost     time.Duration
	}{
		"to its end":     {7, 13, store.WindowCount{Expected: 6, Stored: 1, Lost: 5}, 5 * time.Minute},
		"within it":      {4, 9, store.WindowCount{Expected: 5, Lost: 5}, 5 * time.Minute},
		"from its begin": {2, 13, store.WindowCount{Expected: 11, Stored: 1, Lost: 10}, 10 * time.Minute},
		"after it":       {12, 13, store.WindowCount{Expected: 1, Stored: 1}, 0},
		"from before it": {1, 13, store.WindowCount{Expected: 12, Stored: 2, Lost: 10}, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			sel := selection("cart", profile.CPU, minute(test.from), time.Duration(test.to-test.from)*time.Minute)
			cells, whole, err := s.Timeline(t.Context(), sel, sel.From, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if whole.Windows != test.windows || sumOf(whole.Losses) != test.lost {
				t.Errorf("%+v, %s lost, want %+v, %s: %+v", whole.Windows, sumOf(whole.Losses), test.windows, test.lost, whole.Losses)
			}
			for i, c := range cells {
				if c.Windows.Missing > 0 || c.Windows.Stored == 0 && (c.Status != store.CellLost || len(c.Losses) == 0) {
					t.Errorf("minute %d: %+v", test.from+i, c)
				}
			}
			all, err := s.Overview(t.Context(), store.ServiceFilter{Range: sel.Range}, sel.From, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if got := all.Activity[sel.ServiceKey]; got != nil && (got.Windows != test.windows || sumOf(got.Unclaimed) != test.lost) {
				t.Errorf("the list of services says %+v, %s lost", got.Windows, sumOf(got.Unclaimed))
			}
		})
	}
}

// The first window of a session is shorter than the others, and one that was cut late is
// longer: what they hold is not missing, in no answer, and what is missing is.
func TestWindowsOfUnusualLengths(t *testing.T) {
	const usual = time.Minute
	at := func(seconds int) time.Time { return today().Add(time.Duration(seconds) * time.Second) }
	s := storetest.Open(t, noSkew, patient)
	tests := map[string]struct {
		ends   []int // of windows that follow each other, s
		lacks  int   // the start of one that did not come; -1 for none
		want   store.WindowCount
		silent bool // its sidecar has never reported
	}{
		"the first is short":                      {[]int{10, 60, 120, 180, 240, 300}, -1, store.WindowCount{Expected: 6, Stored: 6}, false},
		"one was cut late":                        {[]int{60, 120, 240, 300}, -1, store.WindowCount{Expected: 4, Stored: 4}, false},
		"both":                                    {[]int{25, 60, 240, 300}, -1, store.WindowCount{Expected: 4, Stored: 4}, false},
		"the first is short and one is missing":   {[]int{10, 60, 120, 180, 240, 300}, 120, store.WindowCount{Expected: 6, Stored: 5, Missing: 1}, false},
		"one was cut late and one is missing":     {[]int{60, 180, 240, 300}, 180, store.WindowCount{Expected: 4, Stored: 3, Missing: 1}, false},
		"the first is short, and nobody reported": {[]int{10, 60, 120, 180, 240, 300}, -1, store.WindowCount{Expected: 6, Stored: 6}, true},
		"one was cut late, and nobody reported":   {[]int{60, 120, 240, 300}, -1, store.WindowCount{Expected: 4, Stored: 4}, true},
		"one is missing, and nobody reported":     {[]int{60, 120, 180, 240, 300}, 120, store.WindowCount{Expected: 5, Stored: 4, Missing: 1}, true},
	}
	for name, test := range tests {
		m, from := newMaker(name, 0), 0
		m.target.JVMStart = at(3)
		for _, to := range test.ends {
			if from != test.lacks {
				insert(t, s, m.lasting(at(from), time.Duration(to-from)*time.Second))
			}
			from = to
		}
		if test.silent {
			continue
		}
		status := store.TargetStatus{Target: m.target, State: "gone", Reason: profile.JVMExited, Since: at(300), WindowLength: usual}
		if err := s.PutTargets(t.Context(), []store.TargetStatus{status}); err != nil {
			t.Fatal(err)
		}
	}
	// From within a window on as well: what began before the range reaches into it.
	for _, from := range []time.Time{at(0), at(130)} {
		span := store.Range{From: from, To: at(600)}
		counts := map[string]store.WindowCount{}
		for name, test := range tests {
			cells, whole, err := s.Timeline(t.Context(), selection(name, profile.CPU, from, at(600).Sub(from)), from, usual)
			if err != nil {
				t.Fatal(err)
			}
			counts[name] = whole.Windows
			if from.Equal(at(0)) && whole.Windows != test.want {
				t.Errorf("%s: %+v, want %+v", name, whole, test.want)
			}
			for i, c := range cells {
				here := store.Range{From: c.Start, To: c.Start.Add(usual)}
				lacks := test.lacks >= 0 && !at(test.lacks).Before(here.From) && at(test.lacks).Before(here.To)
				if none := !here.From.Before(at(300)); lacks != (c.Windows.Missing > 0) || none != (c.Status == store.CellNone) {
					t.Errorf("%s: cell %d from %s on is %+v", name, i, here.From.Format(time.TimeOnly), c)
				}
			}
		}
		for _, source := range []string{"headers", "activity"} {
			all, err := s.Overview(t.Context(), store.ServiceFilter{Range: span}, from, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range counts {
				got := all.Activity[selection(name, "", from, 0).ServiceKey]
				if got == nil || got.Windows != want || sumOf(got.Unclaimed) > time.Duration(want.Missing)*usual {
					t.Errorf("%s: the list of services out of %s from %s on says %+v, want %+v", name, source, from.Format(time.TimeOnly), got, want)
				}
			}
			if _, err := s.SumActivity(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		exec(t, s, "TRUNCATE TABLE @.activity_known") // now headers are read again
	}
}

// A target that is known not to record a type owes no window of it, and what it
// lost is no loss of the type.
func TestTypesThatAreNotRecordedAreNotExpected(t *testing.T) {
	s := storetest.Open(t)
	all, some := newMaker("cart", 0), newMaker("cart", 1)
	some.types = []profile.Type{profile.CPU}
	insert(t, s, all.window(today()))
	insert(t, s, some.window(today()))
	insert(t, s, some.withoutSamples(today().Add(time.Minute), profile.SidecarRestarted))
	for _, m := range []*maker{all, some} {
		status := store.TargetStatus{Target: m.target, Events: m.types, Reason: profile.JVMExited, Since: today().Add(2 * time.Minute)}
		if err := s.PutTargets(t.Context(), []store.TargetStatus{status}); err != nil {
			t.Fatal(err)
		}
	}
	for kind, want := range map[profile.Type]store.WindowCount{
		profile.CPU:   {Expected: 4, Stored: 2, Lost: 1, Missing: 1},
		profile.Alloc: {Expected: 2, Stored: 1, Missing: 1},
	} {
		sel := selection("cart", kind, today(), time.Hour)
		c, err := s.Coverage(t.Context(), sel)
		if err != nil || c.Windows != want {
			t.Errorf("%s: %+v, %v; want %+v", kind, c, err, want)
		}
		lives, err := s.Overview(t.Context(), store.ServiceFilter{Range: sel.Range}, sel.From, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if got := lives.Activity[sel.ServiceKey].Types[kind].Time; got != c.Time {
			t.Errorf("%s: time is %+v in the list, %+v in the profile", kind, got, c.Time)
		}
	}
}

// The kernel's account is summed over the windows that have it, together with
// what the profile captured in these.
func TestKernelAccount(t *testing.T) {
	s := storetest.Open(t)
	m := newMaker("cart", 0)
	m.types = []profile.Type{profile.CPU, profile.Lock}
	var want store.Kernel
	for i := range 3 {
		w := m.window(today().Add(time.Duration(i) * time.Minute))
		if i > 0 { // one of an older sidecar
			w.KernelCPU = new(time.Duration(i) * time.Second)
			want.Windows++
			want.Charged += *w.KernelCPU
			want.Profiled += time.Duration(w.CoverageOf(profile.CPU).Captured.Value)
		}
		insert(t, s, w)
	}
	for kind, want := range map[profile.Type]store.Kernel{profile.CPU: want, profile.Lock: {}} {
		c, err := s.Coverage(t.Context(), selection("cart", kind, today(), time.Hour))
		if err != nil || c.Kernel != want {
			t.Errorf("kernel beside %s is %+v, want %+v; %v", kind, c.Kernel, want, err)
		}
	}
}

func TestServicesTargetsEventsAndHealth(t *testing.T) {
	s := storetest.Open(t, noSkew)
	var shop []*profile.Window
	for pod := range 3 {
		shop = append(shop, newMaker("cart", pod).window(today()))
		insert(t, s, shop[pod])
	}
	other := newMaker("cart", 0)
	other.target.Namespace = "bank"
	last := other.window(today().Add(time.Minute))
	insert(t, s, other.window(today()))
	insert(t, s, last)
	filter := store.ServiceFilter{Range: store.Range{From: today(), To: today().Add(time.Hour)}}
	list, truncated, _, err := s.Services(t.Context(), filter)
	if err != nil || truncated || len(list) != 2 {
		t.Fatalf("services %+v, %v, %v", list, truncated, err)
	}
	if b := list[0]; b.Namespace != "bank" || b.Targets != 1 || b.Windows != 2 || !b.LastEnd.Equal(last.End) || len(b.Types) != len(profile.Types()) {
		t.Errorf("bank: %+v", b)
	}
	alloc := merged(profile.Alloc, shop...)
	if c := list[1]; c.Targets != 3 || len(c.Versions) != 2 || c.Versions[0] != "v0" || c.Types[0].Stored != alloc.Total() {
		t.Errorf("shop: %+v", c)
	}
	filter.Namespaces = []string{"shop"}
	if list, _, _, err := s.Services(t.Context(), filter); err != nil || len(list) != 1 {
		t.Errorf("services of a namespace: %+v, %v", list, err)
	}
	filter.Namespaces = []string{}
	if list, _, _, err := s.Services(t.Context(), filter); err != nil || len(list) != 0 {
		t.Errorf("services of no namespace: %+v, %v", list, err)
	}

	status := store.TargetStatus{
		Target: other.target, State: "conflict", Reason: profile.Conflict, Detail: "another profiler", Session: "s", Profiler: "4.5", Sidecar: "0.1",
		Extra: `{"a":1}`, SpoolWindows: 2, SpoolBytes: 3, SpoolOldest: today(), LastEnd: today().Add(time.Minute),
		Since: today(), WindowLength: time.Minute, Events: []profile.Type{profile.CPU, profile.Lock},
	}
	first := status
	first.State = "free"
	for _, st := range []store.TargetStatus{first, status} {
		if err := s.PutTargets(t.Context(), []store.TargetStatus{st}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // the latest report is the one with the later millisecond
	}
	targets, _, _, err := s.Targets(t.Context(), store.TargetFilter{Namespaces: []string{"bank"}})
	if err != nil || len(targets) != 1 {
		t.Fatalf("targets %+v, %v", targets, err)
	}
	if targets[0].SeriesID != other.target.SeriesID() || targets[0].ReportedAt.IsZero() {
		t.Errorf("target %+v", targets[0])
	}
	if d := cmp.Diff(status, targets[0], cmpopts.IgnoreFields(store.TargetStatus{}, "SeriesID", "ReportedAt")); d != "" {
		t.Errorf("target (-want +got):\n%s", d)
	}

	bank := store.ServiceKey{Cluster: "c1", Namespace: "bank", Service: "cart"}
	for since, want := range map[time.Time]time.Duration{{}: time.Minute, targets[0].ReportedAt: time.Minute, targets[0].ReportedAt.Add(time.Millisecond): 0} {
		if length, err := s.WindowLength(t.Context(), bank, since); length != want || err != nil {
			t.Errorf("since %s, windows are %s long, %v; want %s", since, length, err, want)
		}
	}

	s.Record(store.Event{Outcome: store.Accepted, Windows: 1, Bytes: 10, Samples: 100})
	s.Record(store.Event{Outcome: store.Accepted, Windows: 1, Bytes: 10, Samples: 100})
	s.Record(store.Event{Outcome: store.Rejected, Reason: profile.Malformed, Windows: 1})
	s.Record(store.Event{Outcome: store.Dropped, Reason: profile.StackLimit, Windows: 1, Samples: math.MaxInt64})
	for range 2 {
		if err := s.FlushEvents(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	hour := time.Now().UTC().Truncate(time.Hour)
	events, _, err := s.Events(t.Context(), store.Range{From: hour.Add(-time.Hour), To: hour.Add(2 * time.Hour)}, 3*time.Hour)
	want := []store.EventCell{
		{Start: hour.Add(-time.Hour), Event: store.Event{Outcome: store.Accepted, Windows: 2, Bytes: 20, Samples: 200}},
		{Start: hour.Add(-time.Hour), Event: store.Event{Outcome: store.Dropped, Reason: profile.StackLimit, Windows: 1, Samples: 1 << 53}},
		{Start: hour.Add(-time.Hour), Event: store.Event{Outcome: store.Rejected, Reason: profile.Malformed, Windows: 1}},
	}
	if d := cmp.Diff(want, events); d != "" || err != nil {
		t.Errorf("events (-want +got):\n%s %v", d, err)
	}

	h := s.Health(t.Context())
	if !h.Reachable || h.Version == "" || h.Room.Total == 0 || h.Room.Used == 0 || h.WriteError != "" || h.LastInsert == 0 || len(h.Tables) < 5 || !h.Oldest.Equal(today()) || h.RollupBehind != 2 {
		t.Errorf("health %+v", h)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// The windows of a JVM were of a minute until they became longer, by an annotation: none of
// the longer ones is missed of the time before, wherever that lies within one.
func TestWindowsThatBecameLonger(t *testing.T) {
	s := storetest.Open(t, noSkew, patient)
	at := func(minutes int) time.Time { return today().Add(time.Duration(minutes) * time.Minute) }
	const windows, lost = 6, 2
	for first := range 10 {
		m := newMaker(fmt.Sprint("from minute ", first), 0)
		m.target.JVMStart = at(first).Add(20 * time.Second)
		for i := range windows {
			w := m.lasting(at(first+i), time.Minute)
			if i == lost {
				w = m.withoutSamples(at(first+i), profile.SidecarRestarted)
			}
			insert(t, s, w)
		}
		status := store.TargetStatus{Target: m.target, State: "gone", Reason: profile.JVMExited, Since: at(first + windows), WindowLength: 10 * time.Minute}
		if err := s.PutTargets(t.Context(), []store.TargetStatus{status}); err != nil {
			t.Fatal(err)
		}
	}
	span := store.Range{From: today(), To: at(10 + windows)}
	all, err := s.Overview(t.Context(), store.ServiceFilter{Range: span}, span.From, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for first := range 10 {
		name, want := fmt.Sprint("from minute ", first), store.WindowCount{Expected: windows, Stored: windows - 1, Lost: 1}
		sel := selection(name, profile.CPU, span.From, time.Duration(first+windows)*time.Minute)
		got, err := s.Coverage(t.Context(), sel)
		if err != nil {
			t.Fatal(err)
		}
		listed := all.Activity[sel.ServiceKey]
		if got.Windows != want || listed == nil || listed.Windows != want {
			t.Errorf("%s: %+v, in the list %+v; want %+v", name, got.Windows, listed, want)
		}
	}
}
