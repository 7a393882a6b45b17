package keep

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogsAreKeptByTest(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "")
	write(t, filepath.Join(root, "sub", "x"), "")
	t.Chdir(filepath.Join(root, "sub"))
	one, other := filepath.Join(t.TempDir(), "a.log"), filepath.Join(t.TempDir(), "a.log")
	write(t, one, strings.Repeat("x", logLimit)+"end of one")
	write(t, other, "other")
	folder, err := logs("TestX/a b", []string{one, other})
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(root, "build", "failures", "TestX-a_b"); folder != want {
		t.Errorf("kept in %s, want %s", folder, want)
	}
	for name, end := range map[string]string{"a.log": "end of one", "2-a.log": "other"} {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(string(content), end) || len(content) > logLimit {
			t.Errorf("%s holds %d bytes that do not end with %q", name, len(content), end)
		}
	}
}

func TestMissingLogIsNamed(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "")
	t.Chdir(root)
	if _, err := logs("TestX", []string{"/does/not/exist.log"}); err == nil || !strings.Contains(err.Error(), "/does/not/exist.log") {
		t.Errorf("error %v does not name the log", err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
