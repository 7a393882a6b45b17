// Package web serves the user interface from files inside the binary.
//
// make build copies the built front end into dist before it compiles; without
// it a page says how to build one. File names in dist/assets carry a hash of
// their content and may be cached for ever, index.html never. Paths that are no
// file belong to the front end's own routing and get index.html.
package web

import (
	"embed"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

//go:embed placeholder/index.html
var placeholder []byte

// contentSecurityPolicy lets a page run and show what comes from this server
// only. React sets styles through the CSSOM, which style-src does not govern.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; " +
	"img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the user interface.
type Handler struct {
	files fs.FS
	index []byte
}

// New returns the handler of the files in this binary.
func New() (*Handler, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("open embedded front end: %w", err)
	}
	return From(files), nil
}

// From returns the handler of a directory with index.html and assets/. Without
// index.html it serves the page that says how to build one.
func From(files fs.FS) *Handler {
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		index = placeholder
	}
	return &Handler{files: files, index: index}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if name == "" || name == "index.html" || strings.HasPrefix(path.Base(name), ".") {
		h.serveIndex(w, r)
		return
	}
	body, err := fs.ReadFile(h.files, name)
	switch {
	case err == nil:
		serveFile(w, r, name, body)
	case strings.HasPrefix(name, "assets/"): // of an older build: the page must load anew
		header.Set("Cache-Control", "no-store")
		http.Error(w, "no such file in this version", http.StatusNotFound)
	default:
		h.serveIndex(w, r)
	}
}

func (h *Handler) serveIndex(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	http.ServeContent(w, r, "index.html", time.Time{}, strings.NewReader(string(h.index)))
}

func serveFile(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	cache := "no-cache"
	if strings.HasPrefix(name, "assets/") {
		cache = "public, max-age=31536000, immutable"
	}
	w.Header().Set("Cache-Control", cache)
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	http.ServeContent(w, r, name, time.Time{}, strings.NewReader(string(body)))
}
