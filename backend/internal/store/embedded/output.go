package embedded

import (
	"bytes"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of what the child's output may take.
const (
	maxLine          = 2048 // bytes; the rest of a line is dropped
	tailLines        = 20
	maxLinesInterval = 20 // logged per logInterval
	logInterval      = 10 * time.Second
)

// lineLog logs what the child prints, line by line, and keeps the last lines.
// It never blocks the child for longer than the log does.
type lineLog struct {
	log     *slog.Logger
	mu      sync.Mutex
	partial []byte
	last    []string
	since   time.Time
	logged  int
	dropped int
}

func newLineLog(log *slog.Logger) *lineLog { return &lineLog{log: log} }

// Write implements io.Writer and never fails.
func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		l.partial = append(l.partial, line[:min(len(line), maxLine-len(l.partial))]...)
		if !whole {
			return n, nil
		}
		l.emit(string(l.partial))
		l.partial, p = l.partial[:0], rest
	}
}

func (l *lineLog) emit(line string) {
	if line = strings.ToValidUTF8(oneLine(line), "?"); line == "" || isFrame(line) {
		return
	}
	l.last = append(l.last, line)
	if len(l.last) > tailLines {
		l.last = l.last[1:]
	}
	if now := time.Now(); now.Sub(l.since) > logInterval {
		if l.dropped > 0 {
			l.log.Warn("embedded ClickHouse printed more than is logged", "lines_dropped", l.dropped)
		}
		l.since, l.logged, l.dropped = now, 0, 0
	}
	if l.logged == maxLinesInterval {
		l.dropped++
		return
	}
	l.logged++
	l.log.Warn("embedded ClickHouse printed", "line", line)
}

// isFrame says whether a line is a frame of a stack, "12. ? @ 0x1c8ffef2": the
// library has no symbols, and twenty of them would hide the error above.
func isFrame(line string) bool {
	number, rest, found := strings.Cut(line, ". ")
	_, err := strconv.Atoi(number)
	return found && err == nil && strings.Contains(rest, " @ 0x")
}

// tail returns the last lines in one.
func (l *lineLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.last
	if len(l.partial) > 0 {
		lines = append(slices.Clip(lines), strings.ToValidUTF8(oneLine(string(l.partial)), "?"))
	}
	if len(lines) == 0 {
		return "no output"
	}
	return strings.Join(lines, " | ")
}
