// Package client asks a backend what its API answers. It is what the program
// podflame and its tools for assistants stand on, and holds no command and no
// text for people. Answers and waits are bounded.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/api"
)

// API answers the requests of api/openapi.yaml. An answer that is no success is
// an *api.Error; *Unreachable says that there was none.
type API interface {
	Get(ctx context.Context, path string, query url.Values) ([]byte, error)
}

// Config is where the backend is and how to reach it.
type Config struct {
	URL        string        // such as http://127.0.0.1:8080
	TokenFile  string        // empty: no token is shown
	CAFile     string        // certificates that sign the backend; empty: those of the system
	CA         []byte        // instead of CAFile: the certificates themselves
	ServerName string        // in the certificate, if it is another than that of the URL
	Timeout    time.Duration // of one request
	UserAgent  string
}

// MaxAnswer bounds an answer, in bytes: above that of the largest flame graph.
const MaxAnswer = 256 << 20

// maxToken bounds the file of the token, in bytes, as the backend does.
const maxToken = 16 << 10

// Client asks one backend by HTTP.
type Client struct {
	base    *url.URL
	http    *http.Client
	token   string
	agent   string
	largest int64
}

// Unreachable says that the backend gave no answer.
type Unreachable struct {
	URL string
	Err error
}

// Error implements error.
func (u *Unreachable) Error() string { return fmt.Sprintf("ask the backend at %s: %v", u.URL, u.Err) }

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// New returns a client. It asks nothing yet.
func New(c Config) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(c.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("server %q is no URL such as http://127.0.0.1:8080", c.URL)
	}
	client := &Client{base: base, agent: c.UserAgent, largest: MaxAnswer}
	if c.TokenFile != "" {
		if client.token, err = readToken(c.TokenFile); err != nil {
			return nil, err
		}
		if base.Scheme == "http" && !loopback(base.Hostname()) {
			return nil, fmt.Errorf("server %q would be shown the token of %s unencrypted: use https, or a port forwarded to this host", c.URL, c.TokenFile)
		}
	}
	trust, err := c.tls()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trust
	client.http = &http.Client{Timeout: c.Timeout, Transport: transport, CheckRedirect: stay}
	return client, nil
}

// stay refuses redirects: the token is for this backend only.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func readToken(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open token file: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("read token file %s: %w", path, err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || len(text) > maxToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("token file %s holds no token: one line of 1 to %d bytes", path, maxToken)
	}
	return token, nil
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

func (c Config) tls() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	certificates, from := c.CA, "the cluster"
	if c.CAFile != "" {
		var err error
		if certificates, err = os.ReadFile(c.CAFile); err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		from = c.CAFile
	}
	if certificates == nil {
		return out, nil
	}
	out.RootCAs = x509.NewCertPool()
	if !out.RootCAs.AppendCertsFromPEM(certificates) {
		return nil, fmt.Errorf("no certificate in PEM is in what %s has", from)
	}
	return out, nil
}

// URL is that of the backend.
func (c *Client) URL() string { return c.base.String() }

// Get asks for a path of the API, such as /api/v1/top, and returns the body of a
// success.
func (c *Client) Get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("make request for %s: %w", path, err)
	}
	request.Header.Set("User-Agent", c.agent)
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, &Unreachable{URL: c.URL(), Err: cause(err)}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, c.largest+1))
	switch {
	case err != nil:
		return nil, &Unreachable{URL: c.URL(), Err: fmt.Errorf("read answer: %w", err)}
	case int64(len(body)) > c.largest:
		return nil, fmt.Errorf("the answer of %s has more than %d bytes: ask for fewer nodes or a shorter time", path, c.largest)
	}
	if err := Refusal(response.StatusCode, body); err != nil {
		if _, ok := errors.AsType[*api.Error](err); ok {
			return nil, err
		}
		return nil, &Unreachable{URL: c.URL(), Err: err}
	}
	return body, nil
}

// cause is the error without the URL, which the caller names already, and which
// may hold names that a log should not.
func cause(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			return errors.New("no answer in time (see --timeout)")
		}
		if _, ok := errors.AsType[*net.OpError](e.Err); ok || e.Err != nil {
			return e.Err
		}
	}
	return err
}

// Refusal is the error that an answer holds; nil for a success.
func Refusal(status int, body []byte) error {
	if status == http.StatusOK {
		return nil
	}
	var e api.Error
	if json.Unmarshal(body, &e) == nil && e.Code != "" {
		return &e
	}
	return fmt.Errorf("what answers with status %d is no backend of Podflame", status)
}

// Ask decodes an answer.
func Ask[T any](ctx context.Context, a API, path string, query url.Values) (*T, error) {
	body, err := a.Get(ctx, path, query)
	if err != nil {
		return nil, err
	}
	var out T
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("decode answer of %s: %w (is the backend of another version?)", path, err)
	}
	return &out, nil
}
