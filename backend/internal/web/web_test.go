package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built() *Handler {
	return From(fstest.MapFS{
		"index.html":            {Data: []byte("<title>app</title>")},
		"assets/app-1a2b3c.js":  {Data: []byte("let x")},
		"assets/app-1a2b3c.css": {Data: []byte("a{}")},
		"favicon.svg":           {Data: []byte("<svg/>")},
		".gitignore":            {Data: []byte("secret")},
	})
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestServesFilesAndIndex(t *testing.T) {
	h := built()
	const immutable = "public, max-age=31536000, immutable"
	cases := []struct {
		path, body, kind, cache string
		status                  int
	}{
		{"/", "<title>app</title>", "text/html; charset=utf-8", "no-store", 200},
		{"/index.html", "<title>app</title>", "text/html; charset=utf-8", "no-store", 200},
		{"/service?name=a", "<title>app</title>", "text/html; charset=utf-8", "no-store", 200},
		{"/a/b/../../../etc/passwd", "<title>app</title>", "text/html; charset=utf-8", "no-store", 200},
		{"/.gitignore", "<title>app</title>", "text/html; charset=utf-8", "no-store", 200},
		{"/assets", "<title>app</title>", "text/html; charset=utf-8", "no-store", 200},
		{"/assets/app-1a2b3c.js", "let x", "text/javascript; charset=utf-8", immutable, 200},
		{"/assets/app-1a2b3c.css", "a{}", "text/css; charset=utf-8", immutable, 200},
		{"/favicon.svg", "<svg/>", "image/svg+xml", "no-cache", 200},
		{"/assets/app-old.js", "no such file in this version\n", "text/plain; charset=utf-8", "no-store", 404},
	}
	for _, c := range cases {
		w := get(h, c.path)
		if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Content-Type") != c.kind || w.Header().Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d %q %v", c.path, w.Code, w.Body, w.Header())
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", c.path, policy)
		}
	}
}

func TestWithoutAFrontEndSaysHowToBuildOne(t *testing.T) {
	h := From(fstest.MapFS{})
	if w := get(h, "/services"); w.Code != 200 || !strings.Contains(w.Body.String(), "make build") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestEmbeddedFilesAreServed(t *testing.T) {
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if w := get(h, "/"); w.Code != 200 || !strings.Contains(w.Body.String(), "<title>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
