// Package apitest holds answers of the backend against openapi.yaml. It is for
// tests only.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// Client sends requests to a handler and fails the test when an answer does
// not follow the contract.
type Client struct {
	handler http.Handler
	router  routers.Router
}

// New returns a client of a handler.
func New(t testing.TB, handler http.Handler) *Client {
	t.Helper()
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(api.Document)
	if err != nil {
		t.Fatalf("load openapi.yaml: %v", err)
	}
	if err := document.Validate(context.Background()); err != nil {
		t.Fatalf("openapi.yaml is not valid: %v", err)
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		t.Fatalf("route openapi.yaml: %v", err)
	}
	return &Client{handler: handler, router: router}
}

// Do sends a request and checks the answer. The path must be in the contract.
func (c *Client) Do(t testing.TB, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	route, pathParams, err := c.router.FindRoute(r)
	if err != nil {
		t.Fatalf("%s %s is not in openapi.yaml: %v", r.Method, r.URL, err)
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	request := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: pathParams, Route: route, Options: &openapi3filter.Options{ExcludeRequestBody: true, SkipSettingDefaults: true},
	}
	if err := openapi3filter.ValidateRequest(context.Background(), request); err != nil && w.Code < 300 {
		t.Errorf("%s %s is outside the contract, and was answered: %v", r.Method, r.URL, err)
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request,
		Status:                 w.Code,
		Header:                 w.Header(),
		Body:                   io.NopCloser(bytes.NewReader(w.Body.Bytes())),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		t.Errorf("%s %s answered %d outside the contract: %v\n%.2000s", r.Method, r.URL, w.Code, err, w.Body)
	}
	return w
}

// Get sends a GET request.
func (c *Client) Get(t testing.TB, path string) *httptest.ResponseRecorder {
	t.Helper()
	return c.Do(t, httptest.NewRequest(http.MethodGet, path, nil))
}

// Post sends a body.
func (c *Client) Post(t testing.TB, path, contentType string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return c.Do(t, r)
}

// Decode reads a successful answer.
func Decode[T any](t testing.TB, w *httptest.ResponseRecorder) T {
	t.Helper()
	var out T
	if w.Code != http.StatusOK {
		t.Fatalf("answer is %d %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("decode answer: %v\n%.2000s", err, w.Body)
	}
	return out
}

// Refused reads an answer that must be an error with that status and code.
func Refused(t testing.TB, w *httptest.ResponseRecorder, status int, code profile.Reason) api.Error {
	t.Helper()
	var e api.Error
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatalf("answer %d is no error: %v\n%.2000s", w.Code, err, w.Body)
	}
	if w.Code != status || e.Code != code {
		t.Errorf("answer is %d %s, want %d %s: %s", w.Code, e.Code, status, code, w.Body)
	}
	if e.Message == "" || profile.Explain(e.Code).Text == "" {
		t.Errorf("error says nothing: %s", w.Body)
	}
	if retry := w.Header().Get("Retry-After"); (retry != "") != (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
		t.Errorf("answer %d has Retry-After %q", status, retry)
	}
	return e
}
