package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/internal/store/storetest"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/backend/profile/profiletest"
)

const patience = 90 * time.Second

// backend is a running program, all of it but the process.
type backend struct {
	addresses chan string // of its listeners, in order
	log       *logged
	cancel    context.CancelFunc
	done      chan error
}

// logged keeps the log and sends the addresses that it tells.
type logged struct {
	mu        sync.Mutex
	text      bytes.Buffer
	addresses chan string
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var record struct{ Msg, Address string }
	if json.Unmarshal(line, &record) == nil && record.Msg == "backend serves" {
		l.addresses <- record.Address
	}
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func start(t *testing.T, arguments ...string) *backend {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	addresses := make(chan string, 3)
	b := &backend{addresses: addresses, log: &logged{addresses: addresses}, cancel: cancel, done: make(chan error, 1)}
	arguments = append([]string{"serve", "--listen=127.0.0.1:0", "--clickhouse-library=" + storetest.Library(t)}, arguments...)
	go func() { b.done <- run(ctx, arguments, io.Discard, b.log) }()
	t.Cleanup(func() { _ = b.stop() })
	return b
}

// stop ends the program as a signal does.
func (b *backend) stop() error {
	b.cancel()
	err := <-b.done
	b.done <- err
	return err
}

func (b *backend) address(t *testing.T) string {
	t.Helper()
	select {
	case a := <-b.addresses:
		return a
	case err := <-b.done:
		b.done <- err
		t.Fatalf("ended: %v\n%s", err, b.log)
	case <-time.After(patience):
		t.Fatalf("no address after %s\n%s", patience, b.log)
	}
	return ""
}

// ready waits until the program says that it is ready.
func ready(t *testing.T, client *http.Client, url string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		status, body := get(t, client, url+"/readyz")
		if status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready after %s: %d %s", patience, status, body)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func get(t *testing.T, client *http.Client, url string) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, client, request)
}

func do(t *testing.T, client *http.Client, request *http.Request) (int, []byte) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

func put(t *testing.T, client *http.Client, url, token string, w *profile.Window) (int, []byte) {
	t.Helper()
	body, err := profile.Encode(w)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v1/windows", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", profile.ContentType)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return do(t, client, request)
}

// The whole program: a window goes in and comes out, and is still there, once,
// after a restart.
func TestServeKeepsWindowsOverARestart(t *testing.T) {
	data := t.TempDir()
	now := time.Now().UTC().Truncate(time.Minute)
	w := profiletest.Window(profiletest.Options{Start: now.Add(-5 * time.Minute)})
	flame := fmt.Sprintf("/api/v1/flame?cluster=prod&namespace=shop&service=checkout&type=cpu&from=%d&to=%d", now.Unix()-3600, now.Unix())
	client := &http.Client{Timeout: patience}
	for _, status := range []string{api.Accepted, api.Duplicate} {
		b := start(t, "--data-dir="+data)
		url := "http://" + b.address(t)
		ready(t, client, url)
		code, body := put(t, client, url, "", w)
		var receipt api.Receipt
		if err := json.Unmarshal(body, &receipt); code != 200 || err != nil || receipt.Status != status || receipt.ID != w.ID {
			t.Fatalf("receipt is %d %s, want %s\n%s", code, body, status, b.log)
		}
		var answer api.Flame
		code, body = get(t, client, url+flame)
		if err := json.Unmarshal(body, &answer); code != 200 || err != nil || answer.Total != w.Set(profile.CPU).Total() {
			t.Errorf("flame graph is %d %.300s, want total %+v", code, body, w.Set(profile.CPU).Total())
		}
		if code, body := get(t, client, url+"/services"); code != 200 || !strings.Contains(string(body), "<title>") {
			t.Errorf("UI is %d %.300s", code, body)
		}
		if code, body := get(t, client, url+"/metrics"); code != 200 || !strings.Contains(string(body), fmt.Sprintf("podflame_ingest_windows_total{outcome=%q,reason=\"\"} 1", status)) {
			t.Errorf("metrics are %d without the window", code)
		}
		if err := b.stop(); err != nil {
			t.Fatalf("stop: %v\n%s", err, b.log)
		}
		if !strings.Contains(b.log.String(), "backend has stopped") {
			t.Errorf("log: %s", b.log)
		}
	}
}

// While ClickHouse is away the program lives, is not ready, tells sidecars to
// come again and users why there is nothing.
func TestServeWithoutClickHouse(t *testing.T) {
	nobody, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	b := start(t, "--clickhouse=clickhouse://podflame:x@"+nowhere+"/podflame")
	url := "http://" + b.address(t)
	client := &http.Client{Timeout: patience}
	if code, _ := get(t, client, url+"/livez"); code != 200 {
		t.Errorf("livez is %d", code)
	}
	if code, body := get(t, client, url+"/readyz"); code != 503 || !strings.Contains(string(body), "store_unavailable") {
		t.Errorf("readyz is %d %s", code, body)
	}
	w := profiletest.Window(profiletest.Options{Start: time.Now().Add(-time.Hour).Truncate(time.Minute)})
	if code, body := put(t, client, url, "", w); code != 503 || !strings.Contains(string(body), "store_unavailable") {
		t.Errorf("upload is %d %s", code, body)
	}
	now := time.Now().Unix()
	if code, body := get(t, client, fmt.Sprintf("%s/api/v1/services?from=%d&to=%d", url, now-60, now)); code != 503 {
		t.Errorf("services is %d %s", code, body)
	}
	if code, body := get(t, client, url+"/api/v1/ingest/health"); code != 200 || !strings.Contains(string(body), `"available":false`) {
		t.Errorf("health is %d %s", code, body)
	}
	if strings.Contains(b.log.String(), "podflame:x@") {
		t.Error("the password is in the log")
	}
	if err := b.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// Three doors: people by HTTP on loopback, sidecars by TLS and to write only,
// probes by HTTP.
func TestServeDoors(t *testing.T) {
	dir := t.TempDir()
	pool := selfSigned(t, dir)
	b := start(t, "--data-dir="+t.TempDir(), "--cert-dir="+dir, "--listen-sidecars=127.0.0.1:0", "--listen-operations=127.0.0.1:0", "--sidecar-connections=100")
	people, secure, operations := "http://"+b.address(t), "https://"+b.address(t), "http://"+b.address(t)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	t.Cleanup(client.CloseIdleConnections)
	ready(t, client, operations)
	w := profiletest.Window(profiletest.Options{Start: time.Now().Add(-time.Hour).Truncate(time.Minute)})
	if code, body := put(t, client, secure, "", w); code != 200 {
		t.Errorf("upload by TLS is %d %s", code, body)
	}
	for url, want := range map[string]int{
		secure + "/readyz": 404, secure + "/metrics": 404, secure + "/api/v1/ingest/health": 404, secure + "/": 404,
		operations + "/api/v1/ingest/health": 404, operations + "/": 404, operations + "/metrics": 200,
		people + "/api/v1/ingest/health": 200, people + "/api/v1/session": 200, people + "/": 200,
	} {
		if code, body := get(t, client, url); code != want {
			t.Errorf("GET %s is %d %.200s, want %d", url, code, body, want)
		}
	}
	if code, body := put(t, client, people, "", w); code != 404 {
		t.Errorf("upload at the door of people is %d %s", code, body)
	}
	old := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11}}}
	if response, err := old.Get(secure + "/"); err == nil { //nolint:noctx // it must fail in the handshake
		_ = response.Body.Close()
		t.Error("TLS 1.1 is accepted")
	}
	var dialer net.Dialer
	for range 200 { // that say nothing, and are more than sidecars may have
		idle, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(secure, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
	}
	if code, body := get(t, client, operations+"/livez"); code != 200 {
		t.Errorf("a probe beside idle connections of sidecars is %d %s", code, body)
	}
}

// selfSigned writes a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, content := range map[string][]byte{"tls.crt": certificate, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	return pool
}

func TestPortInUse(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	data := filepath.Join(t.TempDir(), "data")
	err = run(t.Context(), []string{"serve", "--listen=" + taken.Addr().String(), "--data-dir=" + data}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("ClickHouse was started: %v", err)
	}
}

// Two backends must not share the data of the ClickHouse inside.
func TestDataInUse(t *testing.T) {
	data := t.TempDir()
	b := start(t, "--data-dir="+data)
	ready(t, &http.Client{Timeout: patience}, "http://"+b.address(t))
	second := start(t, "--data-dir="+data)
	select {
	case err := <-second.done:
		second.done <- err
		if err == nil || !strings.Contains(err.Error(), data) {
			t.Errorf("error is %v", err)
		}
	case <-time.After(patience):
		t.Errorf("a second backend runs on the same data\n%s", second.log)
	}
}
