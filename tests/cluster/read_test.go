package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// audienceOfPeople is what people make a token for.
const audienceOfPeople = "podflame"

// readersWorld is a backend with profiles of two namespaces, and people.
type readersWorld struct {
	*backend
	shop, bank string
}

func newReaders(t *testing.T, extra ...string) *readersWorld {
	t.Helper()
	startWebhook(t, 1)
	w := &readersWorld{shop: newNamespace(t, "shop", nil), bank: newNamespace(t, "bank", nil)}
	w.backend = startBackend(t, append([]string{"--auth=kubernetes", "--remember-access=1s"}, extra...)...)
	for _, namespace := range []string{w.shop, w.bank} {
		pod, _ := create(t, namespace, plainPod("pod-in-"+namespace), metav1.CreateOptions{})
		token := podToken(t, pod)
		window := windowOf(pod, 1)
		if code, answer := w.upload(t, token, window); code != http.StatusOK {
			t.Fatalf("upload: %d %s", code, answer)
		}
		report := fmt.Sprintf(`{"instance":"i","version":"1","reportedAt":"2026-01-01T00:00:00Z","spool":{},"targets":[{"identity":%s,"state":{"state":"profiled"}}]}`, asJSON(t, window.Target))
		if response, answer, err := w.send(testContext(t), token, "/api/v1/targets", "application/json", []byte(report)); err != nil || response.StatusCode != http.StatusNoContent {
			t.Fatalf("report: %v %s", err, answer)
		}
	}
	return w
}

func asJSON(t testing.TB, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// bind gives a subject the role of readers in a namespace; in all if it is empty.
func bind(t *testing.T, namespace, role string, subject rbacv1.Subject) {
	t.Helper()
	ctx := testContext(t)
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
	if namespace == "" {
		binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-reader-"}, RoleRef: ref, Subjects: []rbacv1.Subject{subject}}
		created, err := shared.Client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = shared.Client.RbacV1().ClusterRoleBindings().Delete(testContext(t), created.Name, metav1.DeleteOptions{})
		})
		return
	}
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-reader-"}, RoleRef: ref, Subjects: []rbacv1.Subject{subject}}
	if _, err := shared.Client.RbacV1().RoleBindings(namespace).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func account(namespace string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "default"}
}

// sees lists which of the two namespaces appear in an answer.
func (w *readersWorld) sees(body []byte) string {
	var seen []string
	for name, namespace := range map[string]string{"shop": w.shop, "bank": w.bank} {
		if bytes.Contains(body, []byte(`"`+namespace+`"`)) {
			seen = append(seen, name)
		}
	}
	if len(seen) == 2 {
		return "both"
	}
	return strings.Join(seen, "")
}

// TestWhoMayRead shows that people see the namespaces that RBAC lets them see,
// and that no other token opens the door.
func TestWhoMayRead(t *testing.T) {
	w := newReaders(t)
	people := map[string]string{}
	for _, name := range []string{"reader", "viewer", "auditor", "nobody"} {
		people[name] = newNamespace(t, name, nil)
	}
	bind(t, w.shop, "podflame-reader", account(people["reader"]))
	bind(t, w.bank, "view", account(people["viewer"])) // which includes it, once the controller has added it up
	bind(t, "", "podflame-reader", account(people["auditor"]))
	token := func(name string) string { return accountToken(t, people[name], "default", audienceOfPeople) }
	for name, want := range map[string]string{"reader": "shop", "viewer": "bank", "auditor": "both", "nobody": ""} {
		eventually(t, name+" sees what he may", func(context.Context) (bool, string) {
			code, body := w.get(t, w.people+rangeOf("/api/v1/services"), token(name))
			return code == http.StatusOK && w.sees(body) == want, fmt.Sprintf("%d %s", code, body)
		})
		if code, body := w.get(t, w.people+"/api/v1/targets", token(name)); code != http.StatusOK || w.sees(body) != want {
			t.Errorf("%s sees the targets %d %s", name, code, body)
		}
	}
	flame := rangeOf("/api/v1/flame", "type", "cpu", "cluster", "default", "namespace", w.bank, "service", "service-of-pod-in-"+w.bank)
	for name, want := range map[string]int{"reader": 403, "viewer": 200, "auditor": 200, "nobody": 403} {
		if code, body := w.get(t, w.people+flame, token(name)); code != want {
			t.Errorf("flame graph for %s: %d %.300s", name, code, body)
		}
	}
	pod, _ := create(t, w.shop, plainPod("curious"), metav1.CreateOptions{})
	bind(t, "", "cluster-admin", account(w.shop))
	for name, c := range map[string]struct{ token, want string }{
		"nobody's":                {"", "unauthenticated"},
		"a sidecar's":             {podToken(t, pod), "token_audience"},
		"a kubeconfig's":          {accountToken(t, w.shop, "default"), "token_audience"},
		"an administrator's, own": {accountToken(t, w.shop, "default", audienceOfPeople), ""},
	} {
		if _, body := w.get(t, w.people+rangeOf("/api/v1/services"), c.token); reasonOf(body) != c.want {
			t.Errorf("%s token: %.300s, want %q", name, body, c.want)
		}
	}
}

// TestSessionIsKnownToTwoBackends logs in at one backend and reads from another,
// as behind a Service; and a session ends with the rights that it rests on.
func TestSessionIsKnownToTwoBackends(t *testing.T) {
	first := newReaders(t)
	second := startBackend(t, "--auth=kubernetes", "--remember-access=1s", "--remember-token=1s")
	person := newNamespace(t, "ann", nil)
	bind(t, first.shop, "podflame-reader", account(person))
	body := asJSON(t, map[string]string{"token": accountToken(t, person, "default", audienceOfPeople)})
	request, err := http.NewRequestWithContext(testContext(t), http.MethodPost, first.people+"/api/v1/session", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, answer, err := first.do(request)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(answer), `"loggedIn":true`) {
		t.Fatalf("login: %v %s", err, answer)
	}
	cookies := response.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || !cookies[0].Secure || cookies[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("cookies: %v", cookies)
	}
	session := func(b *backend) string {
		request, err := http.NewRequestWithContext(testContext(t), http.MethodGet, b.people+"/api/v1/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.AddCookie(cookies[0])
		_, answer, err := b.do(request)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	for i, b := range []*backend{first.backend, second} {
		if got := session(b); !strings.Contains(got, "system:serviceaccount:"+person+":default") {
			t.Errorf("session at backend %d: %s", i, got)
		}
	}
	if err := shared.Client.CoreV1().ServiceAccounts(person).Delete(testContext(t), "default", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// The controller makes the account anew, with another uid: the token is of
	// the deleted one.
	eventually(t, "the session of a deleted account is none", func(context.Context) (bool, string) {
		got := session(second)
		return strings.Contains(got, `"loggedIn":false`) && strings.Contains(got, "token_refused"), got
	})
}

// TestBehindALoginProxy puts a real reverse proxy in front that says who has
// logged in: what RBAC lets that user and his groups see is what he sees, and
// nobody but the proxy is believed.
func TestBehindALoginProxy(t *testing.T) {
	const secret = "the-proxy-and-the-backend-know-it"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newReaders(t, "--proxies=127.0.0.1/32", "--proxy-secret-file="+file, "--proxy-user-prefix=oidc:", "--proxy-group-prefix=oidc:")
	bind(t, w.shop, "podflame-reader", rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "oidc:ann@example.com"})
	bind(t, w.bank, "podflame-reader", rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "oidc:sre"})
	target, err := url.Parse(w.people)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		user, groups := r.In.Header.Get("Test-Login"), r.In.Header.Get("Test-Groups")
		r.Out.Header.Set("X-Forwarded-User", user)
		r.Out.Header.Set("X-Forwarded-Groups", groups)
		r.Out.Header.Set("X-Podflame-Proxy-Secret", secret)
	}})
	defer proxy.Close()
	ask := func(base string, headers ...string) ([]byte, int) {
		request, err := http.NewRequestWithContext(testContext(t), http.MethodGet, base+rangeOf("/api/v1/services"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		response, body, err := w.do(request)
		if err != nil {
			t.Fatal(err)
		}
		return body, response.StatusCode
	}
	for _, c := range []struct{ user, groups, want string }{
		{"ann@example.com", "", "shop"}, {"bob@example.com", "dev,sre", "bank"}, {"ann@example.com", "sre", "both"}, {"eve@example.com", "system:masters", ""},
	} {
		if body, code := ask(proxy.URL, "Test-Login", c.user, "Test-Groups", c.groups); code != http.StatusOK || w.sees(body) != c.want {
			t.Errorf("%s of %q sees %d %s, want %q", c.user, c.groups, code, body, c.want)
		}
	}
	for _, headers := range [][]string{
		{"X-Forwarded-User", "ann@example.com"},
		{"X-Forwarded-User", "ann@example.com", "X-Podflame-Proxy-Secret", "guess"},
	} {
		if body, code := ask(w.people, headers...); code != http.StatusForbidden || reasonOf(body) != "proxy_not_trusted" {
			t.Errorf("past the proxy with %v: %d %s", headers[:1], code, body)
		}
	}
}

// TestPeopleByTLS opens the door of people as components/people does.
func TestPeopleByTLS(t *testing.T) {
	startWebhook(t, 1)
	port := freePorts(t, 1)[0]
	startBackend(t, "--auth=kubernetes", fmt.Sprintf("--listen=0.0.0.0:%d", port), "--hosts="+backendName)
	base := fmt.Sprintf("https://127.0.0.1:%d", port)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for host, want := range map[string]int{backendName: 200, "127.0.0.1": 200, "evil.example.org": 403} {
		request, err := http.NewRequestWithContext(testContext(t), http.MethodGet, base+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want || response.Header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(response.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("host %s: %s %v", host, response.Status, response.Header)
		}
	}
	if code, body, err := fetch(testContext(t), "http://"+strings.TrimPrefix(base, "https://")); err == nil && code != http.StatusBadRequest {
		t.Errorf("by HTTP the door answers %d %s", code, body)
	}
}
