package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	regular := filepath.Join(dir, "regular")
	if err := os.WriteFile(regular, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	link, fifo, sub := filepath.Join(dir, "link"), filepath.Join(dir, "fifo"), filepath.Join(dir, "sub")
	if err := errors.Join(os.Symlink(regular, link), unix.Mkfifo(fifo, 0o600), os.Mkdir(sub, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, fifo, sub, "/dev/null"} {
		if _, err := Read(path, 100); !errors.Is(err, ErrNotRegular) {
			t.Errorf("Read(%s) = %v, want ErrNotRegular", path, err)
		}
		if f, err := Create(path, 0o600); err == nil {
			f.Close()
			t.Errorf("Create(%s) succeeded", path)
		}
	}
	if b, err := Read(regular, 7); err != nil || string(b) != "content" {
		t.Errorf("Read = %q, %v", b, err)
	}
	if _, err := Read(regular, 6); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Read above the limit = %v, want ErrTooLarge", err)
	}
	if _, err := Read(filepath.Join(dir, "absent"), 6); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of nothing = %v, want ErrNotExist", err)
	}
}

func TestWriteReplacesASymlinkAndNotItsTarget(t *testing.T) {
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "marker")
	if err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), os.Symlink(victim, path)); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("ours"), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "precious" {
		t.Errorf("the symlink's target was overwritten with %q", b)
	}
	if b, err := Read(path, 100); err != nil || string(b) != "ours" {
		t.Errorf("Read = %q, %v", b, err)
	}
}
