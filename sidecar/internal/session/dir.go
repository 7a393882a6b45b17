package session

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/podflame/podflame/sidecar/contract"
	"golang.org/x/sys/unix"
)

// Dir is the directory of one JVM in its volume. Its methods must run as
// the JVM's user.
type Dir string

// NewDir returns the directory of the JVM with that key (target.Process.Key).
func NewDir(volume, key string) Dir { return Dir(filepath.Join(volume, key)) }

// NewID returns the id of a new session.
func NewID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

const recordingExt = ".jfr"

// Marker is the path of the marker.
func (d Dir) Marker() string { return filepath.Join(string(d), contract.MarkerFile) }

// Log is the path of the log that our commands write.
func (d Dir) Log() string { return filepath.Join(string(d), "profiler.log") }

// ForeignLog is the path of the log for questions to foreign profilers, which
// keep it open.
func (d Dir) ForeignLog() string { return filepath.Join(string(d), "foreign.log") }

// Recording is the path of a session's recording.
func (d Dir) Recording(id string) string { return filepath.Join(string(d), id+recordingExt) }

// SessionOf returns the session of ours that a path is the recording of.
func (d Dir) SessionOf(path string) (id string, ok bool) {
	id, ok = strings.CutSuffix(filepath.Base(path), recordingExt)
	return id, ok && filepath.Dir(path) == string(d) && validID(id)
}

func validID(id string) bool {
	b, err := hex.DecodeString(id)
	return err == nil && len(b) == 8 && strings.ToLower(id) == id
}

// Make makes the directory.
func (d Dir) Make() error {
	if err := os.Mkdir(string(d), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make session directory: %w", err)
	}
	if err := d.check(); err != nil {
		return err
	}
	if err := unix.Access(string(d), unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("write to session directory %s: %w", d, err)
	}
	return nil
}

// check refuses a symlink, which would lead us elsewhere.
func (d Dir) check() error {
	info, err := os.Lstat(string(d))
	if err != nil {
		return fmt.Errorf("look at session directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("session directory %s is no directory", d)
	}
	return nil
}

// SameIn says whether the JVM, whose root directory is root, finds the same
// directory under the same path. It has to: it is told paths that we read.
func (d Dir) SameIn(root string) error { return sameIn(string(d), root) }

// Remove removes the directory with everything that is in it.
func (d Dir) Remove() error {
	if err := d.check(); err != nil {
		return err
	}
	if err := os.RemoveAll(string(d)); err != nil {
		return fmt.Errorf("remove session directory: %w", err)
	}
	return nil
}

// FreeBytes is the space that is left in the volume.
func (d Dir) FreeBytes() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(string(d), &st); err != nil {
		return 0, fmt.Errorf("look at free space of %s: %w", d, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}
