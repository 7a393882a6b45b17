package ingest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/internal/auth"
	"github.com/podflame/podflame/backend/internal/auth/authtest"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

const audience = "podflame-backend"

// guarded is ingest that asks a scripted API server.
func guarded(t *testing.T) (*harness, *authtest.Server) {
	t.Helper()
	server := authtest.NewServer(t)
	kube, err := auth.NewKube(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	tokens := auth.NewTokens(kube, audience, auth.DefaultLimits(), clock, auth.NewMetrics(prometheus.NewRegistry()))
	return newHarness(t, func(c *Config) { c.Senders = auth.NewPods(tokens, "prod-1") }), server
}

// send uploads to a path as the holder of a token.
func (h *harness) send(t *testing.T, path, token string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", map[bool]string{true: profile.ContentType, false: "application/json"}[path == "/api/v1/windows"])
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return h.Do(t, r)
}

// windowOf is a window that claims to be of a pod.
func windowOf(t *testing.T, seed int, namespace, pod, uid string) (*profile.Window, []byte) {
	t.Helper()
	target := profiletest.Target("checkout", pod)
	target.Cluster, target.Namespace, target.PodUID = "claimed", namespace, uid
	w := profiletest.Window(profiletest.Options{Seed: uint64(seed), Start: now.Add(-time.Hour).Truncate(time.Minute), Target: target, Lossy: true})
	return w, encode(t, w)
}

func reportOf(t *testing.T, targets ...profile.Target) []byte {
	t.Helper()
	r := &profile.Report{Instance: "i", Version: "1", ReportedAt: now}
	for _, target := range targets {
		r.Targets = append(r.Targets, profile.TargetReport{Identity: target, State: profile.TargetState{State: profile.StateProfiled, Since: now}})
	}
	body, err := profile.EncodeReport(r)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestPodWritesAsItselfOnly(t *testing.T) {
	h, server := guarded(t)
	token := server.Pod(audience, "shop", "checkout-1", "uid-1", now.Add(time.Hour))
	own, body := windowOf(t, 1, "shop", "checkout-1", "uid-1")
	receipt := apitest.Decode[api.Receipt](t, h.send(t, "/api/v1/windows", token, body))
	if stored := h.store.windows[own.ID]; receipt.ID != own.ID || stored == nil || stored.Target.Cluster != "prod-1" {
		t.Errorf("receipt %+v, stored %+v", receipt, stored)
	}
	if w := h.send(t, "/api/v1/targets", token, reportOf(t, own.Target)); w.Code != http.StatusNoContent {
		t.Errorf("report is answered %d %s", w.Code, w.Body)
	}
	if got := h.store.targets[len(h.store.targets)-1]; got.Cluster != "prod-1" || !strings.Contains(got.Extra, "prod-1") || strings.Contains(got.Extra, "claimed") {
		t.Errorf("target is stored as %+v", got)
	}
	before := len(h.store.targets)
	foreign, forged := windowOf(t, 2, "bank", "vault-1", "uid-9")
	e := apitest.Refused(t, h.send(t, "/api/v1/windows", token, forged), 403, profile.NotOwnPod)
	for _, name := range []string{"bank", "vault-1", "uid-9", "shop", "checkout-1", "uid-1"} {
		if !strings.Contains(e.Message, name) {
			t.Errorf("message %q does not name %s", e.Message, name)
		}
	}
	// One foreign target spoils the report: whoever forges one may have all.
	apitest.Refused(t, h.send(t, "/api/v1/targets", token, reportOf(t, own.Target, foreign.Target)), 403, profile.NotOwnPod)
	if h.store.windows[foreign.ID] != nil || len(h.store.targets) != before {
		t.Error("something forged was stored")
	}
}

func TestRefusalsOfUploadsAreCountedAndShown(t *testing.T) {
	h, server := guarded(t)
	token := server.Pod(audience, "shop", "checkout-1", "uid-1", now.Add(time.Hour))
	deleted := server.Pod(audience, "shop", "checkout-0", "uid-0", now.Add(time.Hour))
	server.Forget(deleted)
	_, body := windowOf(t, 1, "bank", "vault-1", "uid-9")
	for _, c := range []struct {
		token  string
		status int
		reason profile.Reason
	}{
		{"", 401, profile.Unauthenticated},
		{"opaque", 401, profile.TokenMalformed},
		{authtest.Token(map[string]any{"aud": "podflame", "exp": now.Add(time.Hour).Unix()}), 401, profile.TokenAudience},
		{authtest.Token(map[string]any{"aud": audience, "exp": now.Add(-time.Hour).Unix()}), 401, profile.TokenExpired},
		{deleted, 401, profile.TokenRefused},
		{token, 403, profile.NotOwnPod},
		{token, 403, profile.NotOwnPod},
	} {
		w := h.send(t, "/api/v1/windows", c.token, body)
		apitest.Refused(t, w, c.status, c.reason)
		if challenge := w.Header().Get("WWW-Authenticate"); (challenge == "Bearer") != (c.status == 401) {
			t.Errorf("%s: challenge %q", c.reason, challenge)
		}
		if n := testutil.ToFloat64(h.ingest.metrics.windows.WithLabelValues("rejected", string(c.reason))); n < 1 {
			t.Errorf("the counter of %s is %v", c.reason, n)
		}
	}
	health := h.health()
	got := map[profile.Reason]api.Refusal{}
	for _, r := range health.Refusals {
		if r.Text == "" || r.Message == "" || r.Address == "" || r.Last.IsZero() {
			t.Errorf("refusal says too little: %+v", r)
		}
		got[r.Reason] = r
	}
	if r := got[profile.NotOwnPod]; r.Count != 2 || r.Namespace != "shop" || r.Pod != "checkout-1" || !strings.Contains(r.Message, "vault-1") {
		t.Errorf("the forger is shown as %+v", r)
	}
	if len(got) != 6 || got[profile.TokenExpired].Pod != "" {
		t.Errorf("refusals: %+v", health.Refusals)
	}
	// A reader of the forger's namespace sees him; one of the victim's does not
	// see whose uploads others refuse.
	for namespace, want := range map[string]int{"shop": 1, "bank": 0} {
		mine := h.ingest.Health(access.Into(t.Context(), access.Of(namespace)))
		if len(mine.Refusals) != want {
			t.Errorf("reader of %s sees %+v", namespace, mine.Refusals)
		}
	}
	if nobody := h.ingest.Health(t.Context()); len(nobody.Refusals)+len(nobody.Rejected) > 0 {
		t.Errorf("a reader without a scope sees %+v", nobody)
	}
}

func TestUploadComesAgainWhileTheAPIServerIsAway(t *testing.T) {
	h, server := guarded(t)
	token := server.Pod(audience, "shop", "checkout-1", "uid-1", now.Add(time.Hour))
	_, body := windowOf(t, 1, "shop", "checkout-1", "uid-1")
	server.Away(true)
	for _, path := range []string{"/api/v1/windows", "/api/v1/targets"} {
		apitest.Refused(t, h.send(t, path, token, body), 503, profile.ReviewUnavailable)
	}
	if health := h.health(); len(health.Refusals) != 0 || len(health.Retryable) != 1 || health.Retryable[0].Reason != profile.ReviewUnavailable {
		t.Errorf("health: %+v", health)
	}
	server.Away(false)
	apitest.Decode[api.Receipt](t, h.send(t, "/api/v1/windows", token, body))
}

// Numbers of a namespace are for its readers.
func TestHealthIsOfTheScope(t *testing.T) {
	h, server := guarded(t)
	for i, namespace := range []string{"shop", "shop", "bank"} {
		uid := fmt.Sprint("uid-", i)
		token := server.Pod(audience, namespace, "pod", uid, now.Add(time.Hour))
		_, body := windowOf(t, i, namespace, "pod", uid)
		apitest.Decode[api.Receipt](t, h.send(t, "/api/v1/windows", token, body))
		apitest.Refused(t, h.send(t, "/api/v1/windows", token, []byte("junk")), 400, profile.Malformed)
	}
	for namespace, want := range map[string]int64{"shop": 2, "bank": 1, "nowhere": 0} {
		got := h.ingest.Health(access.Into(t.Context(), access.Of(namespace)))
		var rejected int64
		for _, r := range got.Rejected {
			rejected += r.Count
		}
		if got.Accepted != want || rejected != want || (len(got.Losses) > 0) != (want > 0) {
			t.Errorf("health of %s: %+v", namespace, got)
		}
	}
	if all := h.health(); all.Accepted != 3 {
		t.Errorf("health of all: %+v", all)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	r := newRefusals()
	for i := range maxRefusals + 50 {
		r.add(now.Add(time.Duration(i)*time.Second), auth.Sender{}, fmt.Sprintf("10.0.%d.%d:1", i/256, i%256), api.Errorf(profile.Unauthenticated, "x"))
	}
	list := r.list(access.Everything())
	if len(list) != maxRefusals {
		t.Fatalf("%d are remembered, the limit is %d", len(list), maxRefusals)
	}
	want := api.Refusal{Address: "10.0.0.249", Last: now.Add(249 * time.Second)}
	if diff := cmp.Diff(want, list[0], cmpopts.IgnoreFields(api.Refusal{}, "ReasonCount", "Message")); diff != "" {
		t.Errorf("the latest (-want +got):\n%s", diff)
	}
}

func TestNamespacesOfTheTallyAreBounded(t *testing.T) {
	tally := newTally(now)
	for i := range tallyNamespaces + 10 {
		tally.accepted(fmt.Sprint("n", i))
	}
	if len(tally.of) > tallyNamespaces+1 || tally.health(now, access.Everything()).Accepted != tallyNamespaces+10 {
		t.Errorf("%d namespaces, %d windows", len(tally.of), tally.health(now, access.Everything()).Accepted)
	}
}

// Namespaces come and go: a new one is counted under its name however many there were,
// and nothing of those that made room is forgotten.
func TestNewNamespacesHaveATally(t *testing.T) {
	tally := newTally(now)
	loss := profile.Loss{Outcome: profile.Dropped, Reason: profile.SpoolFull, Count: 1}
	for i := range tallyNamespaces + 10 {
		name := fmt.Sprint("n", i)
		tally.accepted(name)
		tally.refused(name, store.Rejected, profile.Malformed)
		tally.lost(now, name, loss)
		tally.accepted("busy")
		if got := tally.health(now, access.Of(name)); got.Accepted != 1 || len(got.Losses) != 1 {
			t.Fatalf("namespace %d has %d windows and %d losses", i, got.Accepted, len(got.Losses))
		}
	}
	all := tally.health(now, access.Everything())
	if got := tally.health(now, access.Of("busy")).Accepted; got != tallyNamespaces+10 || all.Accepted != 2*(tallyNamespaces+10) {
		t.Errorf("the busy one has %d windows, all have %d", got, all.Accepted)
	}
	if len(all.Losses) != 1 || all.Losses[0].Count != tallyNamespaces+10 || len(all.Rejected) != 1 || all.Rejected[0].Count != tallyNamespaces+10 {
		t.Errorf("losses %+v, refusals %+v", all.Losses, all.Rejected)
	}
}
