package client

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// InProcess asks an API in this process as the caller of another request, with
// his credentials: he is let in and limited there as anywhere.
type InProcess struct {
	Handler http.Handler
	Caller  *http.Request
	Limit   int // bytes of an answer
}

// Get implements API.
func (p *InProcess) Get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("make request for %s: %w", path, err)
	}
	r.Header = p.Caller.Header.Clone()
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding", "Accept-Encoding"} { // of the message, not of this
		r.Header.Del(name)
	}
	r.Host, r.RemoteAddr, r.TLS = p.Caller.Host, p.Caller.RemoteAddr, p.Caller.TLS
	w := &answer{header: http.Header{}, status: http.StatusOK, limit: p.Limit}
	p.Handler.ServeHTTP(w, r)
	if w.tooLarge {
		return nil, fmt.Errorf("the answer of %s has more than %d bytes: ask for less", path, p.Limit)
	}
	return w.body.Bytes(), Refusal(w.status, w.body.Bytes())
}

// answer keeps what a handler writes.
type answer struct {
	header   http.Header
	status   int
	limit    int
	body     bytes.Buffer
	tooLarge bool
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.body.Len()+len(p) > a.limit {
		a.tooLarge = true
		return 0, http.ErrBodyNotAllowed
	}
	return a.body.Write(p)
}
