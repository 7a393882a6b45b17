package mcp

import (
	"context"
	"net/http"
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
		inner := &client.InProcess{Handler: apiHandler, Caller: r, Limit: maxInner}
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
