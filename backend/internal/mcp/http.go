package mcp

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/podflame/podflame/backend/internal/client"
)

// maxRequest bounds a message of an assistant, in bytes.
const maxRequest = 256 << 10

// maxInner bounds what the API answers to a tool, in bytes.
const maxInner = 32 << 20

// Handler serves assistants by streamable HTTP, without sessions: each request
// stands for itself. Tools ask the API as the caller, with his credentials, so
// he is let in and limited there as anywhere. Host and Origin are the business
// of whoever serves it. Ranges that tools are asked for end at now.
func Handler(apiHandler http.Handler, version string, now func() time.Time) http.Handler {
	schemas := sdk.NewSchemaCache()
	return sdk.NewStreamableHTTPHandler(func(r *http.Request) *sdk.Server {
		inner := &inProcess{handler: apiHandler, caller: r}
		return New(Config{
			Connect: func(context.Context) (*Connection, error) { return &Connection{API: inner, Link: origin(r)}, nil },
			Version: version, Now: now, Schemas: schemas,
		})
	}, &sdk.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true, MaxRequestBodyBytes: maxRequest, PropagateRequestCancellation: true,
		DisableLocalhostProtection: true, // auth.Origins looks at each request, with the hosts that are served
	})
}

// origin is the address under which the caller reaches the server.
func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// inProcess asks the API in this process, as somebody else's request would.
type inProcess struct {
	handler http.Handler
	caller  *http.Request
}

// Get implements client.API.
func (p *inProcess) Get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("make request for %s: %w", path, err)
	}
	r.Header = p.caller.Header.Clone()
	for _, name := range []string{"Content-Type", "Content-Length", "Accept-Encoding"} { // of the message, not of this
		r.Header.Del(name)
	}
	r.Host, r.RemoteAddr, r.TLS = p.caller.Host, p.caller.RemoteAddr, p.caller.TLS
	w := &answer{header: http.Header{}, status: http.StatusOK}
	p.handler.ServeHTTP(w, r)
	if w.tooLarge {
		return nil, fmt.Errorf("the answer of %s has more than %d bytes: ask for less", path, maxInner)
	}
	return w.body.Bytes(), client.Refusal(w.status, w.body.Bytes())
}

// answer keeps what a handler writes.
type answer struct {
	header   http.Header
	status   int
	body     bytes.Buffer
	tooLarge bool
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.body.Len()+len(p) > maxInner {
		a.tooLarge = true
		return 0, http.ErrBodyNotAllowed
	}
	return a.body.Write(p)
}
