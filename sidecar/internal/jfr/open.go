package jfr

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/podflame/podflame/sidecar/internal/safefile"
)

// Open opens a recording. The directory may be writable by others: a symbolic
// link is not followed, a FIFO does not block, and only a regular file is
// accepted, else the error is safefile.ErrNotRegular. A recording may grow
// while it is read, so take its size from the open file, once.
func Open(path string) (*os.File, error) {
	f, err := safefile.Open(path)
	if errors.Is(err, safefile.ErrNotRegular) {
		return nil, fmt.Errorf("open recording %s: %w: %s", path, safefile.ErrNotRegular, whatIs(path))
	}
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	return f, nil
}

// whatIs says what lies at path instead of a file, for people.
func whatIs(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return err.Error()
	}
	const hint = "; give the path of a .jfr file"
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("it is a symbolic link, which is not followed; give the path of the recording itself (the link says %q)", target)
	case mode.IsDir():
		return "it is a directory" + hint
	case mode&fs.ModeNamedPipe != 0:
		return "it is a FIFO" + hint
	case mode&fs.ModeSocket != 0:
		return "it is a socket" + hint
	}
	return "it is a device" + hint
}
