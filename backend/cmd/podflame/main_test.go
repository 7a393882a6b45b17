package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pprof "github.com/google/pprof/profile"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/podflame/podflame/backend/internal/ingest"
	"github.com/podflame/podflame/backend/internal/query"
	"github.com/podflame/podflame/backend/internal/regressions"
	"github.com/podflame/podflame/backend/internal/server"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/embedded"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

func TestMain(m *testing.M) {
	if code, isChild := embedded.RunChild(); isChild {
		os.Exit(code)
	}
	testscript.Main(storetest.Tests{M: m}, map[string]func(){"podflame": main, "kubectl-podflame": main, "kubectl": fakeKubectl})
}

// TestCapture asks for captures of a cluster that is scripted; it needs no
// backend.
func TestCapture(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/capture", RequireExplicitExec: true})
}

// TestScripts runs every command against a real backend: its doors, its
// ClickHouse, and windows that were uploaded to it. Each script in testdata/script
// says what it shows.
func TestScripts(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("open-sesame-open-sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open, watch := startBackend(t, &auth.People{Mode: auth.None})
	secret, err := auth.NewSecretFile(token)
	if err != nil {
		t.Fatal(err)
	}
	locked, _ := startBackend(t, &auth.People{Mode: auth.Shared, Verifier: secret})
	tell(t, open)
	end := time.Now().UTC().Truncate(time.Minute)
	for _, url := range []string{open, locked} {
		upload(t, url, roll(end))
	}
	watch.Round(access.Into(t.Context(), access.Everything()))
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"isjson": isJSON, "isxml": isXML, "ispprof": isPprof},
		Setup: func(e *testscript.Env) error {
			e.Setenv("PODFLAME_TIMEOUT", "5m") // a loaded machine is no failure
			e.Setenv("BACKEND", open)
			e.Setenv("LOCKED", locked)
			e.Setenv("TOKEN_FILE", token)
			e.Setenv("PODFLAME_SERVER", open)
			e.Setenv("END", fmt.Sprint(end.Unix()))
			e.Setenv("ROLLED", fmt.Sprint(end.Add(-rolledAgo).Unix()))
			return nil
		},
	})
}

func isJSON(ts *testscript.TestScript, _ bool, args []string) {
	if text := ts.ReadFile(args[0]); !json.Valid([]byte(text)) {
		ts.Fatalf("%s is no JSON: %.300s", args[0], text)
	}
}

func isXML(ts *testscript.TestScript, _ bool, args []string) {
	for d := xml.NewDecoder(strings.NewReader(ts.ReadFile(args[0]))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			ts.Fatalf("%s is no XML: %v", args[0], err)
		}
	}
}

// isPprof reads a file with the library of pprof; a function must be in it.
func isPprof(ts *testscript.TestScript, _ bool, args []string) {
	p, err := pprof.ParseData([]byte(ts.ReadFile(args[0])))
	if err != nil {
		ts.Fatalf("%s is no pprof: %v", args[0], err)
	}
	if !slices.ContainsFunc(p.Function, func(f *pprof.Function) bool { return f.Name == args[1] }) || len(p.Sample) == 0 {
		ts.Fatalf("%s has no function %s", args[0], args[1])
	}
}

// startBackend serves people and sidecars from a store of its own.
func startBackend(t *testing.T, people *auth.People) (string, *regressions.Watch) {
	t.Helper()
	db := storetest.Open(t, func(c *store.Config) { c.Unscoped = false })
	limits := query.DefaultLimits()
	limits.Timeout, limits.HealthWait = 2*time.Minute, time.Minute // the machine may be busy
	log, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	people.Audit, people.Metrics = auth.NewAudit(log), auth.NewMetrics(registry)
	in := ingest.New(ingest.Config{Store: db, Senders: auth.Anyone{}, Limits: ingest.DefaultLimits(), Log: log, Registry: registry})
	read := query.New(query.Config{
		Catalog: db, Samples: db, Prober: db, Uploads: in, Mode: "embedded", Limits: limits, Log: log, Registry: registry,
	})
	watch := regressions.New(regressions.Config{Catalog: db, Comparer: read, Limits: regressions.DefaultLimits(), Log: log, Registry: registry})
	handler, err := server.Site{
		Uploads: in, Sessions: auth.NewSessions(people), Guarded: server.Parts{read, watch}, Guard: people.Guard, Protect: people.Protect, Log: log, Panics: server.NewPanics(registry),
	}.Handler()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL, watch
}

// rolledAgo is when the second version of the shop came.
const rolledAgo = 20 * time.Minute

// roll is a roll-out: 20 minutes of version 1.0 in two pods, then 20 of 2.0, in
// which Price.round takes twice as long. The basket beside it is idle, loses
// samples, and has a hole.
func roll(end time.Time) []*profile.Window {
	random := rand.New(rand.NewPCG(14, 1))
	noisy := func(mean int64) int64 { return mean + random.Int64N(mean/10+1) - mean/20 }
	var out []*profile.Window
	for pod := range 2 {
		for i := range 40 {
			target := profiletest.Target("shop", fmt.Sprintf("shop-1-%d", pod))
			target.Version = "1.0"
			round := int64(100)
			start := end.Add(time.Duration(i-40) * time.Minute)
			if !start.Before(end.Add(-rolledAgo)) {
				target = profiletest.Target("shop", fmt.Sprintf("shop-2-%d", pod))
				target.Version, round = "2.0", 200
			}
			out = append(out, profiletest.Sampled(profiletest.Options{Start: start, Target: target}, map[string]int64{
				"java.lang.Thread.run;shop.Server.serve;shop.Checkout.pay":                    noisy(300),
				"java.lang.Thread.run;shop.Server.serve;shop.Checkout.pay;shop.Price.round":   noisy(round),
				"java.lang.Thread.run;shop.Server.serve;shop.Catalog.list;shop.Catalog.parse": noisy(500),
			}))
		}
	}
	for i := range 10 {
		o := profiletest.Options{Seed: uint64(i), Start: end.Add(time.Duration(i-10) * time.Minute), Target: profiletest.Target("basket", "basket-0"), Lossy: i < 2}
		if i == 5 {
			out = append(out, profiletest.Lost(o, profile.SidecarRestarted))
			continue
		}
		out = append(out, profiletest.Window(o))
	}
	return out
}

func upload(t *testing.T, url string, windows []*profile.Window) {
	t.Helper()
	for _, w := range windows {
		body, err := profile.Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		post(t, url+"/api/v1/windows", profile.ContentType, body)
	}
}

func post(t *testing.T, url, contentType string, body []byte) {
	t.Helper()
	response, err := http.Post(url, contentType, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if said, _ := io.ReadAll(response.Body); response.StatusCode >= 300 {
		t.Fatalf("post to %s: %s: %s", url, response.Status, said)
	}
}

// tell reports two targets: one is profiled, one is in conflict. Reports come before
// the last windows: one that came in a later minute would let another window be
// expected.
func tell(t *testing.T, url string) {
	t.Helper()
	r := &profile.Report{Instance: "i1", Version: "test", ReportedAt: time.Now().UTC()}
	end := r.ReportedAt.Truncate(time.Minute)
	for _, one := range []struct {
		service, pod string
		state        profile.State
		reason       profile.Reason
	}{{"shop", "shop-2-0", profile.StateProfiled, ""}, {"billing", "billing-0", profile.StateConflict, profile.Conflict}} {
		target := profiletest.Target(one.service, one.pod)
		target.JVMStart = end.Add(-time.Hour)
		last := end
		r.Targets = append(r.Targets, profile.TargetReport{Identity: target, State: profile.TargetState{
			State: one.state, Reason: one.reason, Since: end, WindowSeconds: 600, LastWindowEnd: &last, Events: []string{"cpu"},
		}})
	}
	body, err := profile.EncodeReport(r)
	if err != nil {
		t.Fatal(err)
	}
	post(t, url+"/api/v1/targets", "application/json", body)
}

// fakeKubectl is a kubectl whose cluster is BACKEND: it answers what podflame
// asks, and forwards by naming the backend's own address. KUBECTL says what it
// does wrong.
func fakeKubectl() {
	line := strings.Join(os.Args[1:], " ")
	say := func(v any) { _ = json.NewEncoder(os.Stdout).Encode(v) }
	switch {
	case os.Getenv("KUBECTL") == "refused":
		fmt.Fprintln(os.Stderr, "error: You must be logged in to the server (Unauthorized)")
		os.Exit(1)
	case strings.Contains(line, "port-forward"):
		address := strings.TrimPrefix(os.Getenv("BACKEND"), "http://")
		fmt.Printf("Forwarding from %s -> 8080\n", address)
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, os.Interrupt)
		<-ended
		_ = os.WriteFile(os.Getenv("FORWARDED"), []byte(line+"\n"), 0o600)
	case strings.Contains(line, " annotate "), strings.HasPrefix(line, "annotate "):
		_ = os.WriteFile(os.Getenv("ANNOTATED"), []byte(line+"\n"), 0o600)
	case strings.Contains(line, " pod/shop-2-"):
		say(map[string]any{"metadata": map[string]any{"namespace": "shop"}, "spec": map[string]any{"initContainers": []any{map[string]string{"name": sidecarContainer}}}})
	case strings.Contains(line, "pod/out-0"):
		say(map[string]any{"metadata": map[string]any{"namespace": "shop", "annotations": map[string]string{enabledAnnotation: "false"}}})
	case strings.Contains(line, "pod/plain-0"):
		say(map[string]any{"metadata": map[string]any{"namespace": "shop", "annotations": map[string]string{statusAnnotation: `{"reason":"host_pid"}`}}})
	case strings.Contains(line, "deployment podflame-backend"):
		say(map[string]any{"spec": map[string]any{}})
	case line == "get deployment/storefront -o json", line == "get --namespace shop deployment/storefront -o json":
		say(map[string]any{"metadata": map[string]any{"namespace": "shop"}, "spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]string{"app": "storefront"}}}})
	case line == "get --namespace shop pods --selector app=storefront -o json":
		say(map[string]any{"items": []any{map[string]any{"metadata": map[string]any{"name": "shop-2-0"}}, map[string]any{"metadata": map[string]any{"name": "shop-2-9"}}}})
	default:
		fmt.Fprintf(os.Stderr, "Error from server (NotFound): %q\n", line)
		os.Exit(1)
	}
}
