package target

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// readInRoot returns the content of a regular file of at most limit bytes in the
// process's own root: an absolute symlink in a container does not lead to a file
// of ours.
func (f *Finder) readInRoot(pid int, path string, limit int64) ([]byte, error) {
	root, err := os.Open(f.Path(pid, "root"))
	if err != nil {
		return nil, fmt.Errorf("open root of process %d: %w", pid, err)
	}
	defer root.Close()
	fd, err := unix.Openat2(int(root.Fd()), path, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, fmt.Errorf("open %s in process %d: %w", path, pid, err)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s in process %d is no regular file", path, pid)
	}
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("above %d bytes", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s in process %d: %w", path, pid, err)
	}
	return content, nil
}
