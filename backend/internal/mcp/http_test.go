package mcp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/podflame/podflame/backend/internal/auth/authtest"
	"github.com/podflame/podflame/backend/internal/ingest"
	"github.com/podflame/podflame/backend/internal/mcp"
	"github.com/podflame/podflame/backend/internal/query"
	"github.com/podflame/podflame/backend/internal/regressions"
	"github.com/podflame/podflame/backend/internal/server"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const audience = "podflame"

// world is a backend whose people log in by their rights in a cluster, with a
// service in each of two namespaces.
type world struct {
	url     string
	cluster *authtest.Server
	end     time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	log, registry, limits := slog.New(slog.DiscardHandler), prometheus.NewRegistry(), query.DefaultLimits()
	limits.Timeout = 2 * time.Minute // a loaded machine is no failure
	db := storetest.Open(t, func(c *store.Config) { c.Unscoped = false })
	w := &world{cluster: authtest.NewServer(t)}
	kube, err := auth.NewKube(w.cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	metrics := auth.NewMetrics(registry)
	people := &auth.People{
		Mode: auth.Kubernetes, Audience: audience, Audit: auth.NewAudit(log), Metrics: metrics,
		Verifier: auth.NewTokens(kube, audience, auth.DefaultLimits(), time.Now, metrics),
		Scopes:   auth.NewScopes(kube, db.Namespaces, auth.DefaultLimits(), time.Now, metrics),
	}
	in := ingest.New(ingest.Config{Store: db, Senders: auth.Anyone{}, Limits: ingest.DefaultLimits(), Log: log, Registry: registry})
	read := query.New(query.Config{Catalog: db, Samples: db, Prober: db, Uploads: in, Mode: "embedded", Limits: limits, Log: log, Registry: registry, Now: w.now})
	watch := regressions.New(regressions.Config{Catalog: db, Comparer: read, Limits: regressions.DefaultLimits(), Log: log, Registry: registry})
	handler, err := server.Site{
		Uploads: in, Guarded: server.Parts{read, watch}, Guard: people.Guard, Protect: people.Protect, Log: log, Panics: server.NewPanics(registry),
		Assistants: func(api http.Handler) http.Handler { return mcp.Handler(api, "test", w.now) },
	}.Handler()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	w.url = s.URL
	w.fill(t)
	return w
}

// now is when tools are asked: half a minute after the last window, however long
// the test takes.
func (w *world) now() time.Time { return w.end.Add(30 * time.Second) }

// fill reports a cart in namespace a and a vault in namespace b, and uploads what
// they did. No target is reported later than in the minute after its last window:
// then one more would be expected.
func (w *world) fill(t *testing.T) {
	t.Helper()
	targets := map[string]profile.Target{}
	report := &profile.Report{Instance: "i", Version: "test", ReportedAt: time.Now().UTC()}
	for service, namespace := range map[string]string{"cart": "a", "vault": "b"} {
		target := profiletest.Target(service, service+"-0")
		target.Namespace = namespace
		targets[service] = target
		report.Targets = append(report.Targets, profile.TargetReport{Identity: target, State: profile.TargetState{
			State: profile.StateConflict, Reason: profile.Conflict, Since: report.ReportedAt.Truncate(time.Second), WindowSeconds: 600, Events: []string{},
		}})
	}
	body, err := profile.EncodeReport(report)
	if err != nil {
		t.Fatal(err)
	}
	w.post(t, "/api/v1/targets", "application/json", body)
	w.end = time.Now().UTC().Truncate(time.Minute)
	for service, target := range targets {
		for i := range 3 {
			o := profiletest.Options{Start: w.end.Add(time.Duration(i-3) * time.Minute), Target: target}
			if i == 1 {
				w.post(t, "/api/v1/windows", profile.ContentType, encoded(t, profiletest.Lost(o, profile.SidecarRestarted)))
				continue
			}
			w.post(t, "/api/v1/windows", profile.ContentType, encoded(t, profiletest.Sampled(o, map[string]int64{
				"java.lang.Thread.run;" + service + ".Main.run;" + service + ".Main.hot": 900, "java.lang.Thread.run;" + service + ".Main.cold": 100,
			})))
		}
	}
}

func encoded(t *testing.T, window *profile.Window) []byte {
	t.Helper()
	body, err := profile.Encode(window)
	if err != nil {
		t.Fatal(err)
	}
	return body
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

// reader is a user who may see these namespaces; he is let in by the token.
func (w *world) reader(name string, namespaces ...string) (token string) {
	return w.cluster.Reader(name, audience, time.Now().Add(time.Hour), namespaces...)
}

// bearer shows a token with each request, and what else there is to send.
type bearer struct {
	token   string
	headers map[string]string
	host    string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	for name, value := range b.headers {
		r.Header.Set(name, value)
	}
	if b.host != "" {
		r.Host = b.host
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (w *world) connect(ctx context.Context, b bearer) (*sdk.ClientSession, error) {
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	return c.Connect(ctx, &sdk.StreamableClientTransport{
		Endpoint: w.url + "/api/v1/mcp", HTTPClient: &http.Client{Transport: b}, MaxRetries: -1, DisableStandaloneSSE: true,
	}, nil)
}

func (w *world) session(t *testing.T, token string) *sdk.ClientSession {
	t.Helper()
	s, err := w.connect(t.Context(), bearer{token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// call returns the text of an answer, and whether it is an error.
func call(t *testing.T, s *sdk.ClientSession, tool string, arguments map[string]any) (string, bool) {
	t.Helper()
	r, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	var b strings.Builder
	for _, c := range r.Content {
		b.WriteString(c.(*sdk.TextContent).Text)
	}
	if b.Len() > mcp.MaxText {
		t.Errorf("answer of %s has %d bytes", tool, b.Len())
	}
	return b.String(), r.IsError
}

// Each tool answers with its coverage and the link for a person; all only read.
func TestTools(t *testing.T) {
	w := newWorld(t)
	s := w.session(t, w.reader("ada", "a", "b"))
	listed, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range listed.Tools {
		if !tool.Annotations.ReadOnlyHint || tool.Description == "" {
			t.Errorf("tool %s says neither what it does nor that it reads only", tool.Name)
		}
	}
	cart := map[string]any{"service": "cart", "since": "1h"}
	link := `\nlink: ` + w.url + `/profile\?cluster=prod&from=\d+&namespace=a&service=cart&to=\d+\n$`
	covered := `\ncoverage: 2 of 3 windows stored, 1 lost .*\n  not captured sidecar_restarted \(1m0s\)`
	for tool, of := range map[string]struct {
		arguments map[string]any
		want      []string
	}{
		"list_services":       {map[string]any{"since": "1h"}, []string{`^2 services`, `a +cart +`, `b +vault`, `\ncoverage: 4 of 6 windows stored, 2 lost`, `\nlink: http`}},
		"top_functions":       {cart, []string{`90\.0% .* cart\.Main\.hot\n`, covered, link}},
		"fleet_top_functions": {map[string]any{"since": "1h"}, []string{`^cpu of all services, `, `of 2 services\n`, `45\.0% .* a/cart +cart\.Main\.hot\n`, `\ncoverage: 4 of 6 windows stored, 2 lost`, `\nlink: ` + w.url + `/functions\?from=\d+&to=\d+\n$`}},
		"call_tree":           {cart, []string{`90\.0% +18\.0 s +↳ cart\.Main\.hot  \(self 90\.0%\)\n`, covered, link}},
		"thread_groups":       {cart, []string{`100\.0% +\(unknown\)\n`, covered, link}},
		"diff":                {map[string]any{"service": "cart", "since": "1h", "base_ago": "1h"}, []string{`one side has no recording`, `coverage of base: 0 of 0`, `\nlink: ` + w.url + `/compare\?baseFrom=\d+&baseTo=\d+&cluster=prod&from=\d+&namespace=a&service=cart&to=\d+\n$`}},
		"changes":             {cart, []string{`not enough data`, `coverage of head: 2 of 3`, strings.Replace(link, "/profile", "/changes", 1)}},
		"regressions":         {map[string]any{}, []string{`^0 verdicts`, `\ncoverage: `}},
		"coverage":            {cart, []string{`^cpu of a/cart`, covered, link}},
		"list_targets":        {map[string]any{}, []string{`2 targets: 2 conflict`, `conflict: Stop the other profiler`, `\ncoverage: `, `/targets\n$`}},
	} {
		text, failed := call(t, s, tool, of.arguments)
		for _, want := range of.want {
			if failed || !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("%s says nothing that matches %q:\n%s", tool, want, text)
			}
		}
	}
	if len(listed.Tools) != 10 {
		t.Errorf("%d tools are listed, 10 are tried", len(listed.Tools))
	}
	for want, arguments := range map[string]map[string]any{
		`unknown_service: no service and no pod "card". Known are a/cart`: {"service": "card"},
		`bad_parameter: since "yesterday" is no duration such as 15m`:     {"service": "cart", "since": "yesterday"},
		`bad_parameter: profile type "gpu" is not one of`:                 {"service": "cart", "type": "gpu"},
	} {
		if text, failed := call(t, s, "top_functions", arguments); !failed || !strings.Contains(text, want) {
			t.Errorf("%v is answered by %q (%t), want an error with %q", arguments, text, failed, want)
		}
	}
	for _, tool := range []string{"top_functions", "call_tree"} {
		for _, parameter := range []string{"threads", "exclude_threads"} {
			text, failed := call(t, s, tool, map[string]any{"service": "cart", parameter: []string{"nobody"}})
			if want := `not_found: no thread group "nobody" in `; !failed || !strings.Contains(text, want) || !strings.Contains(text, "Known are "+profile.UnknownThreads) {
				t.Errorf("%s with %s is answered by %q (%t), want an error with %q", tool, parameter, text, failed, want)
			}
		}
		if text, failed := call(t, s, tool, map[string]any{"service": "cart", "threads": []string{profile.UnknownThreads}}); failed || !strings.Contains(text, "cart.Main.hot") {
			t.Errorf("%s of threads that are not known is answered by %q", tool, text)
		}
	}
}

// A reader of namespace a sees nothing of b, by whatever tool and name, and not
// even that it is there; nor does he when another has just asked.
func TestAssistantSeesWhatItsUserMaySee(t *testing.T) {
	w := newWorld(t)
	both, one := w.session(t, w.reader("root", "a", "b")), w.session(t, w.reader("eve", "a"))
	for _, arguments := range []map[string]any{
		{"service": "vault", "since": "1h"}, {"service": "b/vault", "since": "1h"}, {"service": "vault", "namespace": "b", "since": "1h"}, {"service": "vault-0", "since": "1h"},
	} {
		for _, tool := range []string{"top_functions", "call_tree", "thread_groups", "changes", "coverage"} {
			if text, failed := call(t, both, tool, arguments); failed || !strings.Contains(text, "b/vault") {
				t.Fatalf("%s of %v tells who may see it nothing: %s", tool, arguments, text)
			}
			text, failed := call(t, one, tool, arguments)
			if strings.Contains(text, "vault.Main") || strings.Contains(text, "Known are a/cart, b") || !failed {
				t.Errorf("%s of %v tells who may not see it: %s", tool, arguments, text)
			}
		}
	}
	for tool, arguments := range map[string]map[string]any{"list_services": {"since": "1h"}, "fleet_top_functions": {"since": "1h"}, "list_targets": {}} {
		text, failed := call(t, one, tool, arguments)
		if failed || strings.Contains(text, "vault") || !strings.Contains(text, "cart") {
			t.Errorf("%s says (%t): %s", tool, failed, text)
		}
	}
	if text, failed := call(t, one, "list_targets", map[string]any{"namespace": "b"}); !failed || strings.Contains(text, "vault-0") {
		t.Errorf("targets of b: %s", text)
	}
}

// Whoever is not let in, comes through another name or from another site gets no
// further than the door.
func TestAssistantsComeThroughTheDoor(t *testing.T) {
	w := newWorld(t)
	token := w.reader("ada", "a")
	for name, one := range map[string]struct {
		bearer
		status int
	}{
		"no token":       {bearer{}, 401},
		"a pod's token":  {bearer{token: w.cluster.Pod("podflame-backend", "a", "cart-0", "u", time.Now().Add(time.Hour))}, 401},
		"another host":   {bearer{token: token, host: "evil.example"}, 403},
		"another origin": {bearer{token: token, headers: map[string]string{"Origin": "http://evil.example"}}, 403},
		"another site":   {bearer{token: token, headers: map[string]string{"Sec-Fetch-Site": "cross-site"}}, 403},
		"a proxy's word": {bearer{headers: map[string]string{"X-Forwarded-User": "ada"}}, 403},
	} {
		if s, err := w.connect(t.Context(), one.bearer); err == nil {
			_ = s.Close()
			t.Errorf("%s is let in", name)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/api/v1/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		response, err := one.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if _ = response.Body.Close(); response.StatusCode != one.status {
			t.Errorf("%s is answered with %d, want %d", name, response.StatusCode, one.status)
		}
	}
	// A message that is too long is refused before it is read to its end.
	long := bytes.NewReader([]byte(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"%s"}`, strings.Repeat("x", 300<<10))))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/api/v1/mcp", long)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	response, err := bearer{token: token}.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if _ = response.Body.Close(); response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a long message is answered with %d", response.StatusCode)
	}
}

// What is too long loses lines, and says so; its coverage stays.
func TestBound(t *testing.T) {
	lines := strings.Repeat("  1.0% some line of a tree\n", 2000)
	tail := "omitted: 3 nodes\ncoverage: 1 of 2 windows stored\n  dropped why\nlink: http://h\n"
	got := mcp.Bound("head\n"+lines+tail, 4096)
	if len(got) > 4096 || !strings.HasPrefix(got, "head\n  1.0%") || !strings.HasSuffix(got, tail) || !regexp.MustCompile(`\nomitted: 18\d\d more lines, as an answer has at most 4096 bytes`).MatchString(got) {
		t.Errorf("%d bytes: %.100s … %s", len(got), got, got[max(0, len(got)-400):])
	}
	if got := mcp.Bound("head\n"+tail+strings.Repeat("  dropped why\n", 1000), 1024); len(got) > 1024 || !strings.Contains(got, "coverage: 1 of 2") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	if got := mcp.Bound(tail, len(tail)); got != tail {
		t.Errorf("what fits is %q", got)
	}
}
