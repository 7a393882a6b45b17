package push

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func window(n int) *profile.Window {
	b := profile.NewBuilder(profile.CPU, profile.Limits{})
	b.Add([]uint32{b.Function("demo.Main.main", profile.Java)}, profile.Amount{Value: 10, Count: 1})
	set, coverage := b.Build()
	start := time.Now().Truncate(time.Second).Add(time.Duration(n) * time.Minute)
	w := &profile.Window{Start: start, End: start.Add(time.Minute), Sets: []profile.StackSet{set}, Coverage: []profile.Coverage{coverage}}
	w.ID = profile.NewWindowID(1, "session", start)
	return w
}

// scripted answers each upload with the next error of its script, then with
// success, and keeps what it accepted.
type scripted struct {
	script   []error
	attempts []time.Time
	accepted []*profile.Window
}

func (s *scripted) Window(_ context.Context, body []byte) (Receipt, error) {
	s.attempts = append(s.attempts, time.Now())
	if len(s.script) > 0 {
		err := s.script[0]
		s.script = s.script[1:]
		return Receipt{}, err
	}
	w, err := profile.Decode(body, profile.DefaultDecodeLimits())
	if err != nil {
		return Receipt{}, err
	}
	s.accepted = append(s.accepted, w)
	return Receipt{}, nil
}

func newSpool(t *testing.T, windows int) *spool.Spool {
	t.Helper()
	s, err := spool.Open(t.TempDir(), spool.DefaultLimits(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for n := range windows {
		if err := s.Put(t.Context(), window(n)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func newPusher(s *spool.Spool, to Uploader) *Pusher {
	return NewPusher(s, to, DefaultConfig(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func TestDrainRetriesWithGrowingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &Error{Class: Unavailable, Reason: profile.BackendUnreached}
		to := &scripted{script: []error{down, down, down, down, errors.New("bare")}}
		s := newSpool(t, 2)
		p := newPusher(s, to)
		p.Drain(t.Context())
		if len(to.accepted) != 2 || s.Stats().Windows != 0 {
			t.Fatalf("accepted %d windows, %d wait", len(to.accepted), s.Stats().Windows)
		}
		least := []time.Duration{700 * time.Millisecond, time.Second, 1500 * time.Millisecond, 2 * time.Second, 3 * time.Second}
		for i, want := range least {
			if wait := to.attempts[i+1].Sub(to.attempts[i]); wait < want || wait > 3*want {
				t.Errorf("wait %d is %s, want %s to %s", i, wait, want, 3*want)
			}
		}
		if p.LastError() != "" {
			t.Errorf("last error after success: %s", p.LastError())
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &scripted{script: []error{&Error{Class: Retryable, Reason: profile.Overloaded, RetryAfter: 45 * time.Second}}}
		newPusher(newSpool(t, 1), to).Drain(t.Context())
		if wait := to.attempts[1].Sub(to.attempts[0]); wait != 45*time.Second {
			t.Errorf("waited %s", wait)
		}
	})
}

func TestRejectedWindowIsNotRetriedAndLeavesItsLedger(t *testing.T) {
	to := &scripted{script: []error{&Error{Class: Rejected, Reason: profile.LimitExceeded}}}
	s := newSpool(t, 2)
	newPusher(s, to).Drain(t.Context())
	if len(to.attempts) != 3 || len(to.accepted) != 2 {
		t.Fatalf("%d attempts, %d accepted", len(to.attempts), len(to.accepted))
	}
	remains := to.accepted[0]
	if remains.Coverage[0].Losses[0].Reason != profile.LimitExceeded || len(remains.Sets) != 0 {
		t.Errorf("remains: %+v", remains)
	}
}

// conflicting answers that it has each window with other stacks.
type conflicting map[profile.Type]profile.Amount

func (c conflicting) Window(context.Context, []byte) (Receipt, error) {
	return Receipt{ID: "x", Status: "duplicate", Reason: profile.IDConflict, Stored: c}, nil
}

func TestConflictLeavesWhatIsNotStoredToTheNextWindow(t *testing.T) {
	s := newSpool(t, 1)
	p := newPusher(s, conflicting{profile.CPU: {Value: 4, Count: 0}})
	p.Drain(t.Context())
	if err := s.Put(t.Context(), window(1)); err != nil {
		t.Fatal(err)
	}
	to := &scripted{}
	newPusher(s, to).Drain(t.Context())
	want := profile.Loss{Outcome: profile.Dropped, Reason: profile.IDConflict, Value: 6, Count: 1}
	next := to.accepted[0].Coverage[0]
	if len(to.accepted) != 1 || len(next.Losses) != 1 || next.Losses[0] != want || next.Check() != nil {
		t.Errorf("accepted %d windows, ledger of the last %+v", len(to.accepted), next)
	}
	if n := testutil.ToFloat64(p.metrics.attempts.WithLabelValues("accepted", "id_conflict")); n != 1 {
		t.Errorf("counted %v", n)
	}
}

func TestReceiptTellsWhatIsStored(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"1","status":"duplicate","reason":"id_conflict","stored":{"cpu":{"value":5,"count":2},"of_a_newer_version":{"value":1,"count":1}}}`)
	}))
	defer server.Close()
	got, err := newClient(t, Config{URL: server.URL, Timeout: time.Minute}).Window(t.Context(), nil)
	if err != nil || got.Reason != profile.IDConflict || got.Stored[profile.CPU] != (profile.Amount{Value: 5, Count: 2}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRunSendsWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &scripted{}
		s := newSpool(t, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { newPusher(s, to).Run(ctx); close(done) }()
		for n := range 3 {
			if err := s.Put(t.Context(), window(n)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(to.accepted) != n+1 {
				t.Fatalf("accepted %d windows after %d", len(to.accepted), n+1)
			}
		}
		cancel()
		<-done
	})
}

func TestClientClassifiesAnswers(t *testing.T) {
	tests := map[string]struct {
		status     int
		body       string
		class      Class
		reason     profile.Reason
		retryAfter time.Duration
	}{
		"malformed":      {400, answer(profile.Malformed), Rejected, profile.Malformed, 0},
		"malformed, 0.1": {400, answer(profile.Malformed), Unavailable, profile.UnsupportedFormat, 0},
		"invalid, 0.1":   {422, answer(profile.LedgerMismatch), Unavailable, profile.UnsupportedFormat, 0},
		"too large, 0.1": {413, answer(profile.BodyTooLarge), Rejected, profile.BodyTooLarge, 0},
		"too new":        {400, answer(profile.UnsupportedFormat), Unavailable, profile.UnsupportedFormat, 0},
		"too large":      {413, answer(profile.BodyTooLarge), Rejected, profile.BodyTooLarge, 0},
		"invalid":        {422, answer(profile.LedgerMismatch), Rejected, profile.LedgerMismatch, 0},
		"forbidden":      {403, answer(profile.Forbidden), Unavailable, profile.Forbidden, 0},
		"overloaded":     {429, answer(profile.Overloaded), Retryable, profile.Overloaded, 7 * time.Second},
		"store down":     {503, answer(profile.StoreUnavailable), Unavailable, profile.StoreUnavailable, 7 * time.Second},
		"proxy's 413":    {413, "<html>Request Entity Too Large</html>", Rejected, profile.BodyTooLarge, 0},
		"proxy's 503":    {503, "<html>", Unavailable, profile.BackendUnreached, 7 * time.Second},
		"proxy's 400":    {400, "<html>Bad Request</html>", Unavailable, profile.BackendUnreached, 0},
		"proxy's 502":    {502, "", Unavailable, profile.BackendUnreached, 0},
		"proxy's 200":    {200, "<html>Welcome</html>", Unavailable, profile.BackendUnreached, 0},
		"empty 200":      {200, "", Unavailable, profile.BackendUnreached, 0},
		"other's JSON":   {200, `{"status":"ok"}`, Unavailable, profile.BackendUnreached, 0},
		"endless code":   {400, answer(profile.Reason(strings.Repeat("x", 5000))), Unavailable, profile.BackendUnreached, 0},
		"redirect":       {302, "", Unavailable, profile.BackendUnreached, 0},
		"large answer":   {500, strings.Repeat("x", 1<<20), Unavailable, profile.BackendUnreached, 0},
	}
	// Version 0.1 does not say which format it knows.
	old := map[string]bool{"malformed, 0.1": true, "invalid, 0.1": true, "too large, 0.1": true}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.retryAfter > 0 {
					w.Header().Set("Retry-After", fmt.Sprint(int(test.retryAfter.Seconds())))
				}
				if !old[name] {
					w.Header().Set(profile.FormatHeader, profile.Format)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer server.Close()
			c := newClient(t, Config{URL: server.URL, Timeout: time.Minute})
			var failed *Error
			if _, err := c.Window(t.Context(), []byte("x")); !errors.As(err, &failed) {
				t.Fatalf("got %v", err)
			}
			if failed.Class != test.class || failed.Reason != test.reason || failed.RetryAfter != test.retryAfter {
				t.Errorf("got %+v", failed)
			}
		})
	}
}

func answer(code profile.Reason) string {
	body, _ := json.Marshal(map[string]any{"code": code, "message": "m", "hint": "h"})
	return string(body)
}

func newClient(t *testing.T, config Config) *Client {
	t.Helper()
	c, err := NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func TestClientSendsTokenAndTrustsTheBundle(t *testing.T) {
	var authorization, contentType string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization, contentType = r.Header.Get("Authorization"), r.Header.Get("Content-Type")
		_, _ = io.WriteString(w, `{"id":"00112233445566778899aabbccddeeff","status":"accepted","stored":{},"truncated":{}}`)
	}))
	defer server.Close()
	dir := t.TempDir()
	token, ca := filepath.Join(dir, "token"), filepath.Join(dir, "ca.crt")
	c := newClient(t, Config{URL: server.URL, TokenFile: token, CAFile: ca, Timeout: time.Minute})
	fails := func(reason profile.Reason) {
		t.Helper()
		var failed *Error
		if _, err := c.Window(t.Context(), nil); !errors.As(err, &failed) || failed.Reason != reason || failed.Class != Unavailable {
			t.Fatalf("got %v, want %s", err, reason)
		}
	}
	fails(profile.Unauthenticated)
	writeFile(t, token, []byte("secret\n"))
	fails(profile.BackendUnreached)
	writeFile(t, ca, []byte("no certificate"))
	fails(profile.BackendUnreached)
	writeFile(t, ca, pemOf(server))
	if _, err := c.Window(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if authorization != "Bearer secret" || contentType != profile.ContentType {
		t.Errorf("authorization %q, content type %q", authorization, contentType)
	}
}

func pemOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNewClientNamesABadURL(t *testing.T) {
	for _, bad := range []string{"", "backend:8080", "ftp://x", "http://", "::"} {
		if _, err := NewClient(Config{URL: bad}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", bad)) {
			t.Errorf("URL %q: %v", bad, err)
		}
	}
}

type reports chan *profile.Report

func (c reports) Report(_ context.Context, r *profile.Report) (profile.ReportAnswer, error) {
	c <- r
	return profile.ReportAnswer{Paused: "incident 7"}, nil
}

func TestReporterTellsTheStateOfTheSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpool(t, 2)
		to, said := make(reports, 1), ""
		r := &Reporter{
			To: to, Spool: s, Pusher: newPusher(s, &scripted{}), Interval: 10 * time.Second, Log: slog.New(slog.DiscardHandler),
			Source: func() profile.Report { return profile.Report{Instance: "i"} },
			Obey:   func(a profile.ReportAnswer) { said = a.Paused },
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		first := <-to
		second := <-to
		cancel()
		<-done
		if said != "incident 7" {
			t.Errorf("the answer is taken as %q", said)
		}
		if first.Instance != "i" || first.Spool.Windows != 2 || first.Spool.Bytes == 0 || second.ReportedAt.Sub(first.ReportedAt) != 10*time.Second {
			t.Errorf("first %+v, second %+v", first, second)
		}
	})
}

// The backend says whether profiling is paused; who else answers says nothing.
func TestAnswerToAReport(t *testing.T) {
	for body, want := range map[string]string{`{"paused":"incident 7"}`: "incident 7", "": "", "<html>welcome</html>": "", "[]": ""} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		answer, err := newClient(t, Config{URL: server.URL, Timeout: time.Minute}).Report(t.Context(), &profile.Report{})
		if err != nil || answer.Paused != want {
			t.Errorf("%q: paused %q %v, want %q", body, answer.Paused, err, want)
		}
		server.Close()
	}
}

// Whatever a failed upload was answered with, the report that tells of it is one
// that the backend takes.
func TestReportWithAnEndlessMessage(t *testing.T) {
	words := strings.Repeat("ä", 10_000)
	body, _ := json.Marshal(map[string]any{"code": profile.Overloaded, "message": words, "hint": words})
	var report []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/targets" {
			report, _ = io.ReadAll(r.Body)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	c := newClient(t, Config{URL: server.URL, Timeout: time.Minute})
	_, failed := c.Window(t.Context(), []byte("x"))
	if failed == nil || !strings.Contains(failed.Error(), "ä") {
		t.Fatalf("got %v", failed)
	}
	r := profile.Report{Instance: "i", ReportedAt: time.Now(), Spool: profile.Spool{LastPushError: failed.Error()}}
	if _, err := c.Report(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	if _, err := profile.DecodeReport(report); err != nil || !strings.Contains(string(report), `"targets":[]`) {
		t.Errorf("%v: %.300s", err, report)
	}
}
