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
	other := h.ingest.bodies.limit / 4 * 3
	if err := h.ingest.bodies.try("another", other); err != nil {
		t.Fatal(err)
	}
	for _, length := range []int64{h.ingest.bodies.limit - other + 1, int64(len(body)), -1} { // -1: chunked
		r := httptest.NewRequest(http.MethodPost, "/api/v1/windows", unread{t})
		r.ContentLength = length
		r.Header.Set("Content-Type", profile.ContentType)
		if e := apitest.Refused(t, h.Do(t, r), 429, profile.Overloaded); e.Limit != h.ingest.bodies.limit || e.Actual <= e.Limit {
			t.Errorf("no limit and actual value in %+v", e)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/api/v1/windows", unread{t})
	r.ContentLength = 9 << 20
	r.Header.Set("Content-Type", profile.ContentType)
	apitest.Refused(t, h.Do(t, r), 413, profile.BodyTooLarge)
	h.ingest.bodies.give("another", other)
	h.ingest.bodies.limit *= 2
	if code, answer := h.put(t, body); code != 200 {
		t.Errorf("after the load the answer is %d %s", code, answer)
	}
}

// What a sender announces and does not send takes nothing from the others.
func TestAnnouncedBytesTakeNoRoom(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.BodyTimeout = time.Hour }) // until the connections are closed
	server := httptest.NewServer(h.handler)
	defer server.Close()
	for range 40 { // times 8 MiB is more than may be in flight
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /api/v1/windows HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\nPFW1", profile.ContentType, 8<<20)
	}
	for deadline := time.Now().Add(time.Minute); h.ingest.bodies.inUse() < 40*firstPiece && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if used := h.ingest.bodies.inUse(); used != 40*firstPiece {
		t.Errorf("%d bytes are admitted for 40 bodies that do not come", used)
	}
	if code, answer := h.put(t, encode(t, window(time.Hour))); code != 200 {
		t.Errorf("an upload meanwhile is answered %d %s", code, answer)
	}
}

func TestMemoryOfWindowsIsBounded(t *testing.T) {
	body := encode(t, window(time.Hour))
	packed, err := profile.Unpack(body, profile.DefaultDecodeLimits())
	if err != nil {
		t.Fatal(err)
	}
	unpacked := profile.UnpackedSize(body, profile.DefaultDecodeLimits())
	h := newHarness(t, func(c *Config) {
		c.Limits.Memory, c.Limits.DecodingWait = (packed.Memory()+unpacked)*4/3+100, 10*time.Millisecond
	})
	h.store.hold, h.store.entered = make(chan struct{}), make(chan struct{}, 1)
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
	if used, announced := h.ingest.memory.inUse(), h.store.announced.Load(); used != 0 || announced != 0 {
		t.Errorf("in the end %d bytes are in use, %d uploads announced", used, announced)
	}
	small := newHarness(t, func(c *Config) { c.Limits.Memory = packed.Memory() })
	if e := apitest.Refused(t, small.Post(t, "/api/v1/windows", profile.ContentType, body), 413, profile.DecodedTooLarge); e.Actual <= e.Limit {
		t.Errorf("no limit and actual value in %+v", e)
	}
}

func TestDecodingIsBounded(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Limits.Decoding, c.Limits.DecodingWait = 1, 10*time.Millisecond })
	if !h.ingest.decoding.take(t.Context(), "another") {
		t.Fatal("something is being decoded")
	}
	body := encode(t, window(time.Hour))
	apitest.Refused(t, h.Post(t, "/api/v1/windows", profile.ContentType, body), 429, profile.Overloaded)
	h.ingest.decoding.give()
	if code, answer := h.put(t, body); code != 200 {
		t.Errorf("afterwards the answer is %d %s", code, answer)
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
	health := h.health()
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
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
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
	if left := h.health().BytesInFlight; left != 0 {
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
