package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/calltree"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
	"github.com/podflame/podflame/reason"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"
)

const selection = "cluster=prod&namespace=shop&service=checkout&type=cpu&"

// tenMinutes is ten windows of one target in the last hour.
func tenMinutes() []*profile.Window {
	var out []*profile.Window
	for i := range 10 {
		start := now.Truncate(time.Minute).Add(-time.Duration(20-i) * time.Minute)
		out = append(out, profiletest.Window(profiletest.Options{Seed: uint64(i), Start: start, Lossy: true}))
	}
	return out
}

// treeOf reads the tree back out of a graph.
func treeOf(g api.Graph) *calltree.Graph {
	kinds := map[string]profile.Kind{}
	for k := profile.Java; k <= profile.Omitted; k++ {
		kinds[k.String()] = k
	}
	t := &calltree.Graph{Parent: g.Parents, Function: g.Frames, Self: make([][]profile.Amount, 1)}
	for i, name := range g.Functions {
		t.Functions = append(t.Functions, profile.Function{Name: name, Kind: kinds[g.Kinds[i]]})
	}
	for i := range g.Values {
		t.Self[0] = append(t.Self[0], profile.Amount{Value: g.Values[i], Count: g.Counts[i]})
	}
	return t
}

// setOf reads the stack set back out of a flame graph.
func setOf(f api.Flame) profile.StackSet { return treeOf(f.Graph).StackSet(0, f.Type) }

func TestFlameIsTheMergedWindows(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	f := apitest.Decode[api.Flame](t, h.Get(t, "/api/v1/flame?nodes=262144&"+selection+hour))
	want := merged(h.store.windows, profile.CPU)
	if diff := cmp.Diff(want, setOf(f)); diff != "" {
		t.Errorf("flame graph differs from the merged windows (-want +got):\n%s", diff)
	}
	if f.Total != want.Total() || f.Unit != "ns" || f.CountUnit != "samples" || f.Omitted != (api.OmittedNodes{}) {
		t.Errorf("header is %+v %s %s %+v", f.Total, f.Unit, f.CountUnit, f.Omitted)
	}
	c := f.Coverage
	if sum := c.Stored.Add(c.Truncated).Add(c.Dropped); sum != c.Captured || c.Stored != f.Total || c.Windows.Stored != 10 {
		t.Errorf("coverage %+v does not add up to %+v", c, f.Total)
	}
	if f.Scanned.Rows != 11 {
		t.Errorf("scanned %+v", f.Scanned)
	}
}

// However few nodes are asked for, and whatever the store left out, the values
// add up to the total and what is missing is named.
func TestPrunedFlameAddsUp(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	for _, omitted := range []profile.Amount{{}, {Value: 123, Count: 4}} {
		h.store.omitted = omitted
		for _, nodes := range []int{1, 2, 50, 262144} {
			f := apitest.Decode[api.Flame](t, h.Get(t, fmt.Sprint("/api/v1/flame?", selection, hour, "&nodes=", nodes)))
			set := setOf(f)
			if set.Total() != f.Total {
				t.Errorf("%d nodes: stacks sum to %+v, total %+v", nodes, set.Total(), f.Total)
			}
			var shown profile.Amount
			for _, s := range set.Stacks {
				if n := len(s.Frames); n > 0 && set.Functions[s.Frames[n-1]].Kind == profile.Omitted {
					shown = shown.Add(profile.Amount{Value: s.Value, Count: s.Count})
				}
			}
			if shown.Value != f.Omitted.Value || shown.Count != f.Omitted.Count {
				t.Errorf("%d nodes: omitted %+v, frames of that kind hold %+v", nodes, f.Omitted, shown)
			}
			if f.Nodes > nodes && f.Omitted.Nodes != f.Nodes-nodes {
				t.Errorf("%d of %d nodes asked for, %d omitted", nodes, f.Nodes, f.Omitted.Nodes)
			}
		}
	}
}

func TestWhyARangeIsEmpty(t *testing.T) {
	reporting := func(state profile.State, reason profile.Reason, ago time.Duration) []store.TargetStatus {
		return []store.TargetStatus{{Target: profiletest.Target("checkout", "checkout-0"), State: string(state), Reason: reason, ReportedAt: now.Add(-ago)}}
	}
	recording := func(event string) []store.TargetStatus {
		list := reporting(profile.StateProfiled, "", time.Second)
		extra, err := profile.EncodeReport(&profile.Report{Instance: "i", ReportedAt: now, Targets: []profile.TargetReport{
			{Identity: list[0].Target, State: profile.TargetState{State: profile.StateProfiled, WindowSeconds: 60, Events: []string{event}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		list[0].Extra = string(extra)
		return list
	}
	cases := []struct {
		name    string
		windows []*profile.Window
		targets []store.TargetStatus
		query   string
		want    []profile.Reason
	}{
		{"conflict", nil, reporting(profile.StateConflict, profile.Conflict, time.Second), selection + hour, []profile.Reason{profile.Conflict}},
		{"silent", nil, reporting(profile.StateProfiled, "", time.Hour), selection + hour, []profile.Reason{profile.NoReport}},
		{"failed, then silent", nil, reporting(profile.StateFailed, profile.AttachTimeout, time.Hour), selection + hour, []profile.Reason{profile.AttachTimeout, profile.NoReport}},
		{"not recorded, nothing stored", nil, recording("alloc"), selection + hour, []profile.Reason{profile.NotRecorded}},
		{"just started, with a bad annotation", nil, reporting(profile.StateProfiled, profile.AnnotationRefused, time.Second), selection + hour, []profile.Reason{profile.AnnotationRefused, profile.WindowNotYetArrived}},
		{"another target failed", nil, reporting(profile.StateFailed, profile.AccessDenied, time.Second), selection + hour + "&series=00000000000000ff", []profile.Reason{profile.NoTarget}},
		{"just started", nil, reporting(profile.StateProfiled, "", time.Second), selection + hour, []profile.Reason{profile.WindowNotYetArrived}},
		{"nobody was there", tenMinutes(), nil, fmt.Sprintf("%sfrom=%d&to=%d", selection, now.Unix()-7200, now.Unix()-3600), []profile.Reason{profile.NoTarget}},
		{"type not recorded", tenMinutes(), nil, strings.Replace(selection, "cpu", "wall", 1) + hour, []profile.Reason{profile.NotRecorded}},
		{"other version", tenMinutes(), nil, selection + hour + "&version=9", []profile.Reason{profile.NoTarget}},
		{"long ago", tenMinutes(), nil, selection + "from=1000&to=2000", []profile.Reason{profile.BeforeRetention}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.store.windows, h.store.list = c.windows, c.targets
			for _, endpoint := range []string{"flame", "top", "coverage", "series"} {
				w := h.Get(t, "/api/v1/"+endpoint+"?"+c.query)
				coverage := apitest.Decode[struct{ Coverage *api.Coverage }](t, w).Coverage
				if coverage == nil {
					whole := apitest.Decode[api.Coverage](t, w)
					coverage = &whole
				}
				var got []profile.Reason
				for _, l := range coverage.NotCaptured {
					got = append(got, l.Reason)
				}
				if diff := cmp.Diff(c.want, got); diff != "" || len(coverage.Losses)+len(coverage.Notices) > 0 {
					t.Errorf("%s says %+v (-want +got):\n%s", endpoint, coverage.Told, diff)
				}
			}
		})
	}
}

func TestUnknownServiceNamesThoseOfThatName(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	for _, endpoint := range []string{"flame", "top", "coverage", "series"} {
		e := apitest.Refused(t, h.Get(t, "/api/v1/"+endpoint+"?service=checkout&type=cpu&"+hour), 404, profile.UnknownService)
		if !strings.Contains(e.Hint, "cluster=prod&namespace=shop") {
			t.Errorf("%s: hint is %q", endpoint, e.Hint)
		}
		apitest.Refused(t, h.Get(t, "/api/v1/"+endpoint+"?service=nope&type=cpu&"+hour), 404, profile.UnknownService)
	}
}

func TestSeries(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	s := apitest.Decode[api.Series](t, h.Get(t, "/api/v1/series?"+selection+hour))
	sum, want := profile.Amount{}, merged(h.store.windows, profile.CPU)
	for _, p := range s.Points {
		sum = sum.Add(profile.Amount{Value: p.Value, Count: p.Count})
	}
	if s.StepSeconds != 60 || len(s.Points) > 61 || sum != want.Total() || s.Targets != 1 {
		t.Errorf("step %d, %d points, sum %+v, want %+v, %d targets", s.StepSeconds, len(s.Points), sum, want.Total(), s.Targets)
	}
}

// A timeline never has more points than asked for, and never cuts a window.
func TestStepLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := now.Add(-time.Duration(rapid.IntRange(1, 7*86400).Draw(t, "from")) * time.Second)
		r := api.Range{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 7*86400).Draw(t, "length")) * time.Second)}
		n := rapid.IntRange(1, 2000).Draw(t, "points")
		window := time.Duration(rapid.SampledFrom([]int{1, 10, 15, 60, 300, 3600}).Draw(t, "window")) * time.Second
		step := stepOf(r, n, window)
		if step <= 0 || step%window != 0 {
			t.Fatalf("step %s of windows of %s", step, window)
		}
		cells := 0
		for at := aligned(store.Range{From: r.From, To: r.To}, window); at.Before(r.To); at = at.Add(step) {
			cells++
		}
		if cells > n {
			t.Fatalf("%d points of %s in %s, at most %d were asked for", cells, step, r.To.Sub(r.From), n)
		}
	})
}

func TestStatusOfACell(t *testing.T) {
	cases := []struct {
		cell store.Cell
		want api.Status
	}{
		{store.Cell{Status: store.CellNone}, api.None},
		{store.Cell{Status: store.CellOK}, api.Complete},
		{store.Cell{Status: store.CellPartial}, api.Partial},
		{store.Cell{Status: store.CellLost}, api.Lost},
		{store.Cell{Status: store.CellPending}, api.Pending},
	}
	for _, c := range cases {
		if got := status(c.cell); got != c.want {
			t.Errorf("%+v is %s, want %s", c.cell, got, c.want)
		}
	}
}

// A service whose targets are in trouble has sent nothing, and is in the list.
func TestServicesHasThoseInTrouble(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	state := profile.TargetState{State: profile.StateProfiled, WindowSeconds: 60}
	extra, err := profile.EncodeReport(&profile.Report{Instance: "i", ReportedAt: now, Targets: []profile.TargetReport{{Identity: profiletest.Target("checkout", "checkout-0"), State: state}}})
	if err != nil {
		t.Fatal(err)
	}
	h.store.list = []store.TargetStatus{
		{Target: profiletest.Target("checkout", "checkout-0"), State: "profiled", Extra: string(extra), ReportedAt: now},
		{Target: profiletest.Target("checkout", "checkout-1"), State: "profiled", ReportedAt: now.Add(-30 * time.Minute)},
		{Target: profiletest.Target("broken", "broken-0"), State: "conflict", Reason: profile.Conflict, ReportedAt: now},
	}
	got := apitest.Decode[api.Services](t, h.Get(t, "/api/v1/services?"+hour))
	if len(got.Services) != 2 || got.Services[0].Service != "broken" || got.Services[1].Service != "checkout" {
		t.Fatalf("services are %+v", got.Services)
	}
	broken, checkout := got.Services[0], got.Services[1]
	if broken.Targets["conflict"] != 1 || broken.LastWindowEnd != nil || len(broken.Types) != 0 {
		t.Errorf("broken is %+v", broken)
	}
	if checkout.Targets["profiled"] != 1 || checkout.Targets["silent"] != 1 || checkout.WindowSeconds != 60 || checkout.Windows.Stored != 10 || len(checkout.Types) != 3 {
		t.Errorf("checkout is %+v", checkout)
	}
	var sum float64
	for _, v := range checkout.Types[0].Spark {
		if v != nil {
			sum += *v
		}
	}
	if want := merged(h.store.windows, profile.CPU); checkout.Types[0].Type != profile.CPU || checkout.Types[0].Total != want.Total() || sum == 0 {
		t.Errorf("cpu is %+v, spark sums to %v", checkout.Types[0], sum)
	}
}

// A pod that says its windows last for most of a day leaves the timelines of the other
// services as they are.
func TestLongWindowsOfOneServiceLeaveTheStepsOfOthers(t *testing.T) {
	h := newHarness(t, nil)
	h.store.windows = tenMinutes()
	target := profiletest.Target("long", "long-0")
	state := profile.TargetState{State: profile.StateProfiled, WindowSeconds: profile.MaxWindowSeconds}
	extra, err := profile.EncodeReport(&profile.Report{Instance: "i", ReportedAt: now, Targets: []profile.TargetReport{{Identity: target, State: state}}})
	if err != nil {
		t.Fatal(err)
	}
	h.store.list = []store.TargetStatus{{Target: target, State: "profiled", Extra: string(extra), ReportedAt: now}}
	got := apitest.Decode[api.Services](t, h.Get(t, "/api/v1/services?"+hour))
	if len(got.Services) != 2 || len(got.Services[0].Types) == 0 || got.Services[1].WindowSeconds != profile.MaxWindowSeconds {
		t.Fatalf("services are %+v", got.Services)
	}
	if steps := len(got.Services[0].Types[0].Spark); steps < 6 {
		t.Errorf("an hour has %d steps", steps)
	}
}

// A service whose sums do not fit is in the list without its figures, and says why.
func TestServiceWithSumsThatAreTooLarge(t *testing.T) {
	key := store.ServiceKey{Cluster: "c", Namespace: "n", Service: "s"}
	of := store.Service{ServiceKey: key, Types: []store.TypeTotal{{Type: profile.CPU, Stored: profile.Amount{Count: 7}, TooLarge: true}}}
	known := store.Time{Recorded: time.Minute, Lived: time.Minute, Covered: time.Minute}
	did := &store.Activity{TooLarge: true, Types: map[profile.Type]*store.TypeActivity{
		profile.CPU: {Time: known, Unvalued: 7, Steps: []store.Step{{Unvalued: true, Time: known}}},
	}}
	got := newService(key)
	describe(got, of, did)
	want := api.Losses([]profile.Loss{{Outcome: profile.Noticed, Reason: profile.SumTooLarge}})
	if diff := cmp.Diff(want, got.Notices); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
	if cpu := got.Types[0]; cpu.PerSecond != nil || cpu.Spark[0] != nil || cpu.Unvalued != 7 {
		t.Errorf("cpu is %+v", cpu)
	}
	did.TooLarge = false
	if describe(got, of, did); len(got.Notices) != 0 {
		t.Errorf("notices without a sum that is too large: %+v", got.Notices)
	}
}

// lately is a profiled target with windows of some length that reported a while ago.
func lately(t *testing.T, pod string, window, ago time.Duration) store.TargetStatus {
	t.Helper()
	target := profiletest.Target("checkout", pod)
	extra, err := profile.EncodeReport(&profile.Report{Instance: "i", ReportedAt: now, Targets: []profile.TargetReport{
		{Identity: target, State: profile.TargetState{State: profile.StateProfiled, WindowSeconds: int(window / time.Second)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return store.TargetStatus{Target: target, State: "profiled", Extra: string(extra), ReportedAt: now.Add(-ago)}
}

func TestTargetsTellsTheSilentOnes(t *testing.T) {
	h := newHarness(t, nil)
	h.store.list = []store.TargetStatus{
		{Target: profiletest.Target("checkout", "a"), SeriesID: 0xab, State: "conflict", Reason: profile.Conflict, Sidecar: "0.1", ReportedAt: now},
		{Target: profiletest.Target("checkout", "b"), State: "profiled", ReportedAt: now.Add(-time.Hour)},
		{Target: profiletest.Target("checkout", "c"), State: "gone", ReportedAt: now.Add(-time.Hour)},
		{Target: profiletest.Target("other", "d"), State: "profiled", ReportedAt: now},
		lately(t, "e", time.Minute, 3*time.Minute),
		lately(t, "f", time.Minute, 4*time.Minute),
		lately(t, "g", 10*time.Second, time.Minute),
		lately(t, "h", 10*time.Minute, 4*time.Minute), // it reports as often as others
	}
	got := apitest.Decode[api.Targets](t, h.Get(t, "/api/v1/targets?service=checkout&namespace=shop"))
	if len(got.Targets) != 7 {
		t.Fatalf("targets are %+v", got.Targets)
	}
	for i, silent := range []bool{false, true, false, false, true, true, true} {
		if got.Targets[i].Silent != silent {
			t.Errorf("silent of target %d is %v", i, got.Targets[i].Silent)
		}
	}
	if a := got.Targets[0]; a.Series != "00000000000000ab" || a.Reason == nil || a.Reason.Reason != profile.Conflict {
		t.Errorf("target is %+v", a)
	}
	if none := apitest.Decode[api.Targets](t, h.Get(t, "/api/v1/targets?namespace=elsewhere")); len(none.Targets) != 0 {
		t.Errorf("targets elsewhere: %+v", none)
	}
}

func TestErrorsOfTheStore(t *testing.T) {
	cases := []struct {
		name   string
		err    error
		status int
		code   profile.Reason
	}{
		{"down", &store.Error{Class: store.Unavailable, Op: "sum", Err: errors.New("connection refused")}, 503, profile.StoreUnavailable},
		{"too expensive", &store.Error{Class: store.TooExpensive, Op: "sum", Err: errors.New("would read 3e9 rows")}, 422, profile.QueryTooExpensive},
		{"too large", &store.Error{Class: store.SumTooLarge, Op: "sum", Err: errors.New("a sum is 2^63 or more")}, 422, profile.SumTooLarge},
		{"overloaded", &store.Error{Class: store.Overloaded, Op: "sum", Err: errors.New("memory for answers is in use")}, 429, profile.Overloaded},
		{"bad selection", &store.Error{Class: store.BadSelection, Op: "sum", Err: errors.New("too many pods")}, 400, profile.BadParameter},
		{"refused", &store.Error{Class: store.Refused, Op: "sum", Err: errors.New("password of user x")}, 500, profile.Internal},
		{"no store error", errors.New("surprise"), 500, profile.Internal},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.store.before = func(context.Context) error { return c.err }
			for _, path := range []string{"flame?" + selection + hour, "top?" + selection + hour, "series?" + selection + hour, "coverage?" + selection + hour, "services?" + hour, "targets"} {
				w := h.Get(t, "/api/v1/"+path)
				e := apitest.Refused(t, w, c.status, c.code)
				if c.code == profile.QueryTooExpensive && !strings.Contains(e.Hint, "Narrow the time range") {
					t.Errorf("%s: hint is %q", path, e.Hint)
				}
				if strings.Contains(w.Body.String(), "password") {
					t.Errorf("%s: cause leaks: %s", path, w.Body)
				}
			}
		})
	}
}

func TestQueryThatTakesTooLong(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.Timeout = 20 * time.Millisecond })
	h.store.before = func(ctx context.Context) error {
		<-ctx.Done()
		return &store.Error{Class: store.Unavailable, Op: "sum", Err: ctx.Err()}
	}
	e := apitest.Refused(t, h.Get(t, "/api/v1/flame?"+selection+hour), 422, profile.QueryTooExpensive)
	if !strings.Contains(e.Message, "within 20ms (--query-timeout") {
		t.Errorf("the error says %q", e.Message)
	}
}

func TestQueriesAtATimeAreBounded(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.Concurrency, c.Limits.Waiting, c.Limits.Wait = 2, 1, 20*time.Millisecond })
	hold, entered := make(chan struct{}), make(chan struct{}, 16)
	h.store.before = func(context.Context) error {
		entered <- struct{}{}
		<-hold
		return nil
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { apitest.Decode[api.Targets](t, h.Get(t, "/api/v1/targets")) })
	}
	<-entered
	<-entered
	for range 3 {
		apitest.Refused(t, h.Get(t, "/api/v1/targets"), 429, profile.Overloaded)
	}
	// What says how it is must answer all the same.
	apitest.Decode[api.IngestHealth](t, h.Get(t, "/api/v1/ingest/health"))
	close(hold)
	wg.Wait()
	apitest.Decode[api.Targets](t, h.Get(t, "/api/v1/targets"))
}

// One who hangs up stops the query, which is counted and no cause for alarm.
func TestHangingUpCancels(t *testing.T) {
	var log bytes.Buffer
	h := newHarness(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	ctx, hangUp := context.WithCancel(context.Background())
	h.store.before = func(ctx context.Context) error {
		hangUp()
		<-ctx.Done()
		return ctx.Err()
	}
	r := httptest.NewRequest(http.MethodGet, "/api/v1/targets", nil).WithContext(ctx)
	if w := h.Do(t, r); w.Code == 200 {
		t.Errorf("answer is %d %s", w.Code, w.Body)
	}
	if n := testutil.ToFloat64(h.query.metrics.requests.WithLabelValues("targets", string(profile.BackendUnreached))); n != 1 || log.Len() > 0 {
		t.Errorf("counted %v times, logged %q", n, log.String())
	}
}

func TestIngestHealth(t *testing.T) {
	h := newHarness(t, nil)
	h.store.health.Tables = []store.TableHealth{{Table: "samples", Parts: 3, Bytes: 100}, {Table: "stacks", Parts: 2, Bytes: 50}}
	h.store.health.Room.Used = 150
	up := apitest.Decode[api.IngestHealth](t, h.Get(t, "/api/v1/ingest/health"))
	if up.Store.Ended != nil {
		t.Errorf("a store that has not ended: %+v", up.Store.Ended)
	}
	if !up.Store.Available || up.Store.Mode != "embedded" || up.Store.ActiveParts != 5 || up.Store.DiskUsedBytes != 150 {
		t.Errorf("health is %+v", up.Store)
	}
	ended := api.StoreEnded{Count: 2, Last: now, How: "signal: aborted"}
	h = newHarness(t, func(c *Config) { c.Ended = func() *api.StoreEnded { return &ended } })
	h.store.health = store.Health{Error: "connection refused"}
	down := apitest.Decode[api.IngestHealth](t, h.Get(t, "/api/v1/ingest/health"))
	if down.Store.Ended == nil || *down.Store.Ended != ended {
		t.Errorf("ended: %+v", down.Store.Ended)
	}
	if down.Store.Available || down.Store.Reason != profile.StoreUnavailable || down.Store.Message == "" {
		t.Errorf("health is %+v", down.Store)
	}
}

func TestReasonsExplainsAll(t *testing.T) {
	h := newHarness(t, nil)
	got := apitest.Decode[api.Reasons](t, h.Get(t, "/api/v1/reasons"))
	if diff := cmp.Diff(reason.All(), got.Reasons); diff != "" {
		t.Errorf("reasons differ (-want +got):\n%s", diff)
	}
}
