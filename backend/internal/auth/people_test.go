package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/access"
	"github.com/podflame/podflame/backend/profile"
)

const (
	userSecret  = "a-secret-that-people-share"
	proxySecret = "a-secret-of-the-proxy-alone"
)

// door is the door of people with one page behind it that tells the scope.
type door struct {
	*world
	people  *People
	handler http.Handler
	log     *bytes.Buffer
}

func newDoor(t *testing.T, mode Mode) *door {
	t.Helper()
	d := &door{world: newWorld(t), log: &bytes.Buffer{}}
	d.people = &People{
		Mode: mode, Audience: readers, Metrics: d.metrics, Origins: Origins{Hosts: []string{"profiles.example.com"}},
		Audit: NewAudit(slog.New(slog.NewTextHandler(d.log, nil))),
	}
	switch mode {
	case Shared:
		d.people.Verifier = secretFile(t, userSecret)
	case Kubernetes:
		d.people.Verifier = d.tokens(readers)
		d.people.Scopes = NewScopes(d.kube, listing("bank", "blog", "shop"), d.limits, d.Now, d.metrics)
		d.people.Proxy = &Proxy{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/30")}, Secret: secretFile(t, proxySecret), UserPrefix: "oidc:", GroupPrefix: "oidc-group:"}
	}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	NewSessions(d.people).Routes(engine)
	tell := func(c *gin.Context) {
		s, ok := access.From(c.Request.Context())
		c.String(http.StatusOK, "%t %s", ok, s)
	}
	guarded := engine.Group("", d.people.Guard)
	guarded.GET("/api/v1/services", tell)
	guarded.GET("/api/v1/export", tell)
	engine.NoRoute(func(c *gin.Context) { c.String(http.StatusOK, "the UI") })
	d.handler = d.people.Protect(engine)
	return d
}

func listing(names ...string) Namespaces {
	return func(context.Context) ([]string, bool, error) { return names, false, nil }
}

func secretFile(t *testing.T, secret string) *SecretFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := NewSecretFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (d *door) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w
}

// reason of a refusal, or the body of a page.
func said(w *httptest.ResponseRecorder) string {
	var e api.Error
	if json.Unmarshal(w.Body.Bytes(), &e) == nil && e.Code != "" {
		return string(e.Code)
	}
	return w.Body.String()
}

// reader makes a token of somebody who may see these namespaces.
func (d *door) reader(name string, namespaces ...string) string {
	for _, namespace := range namespaces {
		d.Grant(name, namespace)
	}
	return d.Accept(user(name), readers, d.in(time.Hour))
}

func TestReadersSeeWhatTheyMay(t *testing.T) {
	d := newDoor(t, Kubernetes)
	ann, bob, eve := d.reader("ann", "shop", "blog"), d.reader("bob", ""), d.reader("eve")
	shopOnly, everything := `true namespaces ["shop"]`, "true every namespace"
	for name, c := range map[string]struct {
		token, query, want string
	}{
		"two namespaces":             {ann, "", `true namespaces ["blog" "shop"]`},
		"one of them":                {ann, "?namespace=shop", shopOnly},
		"another one":                {ann, "?namespace=bank", "forbidden"},
		"no such namespace":          {ann, "?namespace=nowhere", "forbidden"},
		"a namespace without a name": {ann, "?namespace=", "forbidden"},
		"one of them and another":    {ann, "?namespace=shop&namespace=bank", "forbidden"},
		"other side of a comparison": {ann, "?namespace=shop&baseNamespace=bank", "forbidden"},
		"both sides":                 {ann, "?namespace=shop&base_namespace=blog", `true namespaces ["blog" "shop"]`},
		"everything":                 {bob, "", everything},
		"everything, one":            {bob, "?namespace=shop", shopOnly},
		"everything, no name":        {bob, "?namespace=", `true namespaces [""]`},
		"nothing":                    {eve, "", "true namespaces []"},
		"nothing, one":               {eve, "?namespace=shop", "forbidden"},
		"nobody":                     {"", "", "unauthenticated"},
		"malformed":                  {"opaque", "", "token_malformed"},
	} {
		r := request(http.MethodGet, "/api/v1/services"+c.query)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		if w := d.do(r); said(w) != c.want {
			t.Errorf("%s: %d %s, want %s", name, w.Code, w.Body, c.want)
		}
	}
}

// The token of a sidecar is in every profiled pod: it must not open this door.
// Nor must a token of a kubeconfig, which could do anything in the cluster if it
// were stolen here.
func TestTokensOfAnotherKindDoNotRead(t *testing.T) {
	d := newDoor(t, Kubernetes)
	d.Grant("system:serviceaccounts", "")
	d.Grant("admin", "")
	for name, token := range map[string]string{
		"sidecar's":    d.Pod(writers, "shop", "checkout-1", "uid-1", d.in(time.Hour)),
		"kubeconfig's": d.Accept(user("admin"), "https://kubernetes.default.svc", d.in(time.Hour)),
	} {
		r := request(http.MethodGet, "/api/v1/services", "Authorization", "Bearer "+token)
		if w := d.do(r); said(w) != "token_audience" || w.Code != http.StatusUnauthorized {
			t.Errorf("%s token: %d %s", name, w.Code, w.Body)
		}
		if w := d.login(token); said(w) != "token_audience" || len(w.Result().Cookies()) > 0 {
			t.Errorf("login with the %s token: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestAccessIsAskedOnceInAWhile(t *testing.T) {
	d := newDoor(t, Kubernetes)
	token := d.reader("ann", "shop")
	r := func() *http.Request {
		return request(http.MethodGet, "/api/v1/services", "Authorization", "Bearer "+token)
	}
	for range 3 {
		d.do(r())
	}
	if n := d.Asked("access"); n != 4 { // for all, and for each of three
		t.Errorf("%d questions, want 4", n)
	}
	d.Grant("ann", "bank")
	d.forward(d.limits.RememberAccess + time.Second)
	if w := d.do(r()); said(w) != `true namespaces ["bank" "shop"]` {
		t.Errorf("after a grant: %s", w.Body)
	}
}

func TestReadersWhileTheAPIServerIsAway(t *testing.T) {
	d := newDoor(t, Kubernetes)
	token := d.reader("ann", "shop")
	d.Away(true)
	for _, path := range []string{"/api/v1/services", "/api/v1/services?namespace=shop", "/api/v1/session"} {
		w := d.do(request(http.MethodGet, path, "Authorization", "Bearer "+token))
		apitest.Refused(t, w, http.StatusServiceUnavailable, profile.ReviewUnavailable)
	}
	if w := d.do(request(http.MethodGet, "/")); said(w) != "the UI" {
		t.Errorf("UI: %s", w.Body)
	}
}

func TestNoneAndSharedSeeEverything(t *testing.T) {
	open := newDoor(t, None)
	if w := open.do(request(http.MethodGet, "/api/v1/services?namespace=shop")); said(w) != "true every namespace" {
		t.Error(w.Body)
	}
	shared := newDoor(t, Shared)
	for token, want := range map[string]string{userSecret: "true every namespace", userSecret + "x": "token_refused", "": "unauthenticated"} {
		r := request(http.MethodGet, "/api/v1/services")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		if w := shared.do(r); said(w) != want {
			t.Errorf("%q: %s, want %s", token, w.Body, want)
		}
	}
}

func (d *door) login(token string) *httptest.ResponseRecorder {
	body, _ := json.Marshal(api.Login{Token: token})
	r := httptest.NewRequest(http.MethodPost, "/api/v1/session", bytes.NewReader(body))
	r.Host = "localhost:8080"
	r.Header.Set("Content-Type", "application/json")
	return d.do(r)
}

func TestLoginAndLogout(t *testing.T) {
	d := newDoor(t, Kubernetes)
	token := d.reader("ann", "shop")
	w := d.login(token)
	session := apitest.Decode[api.Session](t, w)
	if !session.LoggedIn || session.User != "ann" || session.By != "session" || session.Everything || !slices.Equal(session.Namespaces, []string{"shop"}) || !session.Expires.Equal(d.in(time.Hour)) {
		t.Errorf("session is %+v", session)
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies: %v", cookies)
	}
	if c := cookies[0]; !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || !c.Expires.Equal(d.in(time.Hour)) {
		t.Errorf("cookie is %s", c)
	}
	page := func() *httptest.ResponseRecorder {
		r := request(http.MethodGet, "/api/v1/services")
		r.AddCookie(cookies[0])
		return d.do(r)
	}
	if w := page(); said(w) != `true namespaces ["shop"]` {
		t.Errorf("with the cookie: %s", w.Body)
	}
	r := request(http.MethodDelete, "/api/v1/session")
	r.AddCookie(cookies[0])
	out := d.do(r)
	if left := out.Result().Cookies(); out.Code != http.StatusNoContent || len(left) != 1 || left[0].Value != "" || left[0].Expires.After(d.Now()) {
		t.Errorf("logout: %d %v", out.Code, left)
	}
	for _, event := range []string{"audit=login user=ann", "audit=logout user=ann"} {
		if !strings.Contains(d.log.String(), event) {
			t.Errorf("the log lacks %q:\n%s", event, d.log)
		}
	}
	if strings.Contains(d.log.String(), token) {
		t.Error("the token is in the log")
	}
	d.forward(time.Hour + 2*leeway) // the session ends when its token does
	if w := page(); said(w) != "token_expired" {
		t.Errorf("after the token's end: %s", w.Body)
	}
}

// A session says why it is none, so that the login can.
func TestSessionSaysWhyItIsNone(t *testing.T) {
	d := newDoor(t, Kubernetes)
	if s := apitest.Decode[api.Session](t, d.do(request(http.MethodGet, "/api/v1/session"))); s.LoggedIn || s.Auth != "kubernetes" || s.Audience != readers || s.Reason != nil {
		t.Errorf("nobody: %+v", s)
	}
	token := d.reader("ann", "shop")
	cookies := d.login(token).Result().Cookies()
	d.forward(2 * time.Hour)
	r := request(http.MethodGet, "/api/v1/session")
	r.AddCookie(cookies[0])
	if s := apitest.Decode[api.Session](t, d.do(r)); s.LoggedIn || s.Reason == nil || s.Reason.Reason != profile.TokenExpired || s.User != "" {
		t.Errorf("expired: %+v", s)
	}
	none := newDoor(t, None)
	if s := apitest.Decode[api.Session](t, none.do(request(http.MethodGet, "/api/v1/session"))); !s.LoggedIn || s.Auth != "none" || !s.Everything {
		t.Errorf("without authentication: %+v", s)
	}
}

func TestLoginsThatFail(t *testing.T) {
	d := newDoor(t, Kubernetes)
	for name, c := range map[string]struct {
		contentType, body string
		want              profile.Reason
	}{
		"a form of another site": {"application/x-www-form-urlencoded", "token=x", profile.Malformed},
		"text of another site":   {"text/plain", `{"token":"x"}`, profile.Malformed},
		"not JSON":               {"application/json", "token", profile.Malformed},
		"no token":               {"application/json", "{}", profile.TokenMalformed},
		"larger than a cookie":   {"application/json", fmt.Sprintf(`{"token":%q}`, strings.Repeat("x", maxSessionToken+1)), profile.TokenMalformed},
		"larger than a body":     {"application/json", fmt.Sprintf(`{"token":%q}`, strings.Repeat("x", maxLogin)), profile.Malformed},
	} {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/session", strings.NewReader(c.body))
		r.Host = "localhost"
		r.Header.Set("Content-Type", c.contentType)
		w := d.do(r)
		if said(w) != string(c.want) || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if n := testutil.ToFloat64(d.metrics.logins.WithLabelValues(string(c.want))); n < 1 {
			t.Errorf("%s: logins that end so: %v", name, n)
		}
	}
	if w := newDoor(t, None).login("x"); said(w) != "not_found" {
		t.Errorf("login where there is nothing to log in to: %s", w.Body)
	}
}

func TestLoginsAreLimited(t *testing.T) {
	d := newDoor(t, Shared)
	for range 100 {
		if w := d.login("guess"); w.Code == http.StatusTooManyRequests {
			apitest.Refused(t, w, http.StatusTooManyRequests, profile.Overloaded)
			return
		}
	}
	t.Error("100 guesses at a time were answered")
}

func TestCookiesThatAreNone(t *testing.T) {
	d := newDoor(t, Kubernetes)
	token := d.reader("ann", "shop")
	for name, cookies := range map[string][]string{
		"two":   {token, token},
		"huge":  {strings.Repeat("x", maxSessionToken+1)},
		"empty": {""},
	} {
		r := request(http.MethodGet, "/api/v1/services")
		for _, value := range cookies {
			r.AddCookie(&http.Cookie{Name: sessionCookie, Value: value})
		}
		if w := d.do(r); said(w) != "unauthenticated" {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

func TestOnlyTheProxyForwardsLogins(t *testing.T) {
	d := newDoor(t, Kubernetes)
	d.Grant("oidc:ann", "shop")
	d.Grant("oidc-group:sre", "bank")
	d.Grant("system:masters", "")
	for name, c := range map[string]struct {
		remote  string
		headers []string
		want    string
	}{
		"the proxy":              {"192.0.2.1:1", []string{headerUser, "ann", headerSecret, proxySecret}, `true namespaces ["shop"]`},
		"with groups":            {"192.0.2.1:1", []string{headerUser, "ann", headerGroups, "dev, sre", headerSecret, proxySecret}, `true namespaces ["bank" "shop"]`},
		"by IPv4 in IPv6":        {"[::ffff:192.0.2.1]:1", []string{headerUser, "ann", headerSecret, proxySecret}, `true namespaces ["shop"]`},
		"another address":        {"192.0.2.9:1", []string{headerUser, "ann", headerSecret, proxySecret}, "proxy_not_trusted"},
		"no address":             {"@", []string{headerUser, "ann", headerSecret, proxySecret}, "proxy_not_trusted"},
		"no secret":              {"192.0.2.1:1", []string{headerUser, "ann"}, "proxy_not_trusted"},
		"another secret":         {"192.0.2.1:1", []string{headerUser, "ann", headerSecret, "x"}, "proxy_not_trusted"},
		"two secrets":            {"192.0.2.1:1", []string{headerUser, "ann", headerSecret, proxySecret, headerSecret, "x"}, "proxy_not_trusted"},
		"two users":              {"192.0.2.1:1", []string{headerUser, "ann", headerUser, "bob", headerSecret, proxySecret}, "forbidden"},
		"no user":                {"192.0.2.1:1", []string{headerUser, "", headerSecret, proxySecret}, "forbidden"},
		"a long name":            {"192.0.2.1:1", []string{headerUser, strings.Repeat("x", 300), headerSecret, proxySecret}, "forbidden"},
		"only groups":            {"192.0.2.1:1", []string{headerGroups, "sre", headerSecret, proxySecret}, "unauthenticated"},
		"a group of the cluster": {"192.0.2.1:1", []string{headerUser, "ann", headerGroups, "system:masters", headerSecret, proxySecret}, `true namespaces ["shop"]`},
	} {
		r := request(http.MethodGet, "/api/v1/services", c.headers...)
		r.RemoteAddr = c.remote
		if w := d.do(r); said(w) != c.want {
			t.Errorf("%s: %d %s, want %s", name, w.Code, w.Body, c.want)
		}
	}
	// Without a prefix, names of the cluster's own are refused.
	d.people.Proxy.UserPrefix, d.people.Proxy.GroupPrefix = "", ""
	for _, headers := range [][]string{{headerUser, "system:admin"}, {headerUser, "ann", headerGroups, "system:masters"}} {
		r := request(http.MethodGet, "/api/v1/services", append(headers, headerSecret, proxySecret)...)
		r.RemoteAddr = "192.0.2.1:1"
		if w := d.do(r); said(w) != "forbidden" {
			t.Errorf("%v: %s", headers, w.Body)
		}
	}
	// Without a proxy nobody's headers are believed.
	d.people.Proxy = nil
	r := request(http.MethodGet, "/api/v1/services", headerUser, "ann", headerSecret, proxySecret)
	r.RemoteAddr = "192.0.2.1:1"
	if w := d.do(r); said(w) != "proxy_not_trusted" {
		t.Errorf("no proxy: %s", w.Body)
	}
}

func TestOtherSitesAndNames(t *testing.T) {
	d := newDoor(t, None)
	for name, c := range map[string]struct {
		host, path string
		headers    []string
		want       string
	}{
		"localhost":            {"localhost:8080", "/api/v1/services", nil, "true every namespace"},
		"address":              {"127.0.0.1:8080", "/api/v1/services", nil, "true every namespace"},
		"IPv6":                 {"[::1]:8080", "/", nil, "the UI"},
		"pod's address":        {"10.1.2.3", "/", nil, "the UI"},
		"named":                {"Profiles.Example.com.", "/", nil, "the UI"},
		"rebound name":         {"evil.example.org:8080", "/api/v1/services", nil, "host_not_allowed"},
		"rebound name, UI":     {"evil.example.org:8080", "/", nil, "host_not_allowed"},
		"name with an address": {"127.0.0.1.evil.example.org", "/", nil, "host_not_allowed"},
		"no name":              {"", "/", nil, "host_not_allowed"},
		"own page":             {"localhost:8080", "/api/v1/services", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://localhost:8080"}, "true every namespace"},
		"typed":                {"localhost:8080", "/api/v1/services", []string{"Sec-Fetch-Site", "none"}, "true every namespace"},
		"other site":           {"localhost:8080", "/api/v1/services", []string{"Sec-Fetch-Site", "cross-site"}, "origin_not_allowed"},
		"other port":           {"localhost:8080", "/api/v1/services", []string{"Sec-Fetch-Site", "same-site"}, "origin_not_allowed"},
		"other origin":         {"localhost:8080", "/api/v1/services", []string{"Origin", "http://localhost:3000"}, "origin_not_allowed"},
		"sandboxed":            {"localhost:8080", "/api/v1/services", []string{"Origin", "null"}, "origin_not_allowed"},
		"link from elsewhere":  {"localhost:8080", "/profile", []string{"Sec-Fetch-Site", "cross-site"}, "the UI"},
	} {
		r := request(http.MethodGet, c.path, c.headers...)
		r.Host = c.host
		w := d.do(r)
		if said(w) != c.want {
			t.Errorf("%s: %d %s, want %s", name, w.Code, w.Body, c.want)
		}
		for header, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
}

// Login from a page of another site: the browser would send it.
func TestLoginFromAnotherSite(t *testing.T) {
	d := newDoor(t, Shared)
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		r := request(method, "/api/v1/session", "Origin", "https://evil.example.org", "Content-Type", "application/json")
		if w := d.do(r); said(w) != "origin_not_allowed" || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
}

func TestAudit(t *testing.T) {
	d := newDoor(t, Kubernetes)
	token := d.reader("ann", "shop")
	d.do(request(http.MethodGet, "/api/v1/export?namespace=shop", "Authorization", "Bearer "+token))
	d.do(request(http.MethodGet, "/api/v1/export?namespace=bank", "Authorization", "Bearer "+token))
	for _, event := range []string{
		`audit=export user=ann path=/api/v1/export query="namespace=shop"`,
		`audit=refusal user=ann method=GET path=/api/v1/export reason=forbidden`,
	} {
		if !strings.Contains(d.log.String(), event) {
			t.Errorf("the log lacks %q:\n%s", event, d.log)
		}
	}
	if n := testutil.ToFloat64(d.metrics.refused.WithLabelValues("forbidden")); n != 1 {
		t.Errorf("%v refusals are counted, want 1", n)
	}
	for range 1000 {
		d.do(request(http.MethodGet, "/api/v1/services"))
	}
	if lines := strings.Count(d.log.String(), "\n"); lines > 100 {
		t.Errorf("1000 refusals fill %d lines of the log", lines)
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for _, content := range []string{"", "short", strings.Repeat("x", maxTokenBytes+1)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewSecretFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("a secret of %d bytes: %v", len(content), err)
		}
	}
	f := secretFile(t, userSecret)
	if err := os.WriteFile(f.path, []byte(userSecret+"-rotated"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Identify(t.Context(), netip.Addr{}, userSecret); code(err) != profile.TokenRefused {
		t.Errorf("the old secret: %v", err)
	}
	if _, err := f.Identify(t.Context(), netip.Addr{}, userSecret+"-rotated"); err != nil {
		t.Errorf("the new secret: %v", err)
	}
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Identify(t.Context(), netip.Addr{}, ""); code(err) != profile.Internal {
		t.Errorf("no secret: %v", err)
	}
}

// Whatever headers come: no scope without a login.
func FuzzPeople(f *testing.F) {
	f.Add("Bearer x", "ann", "sre", proxySecret, "token", "localhost", "http://localhost")
	f.Add("", "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, authorization, user, groups, secret, cookie, host, origin string) {
		d := newDoor(t, Kubernetes)
		r := request(http.MethodGet, "/api/v1/services")
		for name, value := range map[string]string{
			"Authorization": authorization, headerUser: user, headerGroups: groups, headerSecret: secret, "Origin": origin, "Cookie": sessionCookie + "=" + cookie,
		} {
			if value != "" {
				r.Header[name] = []string{value}
			}
		}
		r.Host, r.RemoteAddr = host, "198.51.100.7:1"
		if w := d.do(r); w.Code < 400 {
			t.Fatalf("answered %d %s", w.Code, w.Body)
		}
	})
}
