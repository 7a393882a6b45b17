package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/podflame/podflame/certs/internal/testca"
)

const name = "podflame-webhook.podflame-system.svc"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// year makes a CA and a certificate of it that are valid now.
func year(t testing.TB, number int) (*testca.CA, []byte, []byte) {
	t.Helper()
	begin := time.Now().Add(-time.Hour)
	ca := testca.New(t, number, "test-ca", begin, begin.AddDate(1, 0, 0))
	certificate, key := ca.Issue(t, begin, begin.AddDate(0, 1, 0), name)
	return ca, certificate, key
}

// handshake connects to a pair over TLS, trusting only one CA.
func handshake(t *testing.T, pair *Pair, ca *testca.CA) error {
	t.Helper()
	server := &tls.Config{}
	pair.Configure(server)
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate)
	near, far := net.Pipe()
	defer near.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		// The client tells what went wrong.
		_ = tls.Server(far, server).HandshakeContext(t.Context())
	}()
	client := tls.Client(near, &tls.Config{RootCAs: roots, ServerName: name})
	err := client.HandshakeContext(t.Context())
	near.Close()
	<-done
	return err
}

func TestPairChangesBetweenHandshakes(t *testing.T) {
	first, certificate, key := year(t, 0)
	second, newCertificate, newKey := year(t, 1)
	var pair Pair
	if _, err := pair.GetCertificate(nil); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("an empty pair gives %v", err)
	}
	if changed, err := pair.Set(certificate, key); err != nil || !changed {
		t.Fatalf("set: changed %v, %v", changed, err)
	}
	if err := handshake(t, &pair, first); err != nil {
		t.Errorf("first certificate: %v", err)
	}
	if changed, err := pair.Set(certificate, key); err != nil || changed {
		t.Errorf("set again: changed %v, %v", changed, err)
	}
	if changed, err := pair.Set(newCertificate, newKey); err != nil || !changed {
		t.Fatalf("set second: changed %v, %v", changed, err)
	}
	if err := handshake(t, &pair, second); err != nil {
		t.Errorf("second certificate: %v", err)
	}
	if err := handshake(t, &pair, first); err == nil {
		t.Error("the old CA still accepts")
	}
}

func TestPairKeepsTheLastGoodOne(t *testing.T) {
	ca, certificate, key := year(t, 0)
	var pair Pair
	if _, err := pair.Set(certificate, key); err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string][2][]byte{
		"nothing":            {nil, nil},
		"no key":             {certificate, nil},
		"other's key":        {certificate, ca.KeyPEM},
		"not PEM":            {[]byte("x"), []byte("y")},
		"broken DER":         {[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), key},
		"key as certificate": {key, key},
	} {
		if _, err := pair.Set(bad[0], bad[1]); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if err := handshake(t, &pair, ca); err != nil {
		t.Errorf("after bad ones: %v", err)
	}
}

// secretVolume writes files as the kubelet does: into a directory of their
// own, to which a symbolic link is switched.
type secretVolume struct {
	directory string
	version   int
}

func (v *secretVolume) write(t *testing.T, files map[string][]byte) {
	t.Helper()
	v.version++
	data := filepath.Join(v.directory, "..data-"+string(rune('0'+v.version)))
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(data, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(v.directory, file)
		if _, err := os.Lstat(link); err != nil {
			if err := os.Symlink(filepath.Join("..data", file), link); err != nil {
				t.Fatal(err)
			}
		}
	}
	fresh := filepath.Join(v.directory, "..data_tmp")
	if err := os.Symlink(filepath.Base(data), fresh); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, filepath.Join(v.directory, "..data")); err != nil {
		t.Fatal(err)
	}
}

func TestFilesFollowTheMountedSecret(t *testing.T) {
	ca, certificate, key := year(t, 0)
	newCA, newCertificate, newKey := year(t, 1)
	directory := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		volume := &secretVolume{directory: directory}
		registry := prometheus.NewRegistry()
		metrics := NewMetrics(registry)
		files := FilesIn(directory, 10*time.Second, metrics, quiet())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- files.Run(ctx) }()

		time.Sleep(time.Minute) // no files yet
		if files.Pair.Leaf() != nil || files.Bundle() != nil {
			t.Error("something out of nothing")
		}
		volume.write(t, map[string][]byte{"tls.crt": certificate, "tls.key": key, "ca.crt": ca.PEM})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		<-files.Changed()
		if leaf := files.Pair.Leaf(); leaf == nil || leaf.CheckSignatureFrom(ca.Certificate) != nil {
			t.Fatal("the first certificate is not served")
		}
		if !bytes.Equal(files.Bundle(), ca.PEM) {
			t.Error("the first bundle is not known")
		}
		if got, want := testutil.ToFloat64(metrics.notAfter.WithLabelValues(KindServing)), float64(files.Pair.Leaf().NotAfter.Unix()); got != want {
			t.Errorf("not after %v, want %v", got, want)
		}

		// Half an update, and rubbish, leave what was good.
		volume.write(t, map[string][]byte{"tls.crt": newCertificate, "tls.key": ca.KeyPEM, "ca.crt": []byte("rubbish")})
		time.Sleep(time.Minute)
		synctest.Wait()
		if files.Pair.Leaf().CheckSignatureFrom(ca.Certificate) != nil || !bytes.Equal(files.Bundle(), ca.PEM) {
			t.Error("a bad update was taken into use")
		}
		if got := testutil.ToFloat64(metrics.reloads.WithLabelValues(reloadFailed)); got != 2 { // missing files, this update: each counted once
			t.Errorf("%v failed reloads, want 2", got)
		}

		volume.write(t, map[string][]byte{"tls.crt": newCertificate, "tls.key": newKey, "ca.crt": newCA.PEM})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		<-files.Changed()
		if files.Pair.Leaf().CheckSignatureFrom(newCA.Certificate) != nil {
			t.Error("the second certificate is not served")
		}
		if got := testutil.ToFloat64(metrics.reloads.WithLabelValues(reloadChanged)); got != 2 {
			t.Errorf("%v reloads, want 2", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func TestFilesAreBounded(t *testing.T) {
	_, certificate, key := year(t, 0)
	directory := t.TempDir()
	volume := &secretVolume{directory: directory}
	volume.write(t, map[string][]byte{"tls.crt": certificate, "tls.key": key, "ca.crt": bytes.Repeat([]byte("x"), maxFileBytes+1)})
	files := FilesIn(directory, 0, NewMetrics(prometheus.NewRegistry()), quiet())
	if err := files.Load(); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("load: %v", err)
	}
	if files.Pair.Leaf() == nil {
		t.Error("a bad ca.crt keeps the certificate from being served")
	}
}

func TestBundle(t *testing.T) {
	first, certificate, _ := year(t, 0)
	second, _, _ := year(t, 1)
	both := append(append([]byte("a comment\n"), first.PEM...), append(first.KeyPEM, second.PEM...)...)
	parsed, err := ParseBundle(both)
	if err != nil || len(parsed) != 2 || !parsed[0].Equal(first.Certificate) || !parsed[1].Equal(second.Certificate) {
		t.Fatalf("parse: %d certificates, %v", len(parsed), err)
	}
	if got := EncodeBundle(parsed); !bytes.Equal(got, append(bytes.Clone(first.PEM), second.PEM...)) {
		t.Errorf("encoded:\n%s", got)
	}
	for what, bad := range map[string][]byte{
		"empty":     nil,
		"only keys": first.KeyPEM,
		"too many":  bytes.Repeat(first.PEM, MaxBundle+1),
		"broken":    []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
	} {
		if _, err := ParseBundle(bad); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	leaf, err := ParseBundle(certificate)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, row := range []struct {
		what   string
		bundle []*x509.Certificate
		name   string
		at     time.Time
		want   string // part of the error
	}{
		{"trusted", parsed, name, now, ""},
		{"other CA", parsed[1:], name, now, "unknown authority"},
		{"no CA", nil, name, now, "unknown authority"},
		{"other name", parsed, "example.org", now, "not example.org"},
		{"expired", parsed, name, now.AddDate(0, 2, 0), "expired"},
	} {
		err := Verify(leaf[0], row.bundle, row.name, row.at)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.what, err, row.want)
		}
	}
}

func FuzzParseBundle(f *testing.F) {
	ca, certificate, _ := year(f, 0)
	f.Add(ca.PEM)
	f.Add(append(bytes.Clone(certificate), ca.PEM...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := ParseBundle(data)
		if err != nil {
			return
		}
		again, err := ParseBundle(EncodeBundle(parsed))
		if err != nil || len(again) != len(parsed) {
			t.Fatalf("%d certificates became %d, %v", len(parsed), len(again), err)
		}
	})
}

// TestBundleIsTheUnionOfTheAuthorities: after a change of the CA the two
// certificates are signed anew at different times.
func TestBundleIsTheUnionOfTheAuthorities(t *testing.T) {
	first, certificate, key := year(t, 0)
	second, _, _ := year(t, 1)
	both := append(bytes.Clone(first.PEM), second.PEM...)
	directory := t.TempDir()
	volume := &secretVolume{directory: directory}
	files := FilesIn(directory, 0, NewMetrics(prometheus.NewRegistry()), quiet())
	for _, step := range []struct {
		what          string
		ours, backend []byte
		want          []byte
		wrong         bool
	}{
		{"no file of the backend yet", first.PEM, nil, first.PEM, false},
		{"one CA", first.PEM, first.PEM, first.PEM, false},
		{"ours is of the new CA", second.PEM, first.PEM, append(bytes.Clone(second.PEM), first.PEM...), false},
		{"one holds both", first.PEM, both, both, false},
		{"rubbish", second.PEM, []byte("rubbish"), both, true},
		{"the backend's, too", second.PEM, second.PEM, second.PEM, false},
	} {
		content := map[string][]byte{"tls.crt": certificate, "tls.key": key, "ca.crt": step.ours}
		if step.backend != nil {
			content["backend-ca.crt"] = step.backend
		}
		volume.write(t, content)
		if err := files.Load(); (err != nil) != step.wrong {
			t.Errorf("%s: %v", step.what, err)
		}
		if !bytes.Equal(files.Bundle(), step.want) {
			t.Errorf("%s: bundle\n%s", step.what, files.Bundle())
		}
	}
}
