// Package keep puts the logs of a failed test where they can be read, so that
// the output of the test ends with its cause and not with what its programs
// had to say.
package keep

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// logLimit is how much of the end of each log is kept.
const logLimit = 1 << 20

// Logs copies the ends of logs into build/failures/TEST when the test, which is
// about to end, has failed. Call it from a cleanup.
func Logs(t testing.TB, paths ...string) {
	t.Helper()
	if !t.Failed() {
		return
	}
	folder, err := logs(t.Name(), paths)
	if err != nil {
		t.Logf("could not keep all logs: %v", err)
	}
	t.Logf("logs: %s", folder)
}

func logs(test string, paths []string) (folder string, err error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	folder = filepath.Join(root, "build", "failures", strings.NewReplacer("/", "-", " ", "_").Replace(test))
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", fmt.Errorf("make the folder of the logs: %w", err)
	}
	var failures []error
	for _, path := range paths {
		failures = append(failures, keep(folder, path))
	}
	return folder, errors.Join(failures...)
}

func keep(folder, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("keep a log: %w", err)
	}
	target := filepath.Join(folder, filepath.Base(path))
	for i := 2; ; i++ { // two programs may have logs of one name
		if _, err := os.Stat(target); errors.Is(err, os.ErrNotExist) {
			break
		}
		target = filepath.Join(folder, fmt.Sprintf("%d-%s", i, filepath.Base(path)))
	}
	if err := os.WriteFile(target, content[max(0, len(content)-logLimit):], 0o600); err != nil {
		return fmt.Errorf("keep a log: %w", err)
	}
	return nil
}

// repository is the folder above the working directory that holds go.mod.
func repository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("find the repository: no go.mod above the working directory")
		}
		folder = filepath.Dir(folder)
	}
}
