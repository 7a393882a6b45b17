package target

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Signals is what decides whether a SIGQUIT would start the attach listener,
// kill the process, or wait unseen.
type Signals struct {
	CatchesQuit bool // the JVM has installed its handler
	QuitPending bool // one has been sent and not been delivered
	Stopped     bool // by SIGSTOP or a debugger
}

const quitBit = 1 << (uint(unix.SIGQUIT) - 1)

// Signals reads the signal state of a process.
func (f *Finder) Signals(pid int) (Signals, error) {
	file, err := os.Open(f.Path(pid, "status"))
	if err != nil {
		return Signals{}, fmt.Errorf("read signals of process %d: %w", pid, err)
	}
	defer file.Close()
	var s Signals
	lines := bufio.NewScanner(io.LimitReader(file, 64<<10))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "State":
			s.Stopped = strings.HasPrefix(value, "T") || strings.HasPrefix(value, "t")
		case "SigCgt":
			s.CatchesQuit = hasQuit(value)
		case "SigPnd", "ShdPnd":
			s.QuitPending = s.QuitPending || hasQuit(value)
		}
	}
	if err := lines.Err(); err != nil {
		return Signals{}, fmt.Errorf("read signals of process %d: %w", pid, err)
	}
	return s, nil
}

func hasQuit(mask string) bool {
	bits, err := strconv.ParseUint(mask, 16, 64)
	return err == nil && bits&quitBit != 0
}
