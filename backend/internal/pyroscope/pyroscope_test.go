package pyroscope_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	pprof "github.com/google/pprof/profile"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/ingest"
	"github.com/podflame/podflame/backend/internal/pyroscope"
	"github.com/podflame/podflame/backend/internal/pyroscope/wire"
	"github.com/podflame/podflame/backend/internal/query"
	"github.com/podflame/podflame/backend/internal/server"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	cpuTime = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	cpuHits = "process_cpu:samples:count:cpu:nanoseconds"
	windows = 4 // of a minute each, of which the third has no samples
	perHot  = 900
	perCold = 100
)

// world is a backend with a service in each of two namespaces; a header says what
// a reader may see.
type world struct {
	url        string
	start, end time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	log, registry, limits := slog.New(slog.DiscardHandler), prometheus.NewRegistry(), query.DefaultLimits()
	limits.Timeout = 5 * time.Minute // a loaded machine is no failure
	db := storetest.Open(t, func(c *store.Config) {
		c.Unscoped = false
		c.Limits.QueryTimeout, c.Limits.InsertTimeout = 5*time.Minute, 5*time.Minute
	})
	in := ingest.New(ingest.Config{Store: db, Limits: ingest.DefaultLimits(), Log: log, Registry: registry})
	read := query.New(query.Config{Catalog: db, Samples: db, Prober: db, Uploads: in, Mode: "embedded", Limits: limits, Log: log, Registry: registry})
	handler, err := server.Site{
		Uploads: in, Guarded: read, Log: log, Panics: server.NewPanics(registry),
		Guard: func(c *gin.Context) {
			scope := access.Everything()
			if only := c.GetHeader("Test-Namespace"); only != "" {
				scope = access.Of(only)
			}
			c.Request = c.Request.WithContext(access.Into(c.Request.Context(), scope))
		},
		Foreign: func(api http.Handler) server.Routes {
			return pyroscope.New(pyroscope.Config{API: api, Registry: registry})
		},
	}.Handler()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	end := time.Now().UTC().Truncate(time.Minute).Add(-10 * time.Minute)
	w := &world{url: s.URL, end: end, start: end.Add(-windows * time.Minute)}
	w.fill(t)
	return w
}

// fill uploads what two pods of cart and one of vault did.
func (w *world) fill(t *testing.T) {
	t.Helper()
	report := &profile.Report{Instance: "i", Version: "test", ReportedAt: time.Now().UTC()}
	for _, pod := range []string{"cart-0", "cart-1", "vault-0"} {
		service, number, _ := strings.Cut(pod, "-")
		target := profiletest.Target(service, pod)
		target.Namespace, target.Version = map[string]string{"cart": "a", "vault": "b"}[service], "v"+number
		for i := range windows {
			o := profiletest.Options{Start: w.start.Add(time.Duration(i) * time.Minute), Target: target}
			window := profiletest.Sampled(o, map[string]int64{
				"java.lang.Thread.run;" + service + ".Main.run;" + service + ".Main.hot": perHot, "java.lang.Thread.run;" + service + ".Main.cold": perCold,
			})
			if i == 2 {
				window = profiletest.Lost(o, profile.SidecarRestarted)
			}
			body, err := profile.Encode(window)
			if err != nil {
				t.Fatal(err)
			}
			w.post(t, "/api/v1/windows", profile.ContentType, body)
		}
		report.Targets = append(report.Targets, profile.TargetReport{Identity: target, State: profile.TargetState{
			State: profile.StateProfiled, Since: w.start, WindowSeconds: 60, Events: []string{"cpu"},
		}})
	}
	body, err := profile.EncodeReport(report)
	if err != nil {
		t.Fatal(err)
	}
	w.post(t, "/api/v1/targets", "application/json", body)
}

func (w *world) post(t *testing.T, path, contentType string, body []byte) {
	t.Helper()
	response, err := http.Post(w.url+path, contentType, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if said, _ := io.ReadAll(response.Body); response.StatusCode >= 300 {
		t.Fatalf("post to %s: %s: %s", path, response.Status, said)
	}
}

// ways are how clients speak: Grafana's data source in binary, people by curl in
// JSON, profilecli also by gRPC-Web.
func ways() map[string]connect.ClientOption {
	return map[string]connect.ClientOption{
		"binary": connect.WithClientOptions(), "json": connect.WithProtoJSON(), "grpc-web": connect.WithGRPCWeb(), "gzip": connect.WithSendGzip(),
	}
}

func call[In, Out any](w *world, method, namespace string, in *In, options ...connect.ClientOption) (*connect.Response[Out], error) {
	client := connect.NewClient[In, Out](http.DefaultClient, w.url+pyroscope.Base+"/querier.v1.QuerierService/"+method, options...)
	request := connect.NewRequest(in)
	request.Header().Set("Test-Namespace", namespace)
	return client.CallUnary(context.Background(), request)
}

func must[In, Out any](t *testing.T, w *world, method string, in *In, options ...connect.ClientOption) *connect.Response[Out] {
	t.Helper()
	out, err := call[In, Out](w, method, "", in, options...)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return out
}

// stacksOf are the collapsed stacks of a flame graph, read as Grafana reads it.
func stacksOf(graph *wire.FlameGraph) map[string]int64 {
	type bar struct {
		from, to, self int64
		path           string
	}
	out, above := map[string]int64{}, []bar{{to: graph.Total}}
	for depth, level := range graph.Levels {
		var bars []bar
		at := int64(0)
		for v := level.Values; len(v) > 0; v = v[4:] {
			b := bar{from: at + v[0], to: at + v[0] + v[1], self: v[2]}
			up := above[slices.IndexFunc(above, func(a bar) bool { return a.from <= b.from && b.to <= a.to })]
			if depth > 0 {
				b.path = strings.TrimPrefix(up.path+";"+graph.Names[v[3]], ";")
			}
			if at = b.to; b.self > 0 {
				out[b.path] += b.self
			}
			bars = append(bars, b)
		}
		above = bars
	}
	return out
}

// cart is what n pods of it did, times unit.
func cart(pods, unit int64) map[string]int64 {
	n := pods * (windows - 1) * unit
	return map[string]int64{
		"java.lang.Thread.run;cart.Main.run;cart.Main.hot": perHot * n, "java.lang.Thread.run;cart.Main.cold": perCold * n,
	}
}

func TestPyroscopeReadsWhatIsStored(t *testing.T) {
	w := newWorld(t)
	start, end := w.start.UnixMilli(), w.end.UnixMilli()
	for way, option := range ways() {
		t.Run(way, func(t *testing.T) {
			types := must[wire.ProfileTypesRequest, wire.ProfileTypesResponse](t, w, "ProfileTypes", &wire.ProfileTypesRequest{Start: start, End: end}, option)
			if len(types.Msg.ProfileTypes) != 2 || types.Msg.ProfileTypes[0].ID != cpuTime || types.Msg.ProfileTypes[0].SampleUnit != "nanoseconds" {
				t.Errorf("types are %v", types.Msg)
			}
			values := must[wire.LabelValuesRequest, wire.LabelValuesResponse](t, w, "LabelValues", &wire.LabelValuesRequest{
				Name: "pod", Matchers: []string{`{service_name="cart"}`}, Start: start, End: end,
			}, option)
			if !slices.Equal(values.Msg.Names, []string{"cart-0", "cart-1"}) {
				t.Errorf("pods are %v", values.Msg.Names)
			}
			series := must[wire.SeriesRequest, wire.SeriesResponse](t, w, "Series", &wire.SeriesRequest{
				LabelNames: []string{"service_name", "__profile_type__"}, Start: start, End: end,
			}, option)
			if len(series.Msg.LabelsSet) != 4 || len(series.Msg.LabelsSet[0].Labels) != 2 {
				t.Errorf("series are %v", series.Msg)
			}
			flame := must[wire.SelectMergeStacktracesRequest, wire.SelectMergeStacktracesResponse](t, w, "SelectMergeStacktraces", &wire.SelectMergeStacktracesRequest{
				ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart"}`, Start: start, End: end,
			}, option)
			if diff := cmp.Diff(cart(2, 1e7), stacksOf(flame.Msg.Flamegraph)); diff != "" {
				t.Errorf("stacks (-want +got):\n%s", diff)
			}
			if root := flame.Msg.Flamegraph.Names[0]; !strings.Contains(root, "2 of 8 windows missing") || !strings.Contains(flame.Header().Get("Podflame-Coverage"), "sidecar_restarted") {
				t.Errorf("what was lost is not told: root %q, header %q", root, flame.Header().Get("Podflame-Coverage"))
			}
		})
	}
}

func TestPyroscopeSelectorsNarrow(t *testing.T) {
	w := newWorld(t)
	for selector, pods := range map[string]int64{
		`{service_name="cart"}`: 2, `{service_name=~"car.*",namespace="a"}`: 2, `{namespace="a"}`: 2, `{service_name="cart",pod="cart-1"}`: 1,
		`{service_name="cart",pod!="cart-1"}`: 1, `{service_name="cart",version=~"v[0-1]"}`: 2, `{service_name!="vault",node="node-1",container="app"}`: 2,
		`{service_name="cart",__profile_type__="` + cpuHits + `"}`: 2, `{service_name="cart",pod=~"cart-0|cart-1",version="v0"}`: 1,
	} {
		nodes := int64(100)
		out := must[wire.SelectMergeStacktracesRequest, wire.SelectMergeStacktracesResponse](t, w, "SelectMergeStacktraces", &wire.SelectMergeStacktracesRequest{
			ProfileTypeID: cpuHits, LabelSelector: selector, Start: w.start.UnixMilli(), End: w.end.UnixMilli(), MaxNodes: &nodes,
			StackTraceSelector: &wire.StackTraceSelector{CallSite: []*wire.StackTraceSelector_Location{{Name: "java.lang.Thread.run"}}},
		})
		if diff := cmp.Diff(cart(pods, 1), stacksOf(out.Msg.Flamegraph)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", selector, diff)
		}
	}
}

// A tree, unpacked as profilecli unpacks it: by a stack of the parents whose
// children are still to come.
func TestPyroscopeGivesTrees(t *testing.T) {
	w := newWorld(t)
	for id, unit := range map[string]int64{cpuTime: 1e7, cpuHits: 1} {
		out := must[wire.SelectMergeStacktracesRequest, wire.SelectMergeStacktracesResponse](t, w, "SelectMergeStacktraces", &wire.SelectMergeStacktracesRequest{
			ProfileTypeID: id, LabelSelector: `{service_name="cart"}`, Start: w.start.UnixMilli(), End: w.end.UnixMilli(), Format: wire.ProfileFormat_PROFILE_FORMAT_TREE,
		})
		packed, got := out.Msg.GetTree(), map[string]int64{}
		number := func() int {
			n, size := binary.Uvarint(packed)
			if size <= 0 {
				t.Fatalf("there is no number in %q", packed)
			}
			packed = packed[size:]
			return int(n)
		}
		for parents := []string{""}; len(parents) > 0; {
			up := parents[len(parents)-1]
			parents = parents[:len(parents)-1]
			length := number()
			path := strings.Trim(up+";"+string(packed[:length]), ";")
			packed = packed[length:]
			if self := number(); self > 0 {
				got[path] += int64(self)
			}
			parents = append(parents, slices.Repeat([]string{path}, number())...)
		}
		if diff := cmp.Diff(cart(2, unit), got); diff != "" || len(packed) > 0 {
			t.Errorf("%s: %d bytes are left; stacks (-want +got):\n%s", id, len(packed), diff)
		}
		if note := out.Header().Get("Podflame-Coverage"); !strings.Contains(note, "sidecar_restarted") {
			t.Errorf("what was lost is not told: %q", note)
		}
	}
}

// Timelines of several services stand side by side, or are one: they are sums.
func TestPyroscopeTimelinesOfServices(t *testing.T) {
	w := newWorld(t)
	pod := float64((windows - 1) * (perHot + perCold) * 1e7)
	for by, want := range map[string]map[string]float64{
		"":             {"": 3 * pod},
		"service_name": {"cart": 2 * pod, "vault": pod},
		"namespace":    {"a": 2 * pod, "b": pod},
		"version":      {"v0": 2 * pod, "v1": pod},
		"pod":          {"cart-0": pod, "cart-1": pod, "vault-0": pod},
	} {
		in := &wire.SelectSeriesRequest{ProfileTypeID: cpuTime, LabelSelector: `{}`, Start: w.start.UnixMilli(), End: w.end.UnixMilli(), Step: 240}
		if by != "" {
			in.GroupBy = []string{by}
		}
		out := must[wire.SelectSeriesRequest, wire.SelectSeriesResponse](t, w, "SelectSeries", in)
		got := map[string]float64{}
		for _, series := range out.Msg.Series {
			value := ""
			for _, label := range series.Labels {
				value = label.Value
			}
			for _, p := range series.Points {
				got[value] += math.Round(p.Value)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %q (-want +got):\n%s", by, diff)
		}
		if note := out.Header().Get("Podflame-Coverage"); !strings.Contains(note, "prod/a/cart: 2 of 8") || !strings.Contains(note, "prod/b/vault: 1 of 4") {
			t.Errorf("by %q it is told: %q", by, note)
		}
	}
}

// A pprof is one that pprof takes, with the coverage in its comments.
func TestPyroscopeGivesPprof(t *testing.T) {
	w := newWorld(t)
	in := &wire.SelectMergeProfileRequest{ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart"}`, Start: w.start.UnixMilli(), End: w.end.UnixMilli()}
	old := must[wire.SelectMergeProfileRequest, wire.Profile](t, w, "SelectMergeProfile", in)
	now := must[wire.SelectMergeStacktracesRequest, wire.SelectMergeStacktracesResponse](t, w, "SelectMergeStacktraces", &wire.SelectMergeStacktracesRequest{
		ProfileTypeID: in.ProfileTypeID, LabelSelector: in.LabelSelector, Start: in.Start, End: in.End, Format: wire.ProfileFormat_PROFILE_FORMAT_PPROF,
	})
	for name, message := range map[string]*wire.Profile{"SelectMergeProfile": old.Msg, "SelectMergeStacktraces": now.Msg.GetPprof().GetProfile()} {
		body, err := proto.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		p, err := pprof.ParseUncompressed(body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := p.CheckValid(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := map[string]int64{}
		for _, s := range p.Sample {
			var frames []string
			for _, l := range slices.Backward(s.Location) {
				frames = append(frames, l.Line[0].Function.Name)
			}
			got[strings.Join(frames, ";")] += s.Value[0]
		}
		if diff := cmp.Diff(cart(2, 1e7), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(p.SampleType) != 1 || p.SampleType[0].Type != "cpu" || !strings.Contains(strings.Join(p.Comments, "\n"), "sidecar_restarted") {
			t.Errorf("%s has types %v and comments %q", name, p.SampleType, p.Comments)
		}
	}
}

// Sums and rates of a timeline are the same at every step; a window without
// samples is a gap, not zero.
func TestPyroscopeTimelines(t *testing.T) {
	w := newWorld(t)
	all := float64(2 * (windows - 1) * (perHot + perCold) * 1e7)
	for _, step := range []float64{15, 60, 90, 240, 600} {
		out := must[wire.SelectSeriesRequest, wire.SelectSeriesResponse](t, w, "SelectSeries", &wire.SelectSeriesRequest{
			ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart"}`, Start: w.start.UnixMilli(), End: w.end.UnixMilli(), Step: step,
			GroupBy: []string{"service_name", "pod"},
		})
		sum, gap := 0.0, true
		for _, series := range out.Msg.Series {
			if len(series.Labels) != 2 {
				t.Errorf("labels are %v", series.Labels)
			}
			for _, p := range series.Points {
				sum += p.Value
				if at := time.UnixMilli(p.Timestamp); step <= 60 && at.After(w.start.Add(2*time.Minute)) && !at.After(w.start.Add(3*time.Minute)) {
					gap = false
				}
			}
		}
		if len(out.Msg.Series) != 2 || sum < all*0.999999 || sum > all*1.000001 || !gap {
			t.Errorf("step %g: %d series sum to %g, want 2 and %g; gap %t", step, len(out.Msg.Series), sum, all, gap)
		}
	}
	mean := wire.Aggregation_TIME_SERIES_AGGREGATION_TYPE_AVERAGE
	out := must[wire.SelectSeriesRequest, wire.SelectSeriesResponse](t, w, "SelectSeries", &wire.SelectSeriesRequest{
		ProfileTypeID: cpuHits, LabelSelector: `{service_name="cart"}`, Start: w.start.UnixMilli(), End: w.end.UnixMilli(), Step: 240, Aggregation: &mean,
	})
	if got := out.Msg.Series[0].Points[0].Value; got != perHot+perCold {
		t.Errorf("a window has %g samples on average, want %d", got, perHot+perCold)
	}
}

func TestPyroscopeRender(t *testing.T) {
	w := newWorld(t)
	query := url.Values{
		"query": {cpuTime + `{service_name="cart"}`}, "from": {fmt.Sprint(w.start.Unix())}, "until": {fmt.Sprint(w.end.UnixMilli())}, "groupBy": {"pod"},
	}
	response, err := http.Get(w.url + pyroscope.Base + "/pyroscope/render?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got struct {
		Flamebearer struct {
			Names    []string
			Levels   [][]int64
			NumTicks int64
		}
		Metadata struct {
			Units      string
			SampleRate int64
		}
		Timeline struct {
			StartTime, DurationDelta int64
			Samples                  []int64
		}
		Groups map[string]struct{ Samples []int64 }
	}
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response.Status, err)
	}
	graph := &wire.FlameGraph{Names: got.Flamebearer.Names, Total: got.Flamebearer.NumTicks}
	for _, values := range got.Flamebearer.Levels {
		graph.Levels = append(graph.Levels, &wire.Level{Values: values})
	}
	if diff := cmp.Diff(cart(2, 1e7), stacksOf(graph)); diff != "" {
		t.Errorf("stacks (-want +got):\n%s", diff)
	}
	sum := int64(0)
	for _, n := range got.Timeline.Samples {
		sum += n
	}
	if sum < graph.Total-100 || sum > graph.Total || got.Timeline.StartTime != w.start.Unix() || len(got.Groups) != 2 || got.Metadata.SampleRate != 1e9 || got.Metadata.Units != "samples" {
		t.Errorf("timeline sums to %d of %d; %+v, groups %v", sum, graph.Total, got.Metadata, got.Groups)
	}
}

// A reader sees his namespaces only, whatever is asked.
func TestPyroscopeIsScoped(t *testing.T) {
	w := newWorld(t)
	values, err := call[wire.LabelValuesRequest, wire.LabelValuesResponse](w, "LabelValues", "a", &wire.LabelValuesRequest{Name: "service_name", Start: w.start.UnixMilli(), End: w.end.UnixMilli()})
	if err != nil || !slices.Equal(values.Msg.Names, []string{"cart"}) {
		t.Errorf("services are %v, %v", values, err)
	}
	for _, selector := range []string{`{service_name="vault"}`, `{service_name="vault",namespace="b",cluster="prod"}`} {
		_, err = call[wire.SelectMergeStacktracesRequest, wire.SelectMergeStacktracesResponse](w, "SelectMergeStacktraces", "a", &wire.SelectMergeStacktracesRequest{
			ProfileTypeID: cpuTime, LabelSelector: selector, Start: w.start.UnixMilli(), End: w.end.UnixMilli(),
		})
		if connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v, want that nothing is found", selector, err)
		}
	}
}

// What cannot be answered is refused in words, and as the client's fault.
func TestPyroscopeRefuses(t *testing.T) {
	w := newWorld(t)
	start, end := w.start.UnixMilli(), w.end.UnixMilli()
	many := int64(1 << 30)
	for name, c := range map[string]struct {
		in   *wire.SelectMergeStacktracesRequest
		code connect.Code
		says string
	}{
		"type":     {&wire.SelectMergeStacktracesRequest{ProfileTypeID: "goroutine:x", LabelSelector: `{service_name="cart"}`, Start: start, End: end}, connect.CodeInvalidArgument, "known are: process_cpu"},
		"selector": {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, LabelSelector: `{service_name=`, Start: start, End: end}, connect.CodeInvalidArgument, "not in braces"},
		"all":      {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, Start: start, End: end}, connect.CodeInvalidArgument, "chooses 2 services"},
		"nothing":  {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, LabelSelector: `{service_name="none"}`, Start: start, End: end}, connect.CodeNotFound, "chooses no service"},
		"injected": {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart' OR 1=1 --"}`, Start: start, End: end}, connect.CodeNotFound, "chooses no service"},
		"nodes":    {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart"}`, Start: start, End: end, MaxNodes: &many}, connect.CodeInvalidArgument, "limit is 262144"},
		"range":    {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart"}`, Start: start - 30*24*3600*1000, End: end}, connect.CodeInvalidArgument, "narrow the range"},
		"reversed": {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart"}`, Start: end, End: start}, connect.CodeInvalidArgument, "Swap them"},
		"span":     {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart"}`, Start: start, End: end, SpanSelector: []string{"a"}}, connect.CodeUnimplemented, "leave these selectors out"},
		"pgo":      {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart"}`, Start: start, End: end, StackTraceSelector: &wire.StackTraceSelector{GoPgo: &wire.GoPGO{}}}, connect.CodeUnimplemented, "JVMs"},
		"dot":      {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart"}`, Start: start, End: end, Format: wire.ProfileFormat_PROFILE_FORMAT_DOT}, connect.CodeUnimplemented, "flame graph"},
		"large":    {&wire.SelectMergeStacktracesRequest{ProfileTypeID: cpuTime, LabelSelector: strings.Repeat("x", 1<<17), Start: start, End: end}, connect.CodeResourceExhausted, "larger than"},
	} {
		_, err := call[wire.SelectMergeStacktracesRequest, wire.SelectMergeStacktracesResponse](w, "SelectMergeStacktraces", "", c.in)
		if connect.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v that says %q", name, err, c.code, c.says)
		}
	}
	for _, step := range []float64{0, -1, 0.01, 1e12} {
		_, err := call[wire.SelectSeriesRequest, wire.SelectSeriesResponse](w, "SelectSeries", "", &wire.SelectSeriesRequest{
			ProfileTypeID: cpuTime, LabelSelector: `{service_name="cart"}`, Start: start, End: end, Step: step,
		})
		if connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("step %g: %v", step, err)
		}
	}
	response, err := http.Get(w.url + pyroscope.Base + "/pyroscope/render?query=" + url.QueryEscape(cpuTime+`{pod=~"("}`) + "&from=now-1h")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if said, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusBadRequest || !strings.Contains(string(said), "missing closing") {
		t.Errorf("render says %s: %s", response.Status, said)
	}
}
