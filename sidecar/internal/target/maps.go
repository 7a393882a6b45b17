package target

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// Library is a shared object that is mapped into a process.
type Library struct {
	Path    string
	Deleted bool // the file has been removed or replaced since
}

// libraries returns each mapped file whose name contains ".so", once.
func (f *Finder) libraries(pid int) ([]Library, error) {
	paths, err := f.mapped(pid)
	var found []Library
	for _, path := range paths {
		if strings.Contains(path, ".so") {
			plain, deleted := strings.CutSuffix(path, " (deleted)")
			found = append(found, Library{Path: plain, Deleted: deleted})
		}
	}
	return found, err
}

// mapped returns the path of each mapped file, once, as the kernel writes it.
func (f *Finder) mapped(pid int) ([]string, error) {
	file, err := os.Open(f.Path(pid, "maps"))
	if err != nil {
		return nil, fmt.Errorf("read mapped files of process %d: %w", pid, err)
	}
	defer file.Close()
	var found []string
	seen := map[string]bool{}
	lines := bufio.NewScanner(io.LimitReader(file, maxMapsBytes))
	for lines.Scan() {
		if path, ok := pathOf(lines.Text()); ok && !seen[path] {
			seen[path] = true
			found = append(found, path)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read mapped files of process %d: %w", pid, err)
	}
	return found, nil
}

// pathOf returns the path of a line of /proc/PID/maps:
//
//	7f3f0-7f3f1 r-xp 00001000 08:01 12345    /usr/lib/libjvm.so
func pathOf(line string) (string, bool) {
	for range 5 {
		_, rest, ok := strings.Cut(line, " ")
		if !ok {
			return "", false
		}
		line = rest
	}
	path := strings.TrimLeft(line, " ")
	return path, strings.HasPrefix(path, "/")
}
