package target

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

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

const (
	// lateThread is a thread that HotSpot starts after it has cleared away a
	// stale attach socket. A signal before that makes the JVM open a socket that
	// it then takes for stale.
	lateThread = "Service Thread"
	// lateAge is when the thread is not waited for any longer: another version
	// may not have it.
	lateAge = 30 * time.Second
)

// PastStart says whether a JVM has come so far that it can be woken for an
// attach.
func (f *Finder) PastStart(p Process) bool {
	if time.Since(p.Start) > lateAge {
		return true
	}
	n, err := f.countThreads(p.PID, lateThread)
	return err == nil && n > 0
}

func hasQuit(mask string) bool {
	bits, err := strconv.ParseUint(mask, 16, 64)
	return err == nil && bits&quitBit != 0
}
