package jfr

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNotRegular means that something else than a file lies where a recording
// should be.
var ErrNotRegular = errors.New("not a regular file")

// Open opens a recording. The directory may be writable by others: a symbolic
// link is not followed, a FIFO does not block, and only a regular file is
// accepted. A recording is read while it is written, so take its size from the
// open file, once.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("open recording %s: %w: it is a symbolic link, which is not followed; give the path of the recording itself%s", path, ErrNotRegular, linkTarget(path))
	case errors.Is(err, unix.ENXIO):
		return nil, notRegular(path, fs.ModeSocket)
	case err != nil:
		return nil, fmt.Errorf("open recording: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(path, info.Mode())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func linkTarget(path string) string {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (%s)", target)
}

func notRegular(path string, mode fs.FileMode) error {
	kind := "a device"
	switch {
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a FIFO"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return fmt.Errorf("open recording %s: %w: it is %s; give the path of a .jfr file", path, ErrNotRegular, kind)
}
