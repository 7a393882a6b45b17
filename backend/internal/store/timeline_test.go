package store_test

import (
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
	rest.ID = profile.NewWindowID(m.target.SeriesID(), rest.Session, rest.Start)
	windows = append(windows, rest)
	for _, w := range windows {
		insert(t, s, w)
	}
	sel := selection("cart", profile.CPU, start.Add(-time.Minute), 7*time.Minute)
	cells, cost, err := s.Timeline(t.Context(), sel, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if cost.Queries == 0 || cost.RowsRead == 0 || cost.BytesRead == 0 {
		t.Errorf("cost %+v", cost)
	}
	limit := profile.Loss{Outcome: profile.Truncated, Reason: profile.StackLimit, Value: 7, Count: 2}
	twice := profile.Loss{Outcome: profile.Truncated, Reason: profile.StackLimit, Value: 14, Count: 4}
	amount := func(ws ...*profile.Window) profile.Amount {
		set := merged(profile.CPU, ws...)
		return set.Total()
	}
	want := []store.Cell{
		{Start: minute(-1), Status: store.CellNone},
		{Start: minute(0), Status: store.CellPartial, Windows: store.WindowCount{Expected: 1, Stored: 1}, Stored: amount(windows[0]), Losses: []profile.Loss{limit}},
		{Start: minute(1), Status: store.CellPartial, Windows: store.WindowCount{Expected: 1, Stored: 1}, Stored: amount(windows[1], rest), Losses: []profile.Loss{twice}},
		{Start: minute(2), Status: store.CellLost, Windows: store.WindowCount{Expected: 1, Lost: 1}, Losses: windows[2].Losses},
		{Start: minute(3), Status: store.CellLost, Windows: store.WindowCount{Expected: 1, Missing: 1},
			Losses: []profile.Loss{{Outcome: profile.Dropped, Reason: profile.NoReport, Duration: time.Minute}}},
		{Start: minute(4), Status: store.CellPartial, Windows: store.WindowCount{Expected: 2, Stored: 2}, Stored: amount(windows[3], windows[4]), Losses: []profile.Loss{twice}},
		{Start: minute(5), Status: store.CellNone},
	}
	if d := cmp.Diff(want, cells, cmpopts.EquateEmpty()); d != "" {
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
	gone := store.TargetStatus{Target: m.target, Reason: profile.JVMExited, LastWindow: now.Add(-4 * time.Minute)}
	if err := s.PutTargets(t.Context(), []store.TargetStatus{gone}); err != nil {
		t.Fatal(err)
	}
	if w := coverage(); w != (store.WindowCount{Expected: 6, Stored: 1, Missing: 5}) {
		t.Errorf("windows of a target that is gone: %+v, want 6 in a minute", w)
	}
}

func TestServicesTargetsEventsAndHealth(t *testing.T) {
	s := storetest.Open(t, noSkew)
	for pod := range 3 {
		insert(t, s, newMaker("cart", pod).window(today()))
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
	if b := list[0]; b.Namespace != "bank" || b.Targets != 1 || b.Windows != 2 || !b.FirstWindow.Equal(today()) || !b.LastWindow.Equal(last.End) || len(b.Types) != 4 {
		t.Errorf("bank: %+v", b)
	}
	if c := list[1]; c.Targets != 3 || len(c.Versions) != 2 || c.Versions[0] != "v0" || c.Types[0].Lost.Count != 6 {
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
		Extra: `{"a":1}`, SpoolWindows: 2, SpoolBytes: 3, SpoolOldest: today(), LastWindow: today().Add(time.Minute),
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

	s.Record(store.Event{Outcome: store.Accepted, Windows: 1, Bytes: 10, Samples: 100})
	s.Record(store.Event{Outcome: store.Accepted, Windows: 1, Bytes: 10, Samples: 100})
	s.Record(store.Event{Outcome: store.Rejected, Reason: profile.Malformed, Windows: 1})
	for range 2 {
		if err := s.FlushEvents(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	hour := time.Now().UTC().Truncate(time.Hour)
	events, _, err := s.Events(t.Context(), store.Range{From: hour.Add(-time.Hour), To: hour.Add(2 * time.Hour)}, 3*time.Hour)
	want := []store.EventCell{
		{Start: hour.Add(-time.Hour), Event: store.Event{Outcome: store.Accepted, Windows: 2, Bytes: 20, Samples: 200}},
		{Start: hour.Add(-time.Hour), Event: store.Event{Outcome: store.Rejected, Reason: profile.Malformed, Windows: 1}},
	}
	if d := cmp.Diff(want, events); d != "" || err != nil {
		t.Errorf("events (-want +got):\n%s %v", d, err)
	}

	h := s.Health(t.Context())
	if !h.Reachable || h.Version == "" || h.DiskTotal == 0 || h.LastInsert == 0 || len(h.Tables) < 5 || !h.Oldest.Equal(today()) || h.RollupBehind != 2 {
		t.Errorf("health %+v", h)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
