package query

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/ingest"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// real is ingest and query on a ClickHouse, behind the contract.
func real(t *testing.T) *apitest.Client {
	t.Helper()
	const patience = 5 * time.Minute // a slow machine is not what is tested
	db := storetest.Open(t, func(c *store.Config) { c.Limits.QueryTimeout, c.Limits.InsertTimeout = patience, patience })
	log, limits := slog.New(slog.DiscardHandler), DefaultLimits()
	limits.Timeout = patience
	in := ingest.New(ingest.Config{Store: db, Limits: ingest.DefaultLimits(), Log: log})
	q := New(Config{Catalog: db, Samples: db, Prober: db, Uploads: in, Mode: "embedded", Limits: limits, Log: log})
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	in.Routes(engine)
	q.Routes(engine)
	return apitest.New(t, engine)
}

// history is what two services did: two targets of different versions each,
// twelve windows of a minute each that end about now, with losses, and a hole
// of two windows that say why there is nothing.
func history(end time.Time) []*profile.Window {
	var out []*profile.Window
	for s, service := range []string{"checkout", "basket"} {
		for pod := range 2 {
			target := profiletest.Target(service, fmt.Sprintf("%s-%d", service, pod))
			target.Version = fmt.Sprint("v", pod)
			for i := range 12 {
				o := profiletest.Options{
					Seed: uint64(1000*s + 100*pod + i), Start: end.Add(time.Duration(i-12) * time.Minute), Target: target, Stacks: 120, Lossy: i%3 == 0,
				}
				if i == 7 || i == 8 {
					out = append(out, profiletest.Lost(o, profile.SidecarRestarted))
					continue
				}
				out = append(out, profiletest.Window(o))
			}
		}
	}
	return out
}

// upload sends every window twice, several at a time, in no order.
func upload(t *testing.T, c *apitest.Client, windows []*profile.Window) {
	t.Helper()
	var mu sync.Mutex
	statuses := map[profile.WindowID][]string{}
	work := make(chan *profile.Window)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for w := range work {
				body, err := profile.Encode(w)
				if err != nil {
					t.Error(err)
					continue
				}
				receipt := apitest.Decode[api.Receipt](t, c.Post(t, "/api/v1/windows", profile.ContentType, body))
				mu.Lock()
				statuses[receipt.ID] = append(statuses[receipt.ID], receipt.Status)
				mu.Unlock()
			}
		})
	}
	for i := range windows {
		work <- windows[i]
		work <- windows[len(windows)-1-i]
	}
	close(work)
	wg.Wait()
	for _, w := range windows {
		if len(statuses[w.ID]) != 2 {
			t.Errorf("window %s has receipts %v", w.ID, statuses[w.ID])
		}
	}
}

// where narrows a list of windows.
func where(windows []*profile.Window, keep func(*profile.Window) bool) []*profile.Window {
	return slices.DeleteFunc(slices.Clone(windows), func(w *profile.Window) bool { return !keep(w) })
}

// What comes out is what went in, to the last sample: every answer is held
// against the windows themselves.
func TestAnswersAreWhatWasUploaded(t *testing.T) {
	c := real(t)
	end := time.Now().UTC().Truncate(time.Minute)
	all := history(end)
	upload(t, c, all)
	whole := fmt.Sprintf("from=%d&to=%d", end.Add(-time.Hour).Unix(), end.Unix())
	part := fmt.Sprintf("from=%d&to=%d", end.Add(-15*time.Minute).Unix(), end.Add(-5*time.Minute).Unix())
	series := profiletest.Target("basket", "basket-1")
	selections := []struct {
		name, query string
		keep        func(*profile.Window) bool
	}{
		{"a service", "service=checkout&" + whole, func(w *profile.Window) bool { return w.Target.Service == "checkout" }},
		{"the other one", "service=basket&" + whole, func(w *profile.Window) bool { return w.Target.Service == "basket" }},
		{"part of the time", "service=checkout&" + part, func(w *profile.Window) bool {
			return w.Target.Service == "checkout" && !w.Start.Before(end.Add(-15*time.Minute)) && w.Start.Before(end.Add(-5*time.Minute))
		}},
		{"a version", "service=checkout&version=v1&" + whole, func(w *profile.Window) bool {
			return w.Target.Service == "checkout" && w.Target.Version == "v1"
		}},
		{"a target", fmt.Sprintf("service=basket&series=%016x&%s", series.SeriesID(), whole), func(w *profile.Window) bool { return w.Target.Pod == "basket-1" }},
	}
	for _, s := range selections {
		for _, kind := range []profile.Type{profile.CPU, profile.Alloc, profile.Lock} {
			t.Run(s.name+" "+string(kind), func(t *testing.T) {
				query := fmt.Sprintf("cluster=prod&namespace=shop&type=%s&%s", kind, s.query)
				sameAs(t, c, query, kind, where(all, s.keep))
			})
		}
	}
	t.Run("services", func(t *testing.T) { sameServices(t, c, whole, all) })
}

// sameAs holds flame graph, table, coverage and timeline of a selection against
// its windows.
func sameAs(t *testing.T, c *apitest.Client, query string, kind profile.Type, windows []*profile.Window) {
	t.Helper()
	want := merged(windows, kind)
	if len(want.Stacks) == 0 {
		t.Fatal("nothing is selected")
	}
	flame := apitest.Decode[api.Flame](t, c.Get(t, "/api/v1/flame?nodes=262144&"+query))
	if diff := cmp.Diff(want, setOf(flame)); diff != "" {
		t.Errorf("flame graph differs from the merged windows (-want +got):\n%.4000s", diff)
	}
	if flame.Total != want.Total() || flame.Omitted != (api.OmittedNodes{}) || flame.Scanned.Rows == 0 {
		t.Errorf("total %+v, omitted %+v, scanned %+v", flame.Total, flame.Omitted, flame.Scanned)
	}
	top := apitest.Decode[api.Top](t, c.Get(t, "/api/v1/top?limit=10000&"+query))
	if diff := cmp.Diff(topOf(whole(want), 10000, false).Functions, top.Functions); diff != "" {
		t.Errorf("table differs from that of the merged windows (-want +got):\n%.4000s", diff)
	}
	coverage := apitest.Decode[api.Coverage](t, c.Get(t, "/api/v1/coverage?"+query))
	if diff := cmp.Diff(coverageOf(windows, kind), coverage); diff != "" {
		t.Errorf("coverage differs from the merged ledgers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(coverage, flame.Coverage); diff != "" {
		t.Errorf("coverage of the flame graph is another one:\n%s", diff)
	}
	line := apitest.Decode[api.Series](t, c.Get(t, "/api/v1/series?"+query))
	var sum profile.Amount
	counted := api.Windows{}
	for _, p := range line.Points {
		sum = sum.Add(profile.Amount{Value: p.Value, Count: p.Count})
		counted.Expected += p.Windows.Expected
		counted.Stored += p.Windows.Stored
		counted.Lost += p.Windows.Lost
	}
	if sum != want.Total() || counted != coverage.Windows || line.StepSeconds != 60 {
		t.Errorf("timeline sums to %+v in %+v by %d s, want %+v in %+v", sum, counted, line.StepSeconds, want.Total(), coverage.Windows)
	}
}

func ledgerOf(windows []*profile.Window, kind profile.Type) *profile.Coverage {
	ledger := profile.Coverage{Type: kind}
	for _, w := range windows {
		if c := w.CoverageOf(kind); c != nil {
			ledger = profile.MergeCoverage(kind, ledger, *c)
		}
	}
	return &ledger
}

// coverageOf merges the ledgers of windows that all arrived.
func coverageOf(windows []*profile.Window, kind profile.Type) api.Coverage {
	ledger := ledgerOf(windows, kind)
	var losses []profile.Loss
	out := api.Coverage{}
	for _, w := range windows {
		losses = profile.AddLosses(losses, w.Losses...)
		if w.CoverageOf(kind) != nil {
			out.Windows.Stored++
		} else {
			out.Windows.Lost++
		}
		out.Windows.Expected++
	}
	out.Captured, out.Stored = ledger.Captured, ledger.Stored
	out.Truncated, out.Dropped = ledger.Sum(profile.Truncated), ledger.Sum(profile.Dropped)
	out.Told = api.Tell(ledger.Losses, losses)
	out.Mean = meanOf(windows, kind)
	return out
}

// meanOf is the mean of windows of targets that lived at the same time.
func meanOf(windows []*profile.Window, kind profile.Type) api.Mean {
	set := merged(windows, kind)
	targets := map[uint64]bool{}
	var recorded time.Duration
	for _, w := range windows {
		targets[w.Target.SeriesID()] = true
		recorded += w.Recorded.End.Sub(w.Recorded.Start)
	}
	perSecond := float64(set.Total().Value) / recorded.Seconds() * float64(len(targets))
	return api.Mean{RecordedSeconds: recorded.Seconds(), MeanTargets: float64(len(targets)), PerSecond: &perSecond}
}

func sameServices(t *testing.T, c *apitest.Client, whole string, all []*profile.Window) {
	got := apitest.Decode[api.Services](t, c.Get(t, "/api/v1/services?"+whole))
	if len(got.Services) != 2 || got.Truncated {
		t.Fatalf("services are %+v", got)
	}
	for i, name := range []string{"basket", "checkout"} {
		s := got.Services[i]
		windows := where(all, func(w *profile.Window) bool { return w.Target.Service == name })
		if want := coverageOf(windows, profile.CPU).Windows; s.Service != name || s.Windows != want || !slices.Equal(s.Versions, []string{"v0", "v1"}) {
			t.Errorf("service is %s %v %+v, want %s %+v", s.Service, s.Versions, s.Windows, name, want)
		}
		if last := windows[len(windows)-1].End; s.LastWindowEnd == nil || !s.LastWindowEnd.Equal(last) {
			t.Errorf("last window of %s is %v, want %v", name, s.LastWindowEnd, last)
		}
		for _, kind := range s.Types {
			want := merged(windows, kind.Type)
			if kind.Total != want.Total() {
				t.Errorf("%s of %s is %+v, want %+v", kind.Type, name, kind.Total, want.Total())
			}
			if diff := cmp.Diff(meanOf(windows, kind.Type), kind.Mean); diff != "" {
				t.Errorf("mean of %s of %s (-want +got):\n%s", kind.Type, name, diff)
			}
			if unvalued := ledgerOf(windows, kind.Type).Sum(profile.Unvalued).Count; kind.Unvalued != unvalued || unvalued == 0 {
				t.Errorf("%d samples of %s of %s have no value, want %d", kind.Unvalued, kind.Type, name, unvalued)
			}
			if !slices.ContainsFunc(kind.Spark, func(v *float64) bool { return v != nil && *v > 0 }) {
				t.Errorf("spark of %s of %s is empty", kind.Type, name)
			}
		}
		if len(s.Types) != 3 || len(s.Losses) == 0 {
			t.Errorf("service is %+v", s)
		}
	}
}

func TestReportsComeBackAsTargets(t *testing.T) {
	c := real(t)
	end := time.Now().UTC().Truncate(time.Second)
	report := profile.Report{
		Instance: "sidecar-1", Version: "0.1.0", ReportedAt: end,
		Spool: profile.Spool{Windows: 2, Bytes: 2000, LimitBytes: 1 << 20, OldestSeconds: 61, LastPushError: "no route"},
		Targets: []profile.TargetReport{{
			Identity: profiletest.Target("checkout", "checkout-0"),
			State: profile.TargetState{
				State: profile.StateConflict, Reason: profile.Conflict, Detail: "/opt/libasyncProfiler.so", Since: end, WindowSeconds: 10,
				Events: []string{"cpu", "alloc"}, LastWindowEnd: &end, StallNS: 5, ReadWaitNS: 6, Threads: new(false),
			},
		}},
	}
	body, err := profile.EncodeReport(&report)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Post(t, "/api/v1/targets", "application/json", body); w.Code != http.StatusNoContent {
		t.Fatalf("answer is %d %s", w.Code, w.Body)
	}
	got := apitest.Decode[api.Targets](t, c.Get(t, "/api/v1/targets?cluster=prod&namespace=shop&service=checkout"))
	if len(got.Targets) != 1 {
		t.Fatalf("targets are %+v", got)
	}
	target := got.Targets[0]
	if diff := cmp.Diff(report.Targets[0].State, target.State); diff != "" {
		t.Errorf("state differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(report.Targets[0].Identity, target.Identity); diff != "" {
		t.Errorf("identity differs (-want +got):\n%s", diff)
	}
	if target.Spool != report.Spool || target.Sidecar != "sidecar-1" || target.SidecarVersion != "0.1.0" || target.Silent || target.Series != fmt.Sprintf("%016x", target.Identity.SeriesID()) {
		t.Errorf("target is %+v", target)
	}
	// The service has sent nothing, and is known: the answer says why.
	flame := apitest.Decode[api.Flame](t, c.Get(t, fmt.Sprintf("/api/v1/flame?%sfrom=%d&to=%d", selection, end.Unix()-600, end.Unix())))
	if len(flame.Frames) != 1 || len(flame.Coverage.NotCaptured) != 1 || flame.Coverage.NotCaptured[0].Reason != profile.Conflict {
		t.Errorf("flame graph is %+v", flame)
	}
	services := apitest.Decode[api.Services](t, c.Get(t, fmt.Sprintf("/api/v1/services?from=%d&to=%d", end.Unix()-600, end.Unix()+1)))
	if len(services.Services) != 1 || services.Services[0].Targets["conflict"] != 1 || services.Services[0].WindowSeconds != 10 {
		t.Errorf("services are %+v", services)
	}
}

func TestEmptyStore(t *testing.T) {
	c := real(t)
	end := time.Now().Unix()
	span := fmt.Sprintf("from=%d&to=%d", end-3600, end)
	if got := apitest.Decode[api.Services](t, c.Get(t, "/api/v1/services?"+span)); len(got.Services) != 0 {
		t.Errorf("services are %+v", got)
	}
	if got := apitest.Decode[api.Targets](t, c.Get(t, "/api/v1/targets")); len(got.Targets) != 0 {
		t.Errorf("targets are %+v", got)
	}
	for _, endpoint := range []string{"flame", "top", "series", "coverage"} {
		apitest.Refused(t, c.Get(t, "/api/v1/"+endpoint+"?"+selection+span), 404, profile.UnknownService)
	}
	health := apitest.Decode[api.IngestHealth](t, c.Get(t, "/api/v1/ingest/health"))
	if !health.Store.Available || !strings.HasPrefix(health.Store.Version, "26.") || health.Store.DiskFreeBytes == 0 {
		t.Errorf("health is %+v", health)
	}
}

// A type that nobody records is told from a service that does nothing.
func TestTypeThatIsNotRecorded(t *testing.T) {
	c := real(t)
	end := time.Now().UTC().Truncate(time.Minute)
	upload(t, c, []*profile.Window{profiletest.Window(profiletest.Options{Start: end.Add(-10 * time.Minute), Lossy: true})})
	span := fmt.Sprintf("from=%d&to=%d", end.Unix()-3600, end.Unix())
	flame := apitest.Decode[api.Flame](t, c.Get(t, "/api/v1/flame?"+strings.Replace(selection, "cpu", "wall", 1)+span))
	if !slices.ContainsFunc(flame.Coverage.NotCaptured, func(l api.Loss) bool { return l.Reason == profile.NotRecorded }) {
		t.Errorf("coverage is %+v", flame.Coverage)
	}
}

// Each type comes back with its own unit, under its own name.
func TestEveryTypeComesBack(t *testing.T) {
	c := real(t)
	end := time.Now().UTC().Truncate(time.Minute)
	w := profiletest.Window(profiletest.Options{Start: end.Add(-10 * time.Minute), Types: profile.Types()})
	upload(t, c, []*profile.Window{w})
	span := fmt.Sprintf("from=%d&to=%d", end.Unix()-3600, end.Unix())
	for _, set := range w.Sets {
		flame := apitest.Decode[api.Flame](t, c.Get(t, "/api/v1/flame?"+strings.Replace(selection, "type=cpu", "type="+string(set.Type), 1)+span))
		if flame.Type != set.Type || flame.Unit != set.Type.Unit() || flame.CountUnit != set.Type.CountUnit() || flame.Total != set.Total() {
			t.Errorf("%s: type %s of %+v in %s and %s, want %+v", set.Type, flame.Type, flame.Total, flame.Unit, flame.CountUnit, set.Total())
		}
	}
	services := apitest.Decode[api.Services](t, c.Get(t, "/api/v1/services?"+span))
	if len(services.Services) != 1 || len(services.Services[0].Types) != len(profile.Types()) {
		t.Errorf("services are %+v", services.Services)
	}
}

// The same 70 s have the same mean in every range and on every screen: to the
// digit, as services are sorted by it.
func TestMeanIsOverTheTimeThatWasRecorded(t *testing.T) {
	c := real(t)
	end := time.Now().UTC().Truncate(time.Minute)
	whole := profiletest.Window(profiletest.Options{Seed: 1, Start: end.Add(-4 * time.Minute)})
	rest := profiletest.Window(profiletest.Options{Seed: 2, Start: end.Add(-3 * time.Minute)})
	rest.Recorded.End = rest.Start.Add(10 * time.Second) // then the JVM ended
	windows := []*profile.Window{whole, rest}
	upload(t, c, windows)
	for _, length := range []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour, 6*24*time.Hour + 7*time.Second} {
		span := fmt.Sprintf("from=%d&to=%d", end.Add(-length).Unix(), end.Unix())
		services := apitest.Decode[api.Services](t, c.Get(t, "/api/v1/services?"+span))
		for i, kind := range []profile.Type{profile.CPU, profile.Alloc, profile.Lock} {
			want := meanOf(windows, kind)
			query := strings.Replace(selection, "cpu", string(kind), 1) + span
			flame := apitest.Decode[api.Flame](t, c.Get(t, "/api/v1/flame?"+query))
			series := apitest.Decode[api.Series](t, c.Get(t, "/api/v1/series?"+query))
			for what, got := range map[string]api.Mean{"flame": flame.Coverage.Mean, "series": series.Coverage.Mean, "services": services.Services[0].Types[i].Mean} {
				if diff := cmp.Diff(want, got); diff != "" || got.RecordedSeconds != 70 {
					t.Errorf("%s of %s over %s (-want +got):\n%s", what, kind, length, diff)
				}
			}
		}
	}
}
