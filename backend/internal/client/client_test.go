package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

func dial(t *testing.T, handler http.HandlerFunc, c Config) *Client {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	c.URL, c.Timeout = s.URL, time.Minute
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func tokenFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnswersAreBounded(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", 1000)) }, Config{})
	c.largest = 999
	if _, err := c.Get(t.Context(), "/api/v1/top", nil); err == nil || !strings.Contains(err.Error(), "more than 999 bytes: ask for fewer nodes") {
		t.Errorf("error is %v", err)
	}
	c.largest = 1000
	if body, err := c.Get(t.Context(), "/api/v1/top", nil); err != nil || len(body) != 1000 {
		t.Errorf("answer has %d bytes: %v", len(body), err)
	}
}

// The token goes to the backend, and not where that might point.
func TestTokenStaysWithTheBackend(t *testing.T) {
	var seen []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, "elsewhere "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		http.Redirect(w, r, elsewhere.URL, http.StatusFound)
	}, Config{TokenFile: tokenFile(t, "secret\n")})
	_, err := c.Get(t.Context(), "/api/v1/top", nil)
	if _, ok := errors.AsType[*Unreachable](err); !ok || !strings.Contains(err.Error(), "no backend of Podflame") {
		t.Errorf("error is %v", err)
	}
	if len(seen) != 1 || seen[0] != "Bearer secret" {
		t.Errorf("seen: %q", seen)
	}
	for _, bad := range []string{"", "two words", strings.Repeat("x", maxToken+1)} {
		if _, err := New(Config{URL: "https://podflame.example", TokenFile: tokenFile(t, bad)}); err == nil {
			t.Errorf("token of %d bytes is taken", len(bad))
		}
	}
}

// What is no answer says where it was asked, and does not hang.
func TestNoAnswer(t *testing.T) {
	release := make(chan struct{})
	c := dial(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}, Config{})
	t.Cleanup(func() { close(release) })
	c.http.Timeout = time.Millisecond
	_, err := c.Get(t.Context(), "/api/v1/top", nil)
	if u, ok := errors.AsType[*Unreachable](err); !ok || u.URL != c.URL() || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("error is %v", err)
	}
	refused := dial(t, func(w http.ResponseWriter, _ *http.Request) {
		api.WriteError(w, api.Errorf(profile.Overloaded, "too many"))
	}, Config{})
	_, err = refused.Get(t.Context(), "/api/v1/top", nil)
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != profile.Overloaded || e.Hint == "" {
		t.Errorf("error is %v", err)
	}
	garbled := dial(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, Config{})
	if _, err := Ask[api.Top](t.Context(), garbled, "/api/v1/top", nil); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("error is %v", err)
	}
}

// known is a backend with these services and targets.
type known struct {
	services []api.Service
	targets  []api.Target
}

func (k known) Get(_ context.Context, path string, _ url.Values) ([]byte, error) {
	if path == "/api/v1/services" {
		return json.Marshal(api.Services{Services: k.services})
	}
	return json.Marshal(api.Targets{Targets: k.targets})
}

func TestFind(t *testing.T) {
	service := func(cluster, namespace, name string) api.Service {
		return api.Service{Cluster: cluster, Namespace: namespace, Service: name}
	}
	k := known{
		services: []api.Service{service("c1", "shop", "cart"), service("c1", "test", "cart"), service("c1", "shop", "pay"), service("c2", "shop", "pay")},
		targets: []api.Target{
			{Identity: profile.Target{Cluster: "c1", Namespace: "shop", Service: "idle", Pod: "idle-0"}},
			{Identity: profile.Target{Cluster: "c1", Namespace: "shop", Service: "idle", Pod: "idle-1"}},
		},
	}
	for _, one := range []struct {
		cluster, namespace, name string
		want                     Found
		err                      string
	}{
		{"", "test", "cart", Found{Key: Key{"c1", "test", "cart"}}, ""},
		{"", "", "shop/cart", Found{Key: Key{"c1", "shop", "cart"}}, ""},
		{"c2", "", "pay", Found{Key: Key{"c2", "shop", "pay"}}, ""},
		{"", "", "idle", Found{Key: Key{"c1", "shop", "idle"}}, ""},
		{"", "", "idle-1", Found{Key: Key{"c1", "shop", "idle"}, Pod: "idle-1"}, ""},
		{"", "", "cart", Found{}, "2 services have the name \"cart\" — shop/cart in cluster c1, test/cart in cluster c1"},
		{"", "other", "cart", Found{}, "no service and no pod \"cart\" in namespace \"other\" — Known are shop/cart, test/cart, shop/idle"},
		{"c1", "", "idle-2", Found{}, "no service and no pod \"idle-2\" — Known are shop/idle, shop/cart"},
	} {
		got, err := Find(t.Context(), k, Span{noon, noon.Add(time.Hour)}, one.cluster, one.namespace, one.name)
		if one.err == "" {
			if err != nil || got != one.want {
				t.Errorf("%q is %+v: %v, want %+v", one.name, got, err, one.want)
			}
			continue
		}
		message, hint, _ := strings.Cut(one.err, " — ")
		e, ok := errors.AsType[*api.Error](err)
		if !ok || e.Message != message || !strings.Contains(e.Hint, hint) {
			t.Errorf("error of %q is %+v, want %s", one.name, err, one.err)
		}
	}
}

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// A base says only in what it differs; a link is one that the page reads.
func TestSelection(t *testing.T) {
	s := Selection{Key: Key{"c", "n", "s"}, Span: Span{noon, noon.Add(time.Hour)}, Type: profile.Alloc, Versions: []string{"2"}, Include: "a&b"}
	base := s
	base.Versions, base.From = []string{"1"}, noon.Add(-time.Hour)
	if got := s.Base(url.Values{}, base).Encode(); got != fmt.Sprintf("baseFrom=%d&baseTo=%d&baseVersion=1", noon.Unix()-3600, noon.Unix()+3600) {
		t.Errorf("base is %s", got)
	}
	if got := s.Query().Encode(); got != fmt.Sprintf("cluster=c&from=%d&include=a%%26b&namespace=n&service=s&to=%d&type=alloc&version=2", noon.Unix(), noon.Unix()+3600) {
		t.Errorf("query is %s", got)
	}
	if got := s.Link("http://h"); got != fmt.Sprintf("http://h/profile?cluster=c&from=%d&namespace=n&q=a%%26b&service=s&to=%d&type=alloc&version=2", noon.Unix(), noon.Unix()+3600) {
		t.Errorf("link is %s", got)
	}
	if got := (Comparison{"/compare", s, base}).Link("http://h"); got != fmt.Sprintf("http://h/compare?baseFrom=%d&baseTo=%d&baseVersion=1&cluster=c&from=%d&namespace=n&q=a%%26b&service=s&to=%d&type=alloc&version=2", noon.Unix()-3600, noon.Unix()+3600, noon.Unix(), noon.Unix()+3600) {
		t.Errorf("link of a comparison is %s", got)
	}
	s.Versions, s.Threads, s.NotThreads, s.Pods = []string{"1", "2"}, []string{"main"}, []string{"GC"}, []string{"p"}
	if got, want := s.Link(""), "&excludeThread=GC&"; !strings.Contains(got, want) || !strings.Contains(got, "&pod=p&") || !strings.Contains(got, "&thread=main&") || !strings.HasSuffix(got, "&version=1&version=2") {
		t.Errorf("link of several is %s", got)
	}
}

// groups is a backend that knows these groups of threads.
type groups []string

func (g groups) Get(context.Context, string, url.Values) ([]byte, error) {
	var parts []api.Part
	for _, name := range g {
		parts = append(parts, api.Part{Name: name})
	}
	return json.Marshal(api.Series{Parts: parts})
}

// Whoever asks for threads that there are not hears which there are, and where
// the others are if that is too long.
func TestCheckThreads(t *testing.T) {
	const others = "Ask the neighbour for them"
	for _, c := range []struct {
		known []string
		asked string
		hint  string
	}{
		{[]string{"main", "GC"}, "main", ""},
		{[]string{"main", "GC"}, "Main", "Known are main, GC"},
		{strings.Split("abcdefghij", ""), "k", "Known are a, b, c, d, e, f, g, h and 2 more. " + others},
		{nil, "main", ""},
	} {
		for _, s := range []Selection{{Threads: []string{c.asked}}, {NotThreads: []string{c.asked}}} {
			err := CheckThreads(t.Context(), groups(c.known), s, others)
			e, refused := errors.AsType[*api.Error](err)
			if refused != (c.hint != "") || err != nil && !refused || refused && (e.Code != profile.NotFound || e.Hint != c.hint) {
				t.Errorf("%s of %q: %v, hint %q, want %q", c.asked, c.known, err, hintOf(e), c.hint)
			}
		}
	}
}

func hintOf(e *api.Error) string {
	if e == nil {
		return ""
	}
	return e.Hint
}
