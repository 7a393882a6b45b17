package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// maxFileBytes is more than any certificate file needs; a larger one is an
// error.
const maxFileBytes = 1 << 20

// DefaultPoll is the time between two looks at the files. A mounted Secret
// takes the kubelet a minute to change, so that watching the directory instead
// would save nothing, and looking works on every file system.
const DefaultPoll = 10 * time.Second

// Files keeps a Pair, and a trust bundle, equal to files. The files may be
// missing at first: the Pair then holds no certificate until they appear.
type Files struct {
	Pair Pair

	certificate, key string
	authorities      []string // files
	poll             time.Duration
	log              *slog.Logger
	metrics          *Metrics
	bundle           atomic.Pointer[[]byte]
	changed          chan struct{}
	lastError        string
}

// FilesIn are the files of a mounted TLS Secret: tls.crt, tls.key and, if
// there is one, ca.crt; and backend-ca.crt, if the backend's certificate comes
// from elsewhere: an issuer whose CA was renewed signs each certificate with the
// new one only when that certificate is renewed, so the two may differ for
// weeks. A poll of 0 means DefaultPoll.
func FilesIn(directory string, poll time.Duration, metrics *Metrics, log *slog.Logger) *Files {
	if poll <= 0 {
		poll = DefaultPoll
	}
	return &Files{
		certificate: filepath.Join(directory, "tls.crt"),
		key:         filepath.Join(directory, "tls.key"),
		authorities: []string{filepath.Join(directory, "ca.crt"), filepath.Join(directory, "backend-ca.crt")},
		poll:        poll,
		log:         log,
		metrics:     metrics,
		changed:     make(chan struct{}, 1),
	}
}

// Bundle is the union of the files of CAs, or nil while there is none that can be
// parsed.
func (f *Files) Bundle() []byte {
	if bundle := f.bundle.Load(); bundle != nil {
		return *bundle
	}
	return nil
}

// Changed receives after the certificate or the bundle changed; several
// changes may be told as one.
func (f *Files) Changed() <-chan struct{} { return f.changed }

// Load reads the files once. On an error what was loaded before stays.
func (f *Files) Load() error {
	bundleChanged, bundleErr := f.loadBundle()
	pairChanged, pairErr := f.loadPair()
	if bundleChanged || pairChanged {
		select {
		case f.changed <- struct{}{}:
		default:
		}
	}
	return errors.Join(pairErr, bundleErr)
}

// Run reads the files again and again until the context ends, which is not an
// error. Call Load first if the program must not start without a certificate.
func (f *Files) Run(ctx context.Context) error {
	ticker := time.NewTicker(f.poll)
	defer ticker.Stop()
	for {
		f.logOnce(f.Load())
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// logOnce logs an error when it is new, not at every look.
func (f *Files) logOnce(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == f.lastError {
		return
	}
	if f.lastError = text; err != nil {
		f.metrics.Reloaded(err)
		f.log.Warn("certificate files not loaded, the last good ones stay in use", "error", err)
	}
}

func (f *Files) loadPair() (changed bool, err error) {
	certificate, err := readFile(f.certificate)
	if err != nil {
		return false, err
	}
	key, err := readFile(f.key)
	if err != nil {
		return false, err
	}
	// Read between the two halves of an update, certificate and key do not
	// match: the old pair stays, and the next look finds both.
	changed, err = f.Pair.Set(certificate, key)
	if err != nil {
		return false, fmt.Errorf("load %s and %s: %w", f.certificate, f.key, err)
	}
	f.metrics.InUse(KindServing, f.Pair.Leaf())
	if changed {
		f.metrics.Reloaded(nil)
		f.log.Info("serving certificate loaded", "file", f.certificate, "notAfter", f.Pair.Leaf().NotAfter)
	}
	return changed, nil
}

func (f *Files) loadBundle() (changed bool, err error) {
	var union []*x509.Certificate
	for _, path := range f.authorities {
		data, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		found, err := ParseBundle(data)
		if err != nil {
			return false, fmt.Errorf("load %s: %w", path, err)
		}
		for _, certificate := range found {
			if !slices.ContainsFunc(union, certificate.Equal) {
				union = append(union, certificate)
			}
		}
	}
	data := EncodeBundle(union)
	if len(union) == 0 || bytes.Equal(data, f.Bundle()) {
		return false, nil
	}
	f.bundle.Store(&data)
	f.metrics.InUse(KindCA, union[0])
	return true, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open certificate file: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read certificate file %s: %w", path, err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("certificate file %s is larger than %d bytes", path, maxFileBytes)
	}
	return data, nil
}
