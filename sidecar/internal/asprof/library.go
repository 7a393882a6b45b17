package asprof

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/safefile"
)

const maxLibraryBytes = 32 << 20

// Install copies the profiler library into dir under a name made of its content
// and returns the path. A copy that is there and whole is left alone: to write
// into a file that a JVM has mapped kills the JVM. One that is not whole is
// replaced by rename, which leaves the mapped file as it is.
func Install(source, dir string) (string, error) {
	content, err := safefile.Read(source, maxLibraryBytes)
	if err != nil {
		return "", fmt.Errorf("read profiler library: %w", err)
	}
	if !bytes.HasPrefix(content, []byte("\x7fELF")) {
		return "", fmt.Errorf("profiler library %s is not a shared object", source)
	}
	sum := sha256.Sum256(content)
	path := filepath.Join(dir, contract.LibraryPrefix+hex.EncodeToString(sum[:8])+".so")
	installed, err := safefile.Read(path, maxLibraryBytes)
	if err == nil && bytes.Equal(installed, content) {
		return path, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, safefile.ErrNotRegular) && !errors.Is(err, safefile.ErrTooLarge) {
		return "", fmt.Errorf("look at installed profiler library: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("create directory of profiler library: %w", err)
	}
	if err := safefile.Write(path, content, 0o555); err != nil {
		return "", fmt.Errorf("install profiler library: %w", err)
	}
	return path, nil
}

// IsOurs says whether a mapped library was installed by Install into dir, by
// this or by another version of the sidecar.
func IsOurs(path, dir string) bool {
	ok, err := filepath.Match(contract.LibraryPrefix+"*.so", filepath.Base(path))
	return err == nil && ok && filepath.Dir(path) == filepath.Clean(dir)
}
