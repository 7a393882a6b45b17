package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/podflame/podflame/backend/profile"
)

// Pauses are the targets that sidecars must not profile, as an operator wrote
// them into a file, which is read again when it changes. Each line is
//
//	CLUSTER/NAMESPACE/SERVICE  why
//
// where "*" stands for all. Empty lines and those that begin with "#" are left
// out. A file that is not there pauses nothing: it may be that of an optional
// ConfigMap, made when it is needed and deleted to lift the pauses.
type Pauses struct {
	path string

	mu      sync.Mutex
	changed time.Time // of the file
	lines   []pauseLine
	err     error
}

type pauseLine struct {
	cluster, namespace, service string
	why                         string
}

// Bounds of the file.
const (
	maxPauseBytes = 64 << 10
	maxPauseWhy   = 200
)

// NewPauses reads the file; an empty path is that of no file. A file that is there
// and cannot be read is an error now, and later leaves what was read before.
func NewPauses(path string) (*Pauses, error) {
	p := &Pauses{path: path}
	return p, p.read()
}

// Why returns the reason for which none of a report's targets may be profiled;
// empty if they may. The targets of a report are of one pod.
func (p *Pauses) Why(r *profile.Report) (why string, err error) {
	if p == nil || p.path == "" || len(r.Targets) == 0 {
		return "", nil
	}
	err = p.read()
	p.mu.Lock()
	defer p.mu.Unlock()
	t := r.Targets[0].Identity
	for _, l := range p.lines {
		if matches(l.cluster, t.Cluster) && matches(l.namespace, t.Namespace) && matches(l.service, t.Service) {
			return l.why, err
		}
	}
	return "", err
}

func matches(pattern, name string) bool { return pattern == "*" || pattern == name }

func (p *Pauses) read() error {
	if p.path == "" {
		return nil
	}
	info, err := os.Stat(p.path)
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) {
		p.changed, p.lines, p.err = time.Time{}, nil, nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the file of pauses: %w", err)
	}
	if info.ModTime().Equal(p.changed) {
		return p.err
	}
	lines, err := readPauses(p.path)
	if p.changed, p.err = info.ModTime(), err; err == nil {
		p.lines = lines
	}
	return err
}

func readPauses(path string) ([]pauseLine, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the file of pauses: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPauseBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > maxPauseBytes {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxPauseBytes)
	}
	var lines []pauseLine
	scanner := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		which, why, _ := strings.Cut(line, " ")
		parts := strings.Split(which, "/")
		if len(parts) != 3 {
			return nil, fmt.Errorf("%s, line %d: %.60q is not CLUSTER/NAMESPACE/SERVICE and a reason", path, n, line)
		}
		if why = strings.TrimSpace(why); why == "" {
			why = which
		}
		lines = append(lines, pauseLine{parts[0], parts[1], parts[2], strings.ToValidUTF8(why[:min(len(why), maxPauseWhy)], "")})
	}
	return lines, scanner.Err()
}
