// Package push sends what waits in the spool to the backend: one window at a
// time, oldest first, retried until the backend says that it has it or will
// never take it. It also delivers the reports on the state of the targets.
//
// Profiling never waits for it: it only takes windows out of the spool.
package push

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Config says where the backend is and how to speak to it.
type Config struct {
	URL       string        // of the backend, e.g. https://podflame-backend.podflame-system:8443
	TokenFile string        // read anew for each request, as Kubernetes rotates it; may be empty
	CAFile    string        // certificates to trust besides the system's, read anew for each connection; may be empty or missing
	Timeout   time.Duration // of one request
	MinWait   time.Duration // first wait after a failure
	MaxWait   time.Duration // longest wait between two attempts
}

// DefaultConfig returns the defaults of everything but the URL.
func DefaultConfig() Config {
	return Config{Timeout: 10 * time.Second, MinWait: time.Second, MaxWait: 2 * time.Minute}
}

// Error is a failed request. Class says what to do about it.
type Error struct {
	Class      Class
	Reason     profile.Reason
	Message    string        // as the backend or the network said it
	Status     int           // HTTP status, or 0 if there was no answer
	RetryAfter time.Duration // as the backend asked, or 0
}

// Class of a failure.
type Class string

// The classes.
const (
	Retryable   Class = "retryable"   // the backend is busy: send again later
	Unavailable Class = "unavailable" // no answer, or the store is down: send again later
	Rejected    Class = "rejected"    // never accepted as it is: do not send again
)

// OfWindow says whether the failure may be that of the one window, so that
// another one may pass: something answered, and did not say that it is busy, that
// the store is down or that the credentials are not enough.
func (e *Error) OfWindow() bool {
	switch e.Status {
	case 0, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return false
	}
	return e.Reason != profile.StoreUnavailable && e.Reason != profile.Overloaded
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("%s (%s): %s", e.Reason, e.Class, e.Message)
	}
	return fmt.Sprintf("%s (%s, HTTP %d): %s", e.Reason, e.Class, e.Status, e.Message)
}

// Limits of what is read of an answer and of the files named in Config.
const (
	maxAnswer = 64 << 10
	maxToken  = 64 << 10
	maxCA     = 1 << 20
	maxCode   = 64  // bytes of a code, which becomes a reason in the ledger
	maxWords  = 500 // characters of a message or a hint, which become part of a report
)

// Client speaks to the backend.
type Client struct {
	config Config
	base   *url.URL
	http   *http.Client
}

// NewClient checks the configuration. It does not connect.
func NewClient(config Config) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(config.URL, "/"))
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("backend URL %q is not of the form http(s)://host[:port]", config.URL)
	}
	c := &Client{config: config, base: base}
	c.http = &http.Client{
		Timeout: config.Timeout,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			MaxIdleConns:          2,
			IdleConnTimeout:       90 * time.Second,
			ResponseHeaderTimeout: config.Timeout,
			DialTLSContext:        c.dialTLS,
			ForceAttemptHTTP2:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// dialTLS connects with the trust bundle as it is now: the bundle changes when
// the certificate authority is rotated.
func (c *Client) dialTLS(ctx context.Context, network, address string) (conn net.Conn, err error) {
	pool, err := c.roots()
	if err != nil {
		return nil, err
	}
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}}
	return dialer.DialContext(ctx, network, address)
}

func (c *Client) roots() (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if c.config.CAFile == "" {
		return pool, nil
	}
	pem, err := readLimited(c.config.CAFile, maxCA)
	if errors.Is(err, os.ErrNotExist) {
		return pool, nil // the trust bundle is published after the pod starts
	}
	if err != nil {
		return nil, fmt.Errorf("read trust bundle %s: %w", c.config.CAFile, err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("trust bundle %s holds no certificate", c.config.CAFile)
	}
	return pool, nil
}

// Receipt says that the backend has a window.
type Receipt struct {
	ID     string                          `json:"id"`
	Status string                          `json:"status"`
	Reason profile.Reason                  `json:"reason"` // IDConflict: what is stored differs from what was sent
	Stored map[profile.Type]profile.Amount `json:"stored"` // under the id
}

// Window uploads an encoded window. A nil error means that the backend has it:
// it has given a receipt. That something answers with success is not enough, for
// under a wrong URL a proxy or a web server may do so.
func (c *Client) Window(ctx context.Context, body []byte) (Receipt, error) {
	answer, err := c.post(ctx, "/api/v1/windows", profile.ContentType, body)
	if err != nil {
		return Receipt{}, err
	}
	var receipt Receipt
	if err := json.Unmarshal(answer, &receipt); err != nil || receipt.ID == "" || receipt.Status == "" {
		return Receipt{}, &Error{Class: Unavailable, Reason: profile.BackendUnreached, Message: fmt.Sprintf("answer is no receipt: %.200q; check --backend", answer)}
	}
	return receipt, nil
}

// Report delivers the state of the targets and returns what the backend says to
// it. An answer that is none of the backend's, as of a proxy, says nothing.
func (c *Client) Report(ctx context.Context, r *profile.Report) (profile.ReportAnswer, error) {
	body, err := profile.EncodeReport(r)
	if err != nil {
		return profile.ReportAnswer{}, err
	}
	text, err := c.post(ctx, "/api/v1/targets", "application/json", body)
	var answer profile.ReportAnswer
	if err != nil || json.Unmarshal(text, &answer) != nil {
		return profile.ReportAnswer{}, err
	}
	answer.Paused = fmt.Sprintf("%.*s", maxWords, answer.Paused)
	return answer, nil
}

// post returns the answer to a request that succeeded.
func (c *Client) post(ctx context.Context, path, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request to %s: %w", path, err)
	}
	req.Header.Set("Content-Type", contentType)
	if err := c.authorize(req); err != nil {
		return nil, &Error{Class: Unavailable, Reason: profile.Unauthenticated, Message: err.Error()}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, &Error{Class: Unavailable, Reason: profile.BackendUnreached, Message: err.Error()}
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, &Error{Class: Unavailable, Reason: profile.BackendUnreached, Message: fmt.Sprintf("read answer: %v", err)}
	}
	if res.StatusCode/100 == 2 {
		return answer, nil
	}
	return nil, failure(res, answer)
}

func (c *Client) authorize(req *http.Request) error {
	if c.config.TokenFile == "" {
		return nil
	}
	token, err := readLimited(c.config.TokenFile, maxToken)
	if err != nil {
		return fmt.Errorf("read token %s: %w", c.config.TokenFile, err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	return data, err
}

// outdated says whether a backend refuses what only a later one knows. Version 0.1
// took for faults of the window what it did not know of it.
func outdated(res *http.Response, said profile.Reason) bool {
	if said == profile.UnsupportedFormat {
		return true
	}
	return res.Header.Get(profile.FormatHeader) == "" && (said == profile.Malformed || said == profile.LedgerMismatch)
}

// failure classifies an answer. Missing credentials are no reason to give a window
// up, nor is a backend that is older than the sidecar: a token, a permission or the
// backend can be put right while the window waits. Of answers that are not the
// backend's own (a proxy's, say) only one is: that the window is too large, for it
// stays so.
func failure(res *http.Response, answer []byte) *Error {
	var said struct {
		Code    profile.Reason `json:"code"`
		Message string         `json:"message"`
		Hint    string         `json:"hint"`
	}
	e := &Error{Class: Unavailable, Reason: profile.BackendUnreached, Status: res.StatusCode}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	if err := json.Unmarshal(answer, &said); err != nil || said.Code == "" || len(said.Code) > maxCode {
		e.Message = fmt.Sprintf("answer is not the backend's: %.200q", answer)
		if res.StatusCode == http.StatusRequestEntityTooLarge {
			e.Class, e.Reason = Rejected, profile.BodyTooLarge
		}
		return e
	}
	e.Reason, e.Message = said.Code, fmt.Sprintf("%.*s", maxWords, said.Message)
	if said.Hint != "" {
		e.Message += fmt.Sprintf("; %.*s", maxWords, said.Hint)
	}
	if outdated(res, e.Reason) { // the window waits for a backend that knows it
		if e.Reason != profile.UnsupportedFormat {
			e.Message += fmt.Sprintf("; a backend of version 0.1 calls a later window %s: update it", e.Reason)
		}
		e.Reason = profile.UnsupportedFormat
		return e
	}
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		e.Class = Rejected
	case http.StatusTooManyRequests:
		e.Class = Retryable
	}
	return e
}
