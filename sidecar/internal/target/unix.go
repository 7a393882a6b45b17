package target

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

const maxUnixBytes = 16 << 20 // of /proc/PID/net/unix

// Listens says whether somebody in the network namespace of a process listens at
// a Unix socket that was made as /tmp/NAME, whether or not it is still there.
// HotSpot makes its socket as /tmp/NAME.tmp and renames it.
func (f *Finder) Listens(pid int, name string) (bool, error) {
	path := f.Path(pid, "net", "unix")
	file, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("list sockets of process %d: %w", pid, err)
	}
	defer file.Close()
	lines := bufio.NewScanner(io.LimitReader(file, maxUnixBytes))
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), ".tmp")
		if strings.HasSuffix(line, " /tmp/"+name) {
			return true, nil
		}
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return false, nil
}
