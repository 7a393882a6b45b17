package ingest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// unread fails the test if a body is read that should have been turned away.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestBytesInFlightAreBoundedBeforeTheBodyIsRead(t *testing.T) {
	body := encode(t, window(time.Hour))
	h := newHarness(t, func(c *Config) { c.Limits.BytesInFlight = int64(len(body)) + 10 })
	h.store.hold, h.store.entered = make(chan struct{}), make(chan struct{}, 1)
	first := make(chan int, 1)
	go func() {
		code, _ := h.put(t, body)
		first <- code
	}()
	<-h.store.entered
	for _, length := range []int64{11, int64(len(body)), -1} { // -1: chunked
		r := httptest.NewRequest(http.MethodPost, "/api/v1/windows", unread{t})
		r.ContentLength = length
		r.Header.Set("Content-Type", profile.ContentType)
		apitest.Refused(t, h.Do(t, r), 429, profile.Overloaded)
	}
	r := httptest.NewRequest(http.MethodPost, "/api/v1/windows", unread{t})
	r.ContentLength = 9 << 20
	r.Header.Set("Content-Type", profile.ContentType)
	apitest.Refused(t, h.Do(t, r), 413, profile.BodyTooLarge)
	close(h.store.hold)
	if code := <-first; code != 200 {
		t.Errorf("the upload that was admitted got %d", code)
	}
	h.store.hold, h.store.entered = nil, nil
	if code, answer := h.put(t, body); code != 200 {
		t.Errorf("after the load the answer is %d %s", code, answer)
	}
}

func TestWindowsDecodedAtATimeAreBounded(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.Decoding, c.Limits.DecodingWait = 1, 10*time.Millisecond })
	h.store.hold, h.store.entered = make(chan struct{}), make(chan struct{}, 1)
	body := encode(t, window(time.Hour))
	first := make(chan int, 1)
	go func() {
		code, _ := h.put(t, body)
		first <- code
	}()
	<-h.store.entered
	apitest.Refused(t, h.Post(t, "/api/v1/windows", profile.ContentType, body), 429, profile.Overloaded)
	close(h.store.hold)
	if code := <-first; code != 200 {
		t.Errorf("the first upload got %d", code)
	}
}

// Many sidecars at once, each window from two of them: all are answered, all
// are stored, each is counted once.
func TestConcurrentUploads(t *testing.T) {
	h := newHarness(t, nil)
	const windows = 24
	var wg sync.WaitGroup
	for i := range windows {
		w := profiletest.Window(profiletest.Options{Start: now.Add(-time.Hour), Target: profiletest.Target("checkout", fmt.Sprint("pod-", i)), Stacks: 50})
		body := encode(t, w)
		for range 2 {
			wg.Go(func() {
				if code, answer := h.put(t, body); code != 200 {
					t.Errorf("answer %d %s", code, answer)
				}
			})
		}
	}
	wg.Wait()
	health := h.ingest.Health()
	if len(h.store.windows) != windows || health.Accepted != windows || health.Duplicates != windows || health.BytesInFlight != 0 {
		t.Errorf("%d stored, health %+v", len(h.store.windows), health)
	}
}

// A sender that trickles is cut off, and told to come again rather than that
// its window is bad.
func TestSlowBodyIsCutOff(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.BodyTimeout = 50 * time.Millisecond })
	server := httptest.NewServer(h.handler)
	defer server.Close()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /api/v1/windows HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 100000\r\n\r\nPFW1", profile.ContentType)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 503 || !strings.Contains(string(text), string(profile.BackendUnreached)) || response.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", response.StatusCode, response.Header, text)
	}
	if left := h.ingest.Health().BytesInFlight; left != 0 {
		t.Errorf("%d bytes still admitted", left)
	}
}

// A sender that hangs up while its window is being stored: the insert goes on,
// and the retry hears that it is a duplicate.
func TestInsertOutlivesItsSender(t *testing.T) {
	h := newHarness(t, nil)
	h.store.hold, h.store.entered = make(chan struct{}), make(chan struct{}, 1)
	body := encode(t, window(time.Hour))
	ctx, hangUp := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := httptest.NewRequest(http.MethodPost, "/api/v1/windows", strings.NewReader(string(body))).WithContext(ctx)
		r.Header.Set("Content-Type", profile.ContentType)
		h.handler.ServeHTTP(httptest.NewRecorder(), r)
	}()
	<-h.store.entered
	hangUp()
	close(h.store.hold)
	<-done
	h.store.entered = nil
	if code, answer := h.put(t, body); code != 200 || !strings.Contains(string(answer), "duplicate") {
		t.Errorf("retry is answered %d %s", code, answer)
	}
}
