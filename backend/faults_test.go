package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

// A disk that becomes read-only beneath the ClickHouse inside: senders, probes and
// people are told what is wrong, and once it is writable again the window is stored.
func TestReadOnlyDiskIsTold(t *testing.T) {
	data := t.TempDir()
	b := start(t, "--data-dir="+data)
	url, client := "http://"+b.address(t), &http.Client{Timeout: patience}
	ready(t, client, url)
	t.Cleanup(func() { _ = b.stop() }) // before the disk goes
	writable := storetest.ReadOnly(t, filepath.Join(data, "clickhouse"))
	w := profiletest.Window(profiletest.Options{Start: time.Now().Add(-time.Hour).Truncate(time.Minute)})
	const says = "the disk of ClickHouse is read-only"
	wantUnavailable(t, client, url, w)
	if !strings.Contains(b.log.String(), says) {
		t.Errorf("the log does not say that %s:\n%s", says, b.log)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) { // one failure is not yet a state
		store := storeHealth(t, client, url)
		if !store.Available {
			wantStoreSays(t, store, says)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s of failures health says %+v", patience, store)
		}
		wantUnavailable(t, client, url, w)
	}
	if code, body := get(t, client, url+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("readyz is %d %s", code, body)
	}
	writable()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		code, body := put(t, client, url, "", w)
		if code == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("upload to a disk that is writable again is %d %s", code, body)
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) { // what was asked a moment ago is not asked again
		store := storeHealth(t, client, url)
		if store.Available && store.Reason == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("health of a disk that is writable again says %+v", store)
		}
	}
}

// A ClickHouse without memory for anybody.
func TestClickHouseOutOfMemoryIsTold(t *testing.T) {
	data, client := t.TempDir(), &http.Client{Timeout: patience}
	b := start(t, "--data-dir="+data)
	ready(t, client, "http://"+b.address(t))
	if err := b.stop(); err != nil { // with all tables
		t.Fatal(err)
	}
	b = start(t, "--data-dir="+data, "--clickhouse-memory=1")
	url := "http://" + b.address(t)
	const says = "ClickHouse has no memory to spare"
	wantUnavailable(t, client, url, profiletest.Window(profiletest.Options{Start: time.Now().Add(-time.Hour).Truncate(time.Minute)}))
	if !strings.Contains(b.log.String(), says) {
		t.Errorf("the log does not say that %s:\n%s", says, b.log)
	}
	store := storeHealth(t, client, url)
	if store.Available {
		t.Error("health says that the store is available")
	}
	wantStoreSays(t, store, says)
	if code, body := get(t, client, url+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("readyz is %d %s", code, body)
	}
	if code, body := get(t, client, url+"/api/v1/services?from=0&to=60"); code != http.StatusServiceUnavailable {
		t.Errorf("a query is %d %s", code, body)
	}
}

// wantUnavailable uploads a window and wants to be told to come again. Why is not
// for senders, but for the log and for health.
func wantUnavailable(t *testing.T, client *http.Client, url string, w *profile.Window) {
	t.Helper()
	code, body := put(t, client, url, "", w)
	var refusal api.Error
	if err := json.Unmarshal(body, &refusal); err != nil || code != http.StatusServiceUnavailable || refusal.Code != profile.StoreUnavailable {
		t.Errorf("upload is %d %s, want 503 and %s", code, body, profile.StoreUnavailable)
	}
}

func storeHealth(t *testing.T, client *http.Client, url string) api.StoreHealth {
	t.Helper()
	code, body := get(t, client, url+"/api/v1/ingest/health")
	var health api.IngestHealth
	if err := json.Unmarshal(body, &health); code != http.StatusOK || err != nil {
		t.Fatalf("health is %d %s", code, body)
	}
	return health.Store
}

func wantStoreSays(t *testing.T, store api.StoreHealth, says string) {
	t.Helper()
	if store.Reason != profile.StoreUnavailable || !strings.Contains(store.Message, says) {
		t.Errorf("health says %s %q, want %s and %q", store.Reason, store.Message, profile.StoreUnavailable, says)
	}
}
