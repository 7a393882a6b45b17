package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/api/apitest"
	"github.com/podflame/podflame/backend/internal/store"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestWindowIsStoredAndReceipted(t *testing.T) {
	h := newHarness(t, nil)
	want := window(time.Hour)
	got := apitest.Decode[api.Receipt](t, h.Post(t, "/api/v1/windows", profile.ContentType, encode(t, want)))
	stored := map[profile.Type]profile.Amount{}
	for _, c := range want.Coverage {
		stored[c.Type] = c.Stored
	}
	receipt := api.Receipt{ID: want.ID, Status: api.Accepted, Stored: stored, Truncated: map[profile.Type]profile.Amount{}}
	if diff := cmp.Diff(receipt, got); diff != "" {
		t.Errorf("receipt differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, h.store.windows[want.ID]); diff != "" {
		t.Errorf("stored window differs (-want +got):\n%s", diff)
	}
	again := apitest.Decode[api.Receipt](t, h.Post(t, "/api/v1/windows", profile.ContentType, encode(t, want)))
	if again.Status != api.Duplicate {
		t.Errorf("second receipt is %+v", again)
	}
	health := h.health()
	if health.Accepted != 1 || health.Duplicates != 1 || health.BytesInFlight != 0 || len(health.Losses) == 0 {
		t.Errorf("health is %+v", health)
	}
}

// The receipt of a window that was stored before with other content tells what is
// stored, not what was sent.
func TestReceiptOfAConflictTellsWhatIsStored(t *testing.T) {
	h := newHarness(t, nil)
	first, rebuilt := window(time.Hour), window(time.Hour)
	c := &rebuilt.Coverage[0]
	extra := rebuilt.Sets[0].Stacks[0].Value
	rebuilt.Sets[0].Stacks[0].Value += extra
	c.Stored.Value, c.Captured.Value = c.Stored.Value+extra, c.Captured.Value+extra
	h.put(t, encode(t, first))
	got := apitest.Decode[api.Receipt](t, h.Post(t, "/api/v1/windows", profile.ContentType, encode(t, rebuilt)))
	if got.Status != api.Duplicate || got.Reason != profile.IDConflict || got.Stored[c.Type] != first.Coverage[0].Stored {
		t.Errorf("receipt is %+v, want a conflict with %+v", got, first.Coverage[0].Stored)
	}
	if n := testutil.ToFloat64(h.ingest.metrics.windows.WithLabelValues("duplicate", "id_conflict")); n != 1 {
		t.Errorf("counted %v times", n)
	}
}

// The receipt is a promise that the store has the window: it must not be given
// while the insert is still running.
func TestReceiptComesOnlyAfterTheInsert(t *testing.T) {
	h := newHarness(t, nil)
	h.store.hold, h.store.entered = make(chan struct{}), make(chan struct{}, 1)
	w := window(time.Hour)
	body := encode(t, w)
	answered := make(chan *httptest.ResponseRecorder, 1)
	go func() { answered <- h.Post(t, "/api/v1/windows", profile.ContentType, body) }()
	<-h.store.entered
	if h.ingest.memory.inUse() == 0 {
		t.Error("no memory is admitted for a window that is being stored")
	}
	select {
	case r := <-answered:
		t.Fatalf("answered before the insert was done: %d %s", r.Code, r.Body)
	default:
	}
	close(h.store.hold)
	apitest.Decode[api.Receipt](t, <-answered)
	if h.store.windows[w.ID] == nil {
		t.Error("receipt without a stored window")
	}
}

// The last window of a JVM ends where windows do, however soon after its begin the JVM
// has ended, and also where the sidecar's clock is a little ahead.
func TestLastOfLongWindowsIsNoneOfTheFuture(t *testing.T) {
	h := newHarness(t, nil)
	for i, c := range []struct {
		start, until time.Duration // of the recording, from now
		code         int
	}{
		{15 * time.Second, 20 * time.Second, 200},
		{15 * time.Second, h.ingest.Limits.Ahead + time.Second, 422},
		{h.ingest.Limits.Ahead, h.ingest.Limits.Ahead, 200},
		{h.ingest.Limits.Ahead + time.Second, 0, 422}, // it says only why there is nothing
	} {
		w := profiletest.Window(profiletest.Options{Seed: uint64(i), Start: now.Add(c.start), Length: 10 * time.Minute})
		w.Recorded.End = now.Add(c.until)
		if c.until < c.start {
			w = profiletest.Lost(profiletest.Options{Seed: uint64(i), Start: now.Add(c.start), Length: 10 * time.Minute}, profile.JVMExited)
		}
		if code, answer := h.put(t, encode(t, w)); code != c.code {
			t.Errorf("a window recorded from %s to %s from now on: %d %s, want %d", c.start, c.until, code, answer, c.code)
		}
	}
}

func TestBadUploads(t *testing.T) {
	good := encode(t, window(time.Hour))
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	bomb := append([]byte("PFW1"), encoder.EncodeAll(make([]byte, 1<<30/4), nil)...)
	edit := func(change func(*profile.Window)) []byte {
		w := window(time.Hour)
		change(w)
		return encode(t, w)
	}
	small := func(c *Config) { c.Limits.Decode.MaxStacks = 10 }
	cases := []struct {
		name   string
		body   []byte
		limits func(*Config)
		status int
		code   profile.Reason
	}{
		{"empty", nil, nil, 400, profile.Malformed},
		{"not a window", []byte("hello world, this is no window"), nil, 400, profile.Malformed},
		{"truncated", good[:len(good)/2], nil, 400, profile.Malformed},
		{"bit flipped", flipped(good), nil, 400, profile.Malformed},
		{"wrong version", append([]byte("PFW9"), good[4:]...), nil, 400, profile.UnsupportedFormat},
		{"oversized", append([]byte("PFW1"), make([]byte, 9<<20)...), nil, 413, profile.BodyTooLarge},
		{"zip bomb", bomb, nil, 413, profile.DecodedTooLarge},
		{"too many stacks", good, small, 422, profile.LimitExceeded},
		{"ledger does not add up", edit(func(w *profile.Window) { w.Coverage[0].Captured.Count++ }), nil, 422, profile.LedgerMismatch},
		{"ledger hides a loss", edit(func(w *profile.Window) { w.Coverage[0].Stored.Value-- }), nil, 422, profile.LedgerMismatch},
		{"too old", encode(t, window(8*24*time.Hour)), nil, 422, profile.OutsideRetention},
		{"in the future", encode(t, window(-time.Hour)), nil, 422, profile.InFuture},
		{"no service", edit(func(w *profile.Window) { w.Target.Service = "" }), nil, 400, profile.Malformed},
		{"long service", edit(func(w *profile.Window) { w.Target.Service = strings.Repeat("s", 300) }), nil, 422, profile.LimitExceeded},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, c.limits)
			w := h.Post(t, "/api/v1/windows", profile.ContentType, c.body)
			if got := w.Header().Get(profile.FormatHeader); got != profile.Format {
				t.Errorf("the refusal says format %q, want %q: the sidecar would take this backend for an outdated one", got, profile.Format)
			}
			e := apitest.Refused(t, w, c.status, c.code)
			if c.status == 413 && (e.Limit <= 0 || e.Actual <= e.Limit) {
				t.Errorf("no limit and actual value in %+v", e)
			}
			if len(h.store.windows) != 0 {
				t.Error("something was stored")
			}
			if n := testutil.ToFloat64(h.ingest.metrics.windows.WithLabelValues("rejected", string(c.code))); n != 1 {
				t.Errorf("counted %v times", n)
			}
			if want := []store.Event{{Outcome: store.Rejected, Reason: c.code, Windows: 1, Bytes: int64(len(c.body))}}; !cmp.Equal(want, h.store.events) {
				t.Errorf("events are %+v, want %+v", h.store.events, want)
			}
			if !strings.Contains(h.log.String(), "reason="+string(c.code)) {
				t.Errorf("not logged: %s", h.log)
			}
			if bodies, memory := h.health().BytesInFlight, h.ingest.memory.inUse(); bodies != 0 || memory != 0 {
				t.Errorf("%d bytes of bodies and %d of windows still admitted", bodies, memory)
			}
			// Nothing else is lost: the next good one goes in.
			if c.limits == nil {
				if code, answer := h.put(t, good); code != 200 {
					t.Errorf("a good window afterwards is answered %d %s", code, answer)
				}
			}
		})
	}
}

func flipped(body []byte) []byte {
	out := bytes.Clone(body)
	out[len(out)-6] ^= 0x10
	return out
}

func TestWrongMediaTypeIsRefused(t *testing.T) {
	h := newHarness(t, nil)
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream"} {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/windows", bytes.NewReader(encode(t, window(time.Hour))))
		r.Header.Set("Content-Type", kind)
		apitest.Refused(t, h.Do(t, r), 400, profile.Malformed)
	}
}

func TestStoreErrors(t *testing.T) {
	cases := []struct {
		name   string
		err    error
		status int
		code   profile.Reason
		retry  string
	}{
		{"unavailable", &store.Error{Class: store.Unavailable, Op: "insert", Err: errors.New("refused"), RetryAfter: 1500 * time.Millisecond}, 503, profile.StoreUnavailable, "2"},
		{"unknown outcome", &store.Error{Class: store.UnknownOutcome, Op: "insert", Err: errors.New("EOF")}, 503, profile.StoreUnavailable, "5"},
		{"no store error at all", fmt.Errorf("surprise"), 503, profile.StoreUnavailable, "5"},
		{"queue full", &store.Error{Class: store.Busy, Op: "insert", Err: errors.New("full"), RetryAfter: 2 * time.Second}, 429, profile.StoreQueueFull, "2"},
		{"id of another", &store.Error{Class: store.IDTaken, Op: "insert", Err: errors.New("secret")}, 422, profile.IDTaken, ""},
		{"refused", &store.Error{Class: store.Refused, Op: "insert", Err: errors.New("secret DSN")}, 422, profile.StoreRejected, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.store.err = c.err
			body := encode(t, window(time.Hour))
			w := h.Post(t, "/api/v1/windows", profile.ContentType, body)
			apitest.Refused(t, w, c.status, c.code)
			if got := w.Header().Get("Retry-After"); got != c.retry {
				t.Errorf("Retry-After is %q, want %q", got, c.retry)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("cause leaks to the client: %s", w.Body)
			}
			h.store.err = nil
			if code, answer := h.put(t, body); code != 200 {
				t.Errorf("the same window afterwards is answered %d %s", code, answer)
			}
		})
	}
}
