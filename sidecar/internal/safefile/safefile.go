// Package safefile opens, reads and writes files in a directory that the
// profiled application can write too. Whatever the application puts there, a
// read neither follows a symlink nor blocks on a FIFO nor exceeds its limit,
// and a reader never sees half a file.
package safefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// ErrNotRegular is returned for anything that is no regular file.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge is returned for a file above the reader's limit.
var ErrTooLarge = errors.New("larger than allowed")

// Open opens a regular file for reading, without following a symlink in the
// last element of path.
func Open(path string) (*os.File, error) {
	return open(path, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
}

// OpenLink opens what a link of /proc/PID leads to, which is the very file that
// the process has open, whatever lies under its name today.
func OpenLink(path string) (*os.File, error) {
	return open(path, unix.O_RDONLY, 0)
}

// OpenLinkWritable is OpenLink for reading and writing.
func OpenLinkWritable(path string) (*os.File, error) {
	return open(path, unix.O_RDWR, 0)
}

// Create opens a regular file for reading and writing, and creates it if there
// is none.
func Create(path string, mode fs.FileMode) (*os.File, error) {
	return open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW, uint32(mode.Perm()))
}

func open(path string, flags int, mode uint32) (*os.File, error) {
	fd, err := unix.Open(path, flags|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, mode)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = unix.Close(fd)
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.Join(ErrNotRegular, err)}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Read returns the content of a regular file of at most limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if n > limit {
		return nil, fmt.Errorf("read %s: %w (%d bytes)", path, ErrTooLarge, limit)
	}
	return b.Bytes(), nil
}

// Write replaces a file in one step: temporary file in the same directory,
// fsync, rename.
func Write(path string, content []byte, mode fs.FileMode) error {
	if err := renameio.WriteFile(path, content, mode, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
