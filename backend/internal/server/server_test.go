package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/quota"
	"github.com/podflame/podflame/backend/profile"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"golang.org/x/net/http2"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// routes is a part of the API with one handler.
type routes struct {
	method, path string
	handle       gin.HandlerFunc
}

func (r routes) Routes(router gin.IRouter) { router.Handle(r.method, r.path, r.handle) }

// site serves everything; the guard lets everybody pass.
func site(t *testing.T, guarded Routes) (http.Handler, *Site) {
	t.Helper()
	registry := prometheus.NewRegistry()
	s := &Site{
		Guarded: guarded, Guard: func(*gin.Context) {}, Log: slog.New(slog.DiscardHandler), Panics: NewPanics(registry),
		UI:         http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the UI") }),
		Operations: &Operations{Registry: registry, Ready: func(context.Context) error { return nil }},
	}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return h, s
}

func do(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestWhatIsNoRoute(t *testing.T) {
	h, _ := site(t, routes{http.MethodPost, "/api/v1/windows", func(*gin.Context) {}})
	for _, c := range []struct {
		method, path string
		status       int
		isUI         bool
	}{
		{"GET", "/", 200, true},
		{"GET", "/services/checkout?type=cpu", 200, true},
		{"HEAD", "/", 200, true},
		{"POST", "/", 404, false},
		{"DELETE", "/services", 404, false},
		{"GET", "/api", 404, false},
		{"GET", "/api/v1/nope", 404, false},
		{"GET", "/api/v2/services", 404, false},
		{"GET", "/apis", 200, true},
		{"GET", "/api/v1/windows", 405, false},
	} {
		w := do(h, c.method, c.path)
		if w.Code != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		var e api.Error
		if err := json.Unmarshal(w.Body.Bytes(), &e); !c.isUI && (err != nil || e.Code != profile.NotFound) {
			t.Errorf("%s %s: %s", c.method, c.path, w.Body)
		}
		if c.isUI && c.method == "GET" && w.Body.String() != "the UI" {
			t.Errorf("%s %s: %s", c.method, c.path, w.Body)
		}
	}
}

func TestProbesAndMetrics(t *testing.T) {
	h, s := site(t, nil)
	if w := do(h, "GET", "/livez"); w.Code != 200 {
		t.Errorf("livez: %d", w.Code)
	}
	if w := do(h, "GET", "/readyz"); w.Code != 200 {
		t.Errorf("readyz: %d", w.Code)
	}
	if w := do(h, "GET", "/metrics"); w.Code != 200 || !strings.Contains(w.Body.String(), "podflame_http_panics_total 0") {
		t.Errorf("metrics: %d %s", w.Code, w.Body)
	}
	s.Operations.Ready = func(context.Context) error {
		return api.Errorf(profile.StoreUnavailable, "no tables").Retry(time.Second)
	}
	down, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	if w := do(down, "GET", "/readyz"); w.Code != 503 || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "store_unavailable") {
		t.Errorf("readyz: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := do(down, "GET", "/livez"); w.Code != 200 {
		t.Errorf("livez while the store is down: %d", w.Code)
	}
}

func TestPanicIsOneRequestsFailure(t *testing.T) {
	h, _ := site(t, routes{http.MethodGet, "/api/v1/boom", func(*gin.Context) { panic("secret state") }})
	w := do(h, "GET", "/api/v1/boom")
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"internal"`) || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(h, "GET", "/metrics"); !strings.Contains(w.Body.String(), "podflame_http_panics_total 1") {
		t.Error("the panic is not counted")
	}
}

func TestLargeAnswersAreCompressed(t *testing.T) {
	large := strings.Repeat("podflame ", 10_000)
	h, _ := site(t, routes{http.MethodGet, "/api/v1/large", func(c *gin.Context) { api.Write(c.Writer, 200, large) }})
	r := httptest.NewRequest(http.MethodGet, "/api/v1/large", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Header().Get("Content-Encoding") != "gzip" || w.Body.Len() > len(large)/10 {
		t.Fatalf("%v, %d bytes", w.Header(), w.Body.Len())
	}
	unpacked, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.NewDecoder(unpacked).Decode(&got); err != nil || got != large {
		t.Errorf("other content after decompression: %v", err)
	}
	if w := do(h, "GET", "/api/v1/large"); w.Header().Get("Content-Encoding") != "" {
		t.Error("compressed for a client that cannot read it")
	}
}

// serving runs Serve on a free port until stop is called, which returns what
// Serve returned.
func serving(t *testing.T, handler http.Handler, limits Limits) (address string, stop func() error) {
	t.Helper()
	return draining(t, handler, limits, 20*time.Second)
}

// draining is serving with a time for requests in progress at the end.
func draining(t *testing.T, handler http.Handler, limits Limits, patience time.Duration) (address string, stop func() error) {
	t.Helper()
	d, stop := open(t, Door{Handler: handler, Limits: limits}, patience)
	return d.Addr().String(), stop
}

// open serves a door on a free port.
func open(t *testing.T, d Door, patience time.Duration) (opened Door, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.Name, d.Listener, d.Metrics = "people", listener, NewMetrics(prometheus.NewRegistry())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, patience, slog.New(slog.DiscardHandler), d) }()
	var stopped atomic.Bool
	stop = func() error {
		if stopped.Swap(true) {
			return nil
		}
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return d, stop
}

// secured is how a door speaks TLS, and trusting how a client does that believes any
// certificate.
func secured() (door, trusting *tls.Config) {
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS()
	defer pair.Close()
	return &tls.Config{Certificates: pair.TLS.Certificates, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}} //nolint:gosec // its certificate is not what is tested
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A connection on which no whole request comes in time is closed, and counted: who
// asked sees only that it has ended.
func TestConnectionsWithoutARequestAreClosedAndCounted(t *testing.T) {
	limits := DefaultLimits()
	limits.ReadTimeout = 50 * time.Millisecond
	speaking, _ := secured()
	for name, c := range map[string]struct {
		config *tls.Config
		sent   string
	}{
		"nothing":             {nil, ""},
		"half of the headers": {nil, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "},
		"no handshake":        {speaking, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := open(t, Door{TLS: c.config, Handler: http.NotFoundHandler(), Limits: limits}, time.Minute)
			conn := dial(t, d.Addr().String())
			fmt.Fprint(conn, c.sent)
			if n, err := io.Copy(io.Discard, conn); isTimeout(err) || n > 200 { // it may be reset, if it was closed before we wrote
				t.Errorf("%d bytes, %v; want the connection closed", n, err)
			}
			if got := testutil.ToFloat64(d.Metrics.unused.WithLabelValues("people")); got != 1 {
				t.Errorf("%v connections are counted as unused", got)
			}
		})
	}
}

// A connection counts as unused if it was closed by its time, and no request came.
func TestConnectionsThatCountAsUnused(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration
		used bool
		want float64
	}{{time.Minute, false, 1}, {time.Minute, true, 0}, {time.Second, false, 0}} {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		from := &connections{door: "people", open: quota.New[string](1), patience: 30 * time.Second, metrics: NewMetrics(prometheus.NewRegistry())}
		conn := &connection{Conn: ours, from: from, address: "a", since: time.Now().Add(-c.age)}
		conn.used.Store(c.used)
		from.open.Enter("a")
		for range 2 { // it leaves once
			_ = conn.Close()
		}
		if got := testutil.ToFloat64(from.metrics.unused.WithLabelValues("people")); got != c.want || !from.open.Enter("a") {
			t.Errorf("after %s, used %t: %v are counted as unused, want %v", c.age, c.used, got, c.want)
		}
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	address, _ := serving(t, http.NotFoundHandler(), DefaultLimits())
	conn := dial(t, address)
	go func() { // the server may close while we still write
		_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Huge: %s\r\n\r\n", strings.Repeat("x", 1<<20))
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status is %d", response.StatusCode)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	limits := DefaultLimits()
	limits.Connections = 1
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	address, _ := serving(t, ok, limits)
	first := dial(t, address)
	fmt.Fprint(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil {
		t.Fatal(err)
	}
	second := dial(t, address)
	fmt.Fprint(second, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := second.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	answer := bufio.NewReader(second)
	if _, err := answer.Peek(1); !isTimeout(err) {
		t.Errorf("a second connection is served: %v", err)
	}
	_ = first.Close()
	if err := second.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := answer.Peek(1); err != nil {
		t.Errorf("the second connection is not served after the first has closed: %v", err)
	}
}

// One address cannot keep the others out: what it opens beyond its limit is closed.
func TestConnectionsOfAnAddressAreBounded(t *testing.T) {
	limits := DefaultLimits()
	limits.PerAddress = 2
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	address, _ := serving(t, ok, limits)
	request := func(conn net.Conn) error {
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			err = response.Body.Close()
		}
		return err
	}
	from := func(local string) net.Conn {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
		conn, err := dialer.DialContext(context.Background(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	var kept []net.Conn
	for i := range 2 {
		conn := from("127.0.0.2")
		if err := request(conn); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		kept = append(kept, conn)
	}
	for range 3 {
		if err := request(from("127.0.0.2")); err == nil {
			t.Error("a third connection of an address is served")
		}
	}
	if err := request(from("127.0.0.3")); err != nil {
		t.Errorf("another address: %v", err)
	}
	for _, conn := range kept {
		_ = conn.Close()
	}
	for deadline := time.Now().Add(time.Minute); request(from("127.0.0.2")) != nil; { // the server sees the end by and by
		if time.Now().After(deadline) {
			t.Fatal("the address is not let in after its connections have ended")
		}
		time.Sleep(time.Millisecond)
	}
}

// A connection of HTTP/2 is told how many requests it may have at a time.
func TestStreamsOfAConnectionAreBounded(t *testing.T) {
	limits := DefaultLimits()
	limits.Streams = 7
	speaking, trusting := secured()
	d, _ := open(t, Door{TLS: speaking, Handler: http.NotFoundHandler(), Limits: limits}, time.Minute)
	conn, err := tls.Dial("tcp", d.Addr().String(), trusting)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	frame, err := framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v", frame)
	}
	if n, ok := settings.Value(http2.SettingMaxConcurrentStreams); !ok || n != 7 {
		t.Errorf("%d streams may be open, %v", n, ok)
	}
	_ = conn.Close()
}

// A request on a connection that speaks TLS makes it a used one.
func TestRequestsByTLSUseTheirConnection(t *testing.T) {
	limits := DefaultLimits()
	limits.ReadTimeout, limits.IdleTimeout = time.Minute, 50*time.Millisecond
	speaking, trusting := secured()
	used := make(chan bool, 1)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connectionKey{}).(*connection)
		used <- ok && c.used.Load()
	})
	d, _ := open(t, Door{TLS: speaking, Handler: handler, Limits: limits}, time.Minute)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: trusting, ForceAttemptHTTP2: true, DisableKeepAlives: true}, Timeout: time.Minute}
	response, err := client.Get("https://" + d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.ProtoMajor != 2 || !<-used {
		t.Errorf("the connection of a request by %s is not marked as used", response.Proto)
	}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func TestPortInUseSaysWhatToDo(t *testing.T) {
	taken, err := Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	_, err = Listen(context.Background(), address)
	if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("error is %v", err)
	}
}

// At the end, requests in progress are answered and new ones are not taken.
func TestDrains(t *testing.T) {
	entered, hold := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-hold
		fmt.Fprint(w, "done")
	})
	address, stop := serving(t, slow, DefaultLimits())
	conn := dial(t, address)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for { // until the port is closed
		c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
		if err != nil {
			break
		}
		_ = c.Close()
		select {
		case err := <-stopped:
			t.Fatalf("stopped before the request was answered: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	close(hold)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || !bytes.Equal(body, []byte("done")) {
		t.Errorf("answer is %q, %v", body, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestDrainIsBounded(t *testing.T) {
	entered, hold := make(chan struct{}), make(chan struct{})
	stuck := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-hold
	})
	address, stop := draining(t, stuck, DefaultLimits(), 20*time.Millisecond)
	conn := dial(t, address)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	if err := stop(); err == nil || !strings.Contains(err.Error(), "20ms") {
		t.Errorf("error is %v", err)
	}
	close(hold)
}

// Each door serves its own callers and nobody else's.
func TestDoorsAreSeparate(t *testing.T) {
	registry := prometheus.NewRegistry()
	panics, log := NewPanics(registry), slog.New(slog.DiscardHandler)
	ok := func(c *gin.Context) { c.String(http.StatusOK, "ok") }
	upload := routes{http.MethodPost, "/api/v1/windows", ok}
	read := routes{http.MethodGet, "/api/v1/services", ok}
	session := routes{http.MethodGet, "/api/v1/session", ok}
	sites := map[string]Site{
		"people": {
			Sessions: session, Guarded: read, Log: log, Panics: panics,
			Guard: func(c *gin.Context) { c.AbortWithStatus(http.StatusUnauthorized) },
			UI:    http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the UI") }),
		},
		"sidecars":   {Uploads: upload, Log: log, Panics: panics},
		"operations": {Log: log, Panics: panics, Operations: &Operations{Registry: registry, Ready: func(context.Context) error { return nil }}},
	}
	answers := map[string]map[string]int{
		"people":     {"GET /": 200, "GET /api/v1/services": 401, "GET /api/v1/session": 200, "POST /api/v1/windows": 404, "GET /metrics": 200, "GET /readyz": 200},
		"sidecars":   {"GET /": 404, "GET /api/v1/services": 404, "GET /api/v1/session": 404, "POST /api/v1/windows": 200, "GET /metrics": 404, "GET /readyz": 404},
		"operations": {"GET /": 404, "GET /api/v1/services": 404, "GET /api/v1/session": 404, "POST /api/v1/windows": 404, "GET /metrics": 200, "GET /readyz": 200},
	}
	for door, s := range sites {
		h, err := s.Handler()
		if err != nil {
			t.Fatal(err)
		}
		for call, want := range answers[door] {
			method, path, _ := strings.Cut(call, " ")
			w := do(h, method, path)
			if w.Code != want {
				t.Errorf("%s at the door of %s: %d, want %d", call, door, w.Code, want)
			}
			if door == "people" && w.Code == 200 && (path == "/metrics" || path == "/readyz") && w.Body.String() != "the UI" {
				t.Errorf("%s at the door of people is not the user interface: %.80s", call, w.Body)
			}
		}
	}
}
