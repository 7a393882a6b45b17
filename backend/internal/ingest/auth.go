package ingest

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// TokenFile is a file with the bearer token that sidecars show. It is read for
// each request, so that a mounted Secret may change.
type TokenFile struct{ path string }

// maxTokenBytes bounds the token.
const maxTokenBytes = 16 << 10

// NewTokenFile returns an error if there is no usable token in the file now.
func NewTokenFile(path string) (*TokenFile, error) {
	f := &TokenFile{path}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *TokenFile) read() ([]byte, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("open token file: %w", err)
	}
	defer file.Close()
	token, err := io.ReadAll(io.LimitReader(file, maxTokenBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read token file %s: %w", f.path, err)
	}
	token = bytes.TrimSpace(token)
	if len(token) == 0 || len(token) > maxTokenBytes {
		return nil, fmt.Errorf("token file %s holds %d bytes, it must be 1 to %d", f.path, len(token), maxTokenBytes)
	}
	return token, nil
}

// Check compares the value of an Authorization header with the token, in a time
// that says nothing about where they differ.
func (f *TokenFile) Check(authorization string) error {
	token, err := f.read()
	if err != nil { // ours to mend, so the upload shall come again
		return api.Errorf(profile.StoreUnavailable, "the backend cannot read its token").Because(err).Retry(10 * time.Second)
	}
	scheme, shown, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return api.Errorf(profile.Unauthenticated, "the request carries no bearer token")
	}
	want, got := sha256.Sum256(token), sha256.Sum256([]byte(strings.TrimSpace(shown)))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return api.Errorf(profile.Unauthenticated, "the bearer token is not the right one")
	}
	return nil
}
