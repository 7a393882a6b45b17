package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/podflame/podflame/backend/api"
	"github.com/podflame/podflame/backend/profile"
)

// SecretFile is a file with a secret that is shared with those who may come in.
// It is read for each request, so that a mounted Secret may change.
type SecretFile struct{ path string }

// NewSecretFile returns an error if there is no usable secret in the file now.
func NewSecretFile(path string) (*SecretFile, error) {
	f := &SecretFile{path}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// minSecretBytes keeps out what can be guessed.
const minSecretBytes = 16

func (f *SecretFile) read() ([]byte, error) {
	file, err := os.Open(f.path) //nolint:gosec // given by a flag
	if err != nil {
		return nil, fmt.Errorf("open secret: %w", err)
	}
	defer func() { _ = file.Close() }()
	secret, err := io.ReadAll(io.LimitReader(file, maxTokenBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", f.path, err)
	}
	secret = bytes.TrimSpace(secret)
	if len(secret) < minSecretBytes || len(secret) > maxTokenBytes {
		return nil, fmt.Errorf("secret %s has %d bytes, it must have %d to %d; make one with: openssl rand -hex 32", f.path, len(secret), minSecretBytes, maxTokenBytes)
	}
	return secret, nil
}

// holds compares what was shown with the secret, in a time that says nothing
// about where they differ. Its error is an *api.Error.
func (f *SecretFile) holds(shown string) (bool, error) {
	secret, err := f.read()
	if err != nil { // ours to mend
		return false, api.Errorf(profile.Internal, "the backend cannot read its secret").Because(err)
	}
	want, got := sha256.Sum256(secret), sha256.Sum256([]byte(shown))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1, nil
}

// Identify lets in whoever shows the secret. It implements Verifier.
func (f *SecretFile) Identify(_ context.Context, _ netip.Addr, token string) (Identity, error) {
	ok, err := f.holds(token)
	if err == nil && !ok {
		err = api.Errorf(profile.TokenRefused, "the token is not the one in --read-token-file")
	}
	return Identity{Name: "holder of the token", Expires: time.Time{}}, err
}
