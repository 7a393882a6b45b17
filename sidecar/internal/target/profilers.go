package target

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Recording is a JFR file that a process has open.
type Recording struct {
	FD      int
	Path    string
	Deleted bool // removed from its directory, still written
}

// Profilers is the trace that profilers leave in a process.
type Profilers struct {
	Libraries  []Library   // profiler libraries; they stay mapped for ever, also when idle
	Threads    int         // async-profiler's own: one for each copy that records JFR
	Recordings []Recording // open *.jfr files, of async-profiler or of the JDK
	Incomplete bool        // the process has more open files than were looked at
}

// Profilers looks for profilers in a process, as the process's user. If expected
// is still open there, no other file is looked at: a process may have very many.
func (f *Finder) Profilers(p Process, expected Recording) (Profilers, error) {
	var found Profilers
	err := f.As(p.Identity, func() error {
		libraries, err := f.libraries(p.PID)
		if err != nil {
			return err
		}
		for _, l := range libraries {
			if isProfiler(filepath.Base(l.Path)) {
				found.Libraries = append(found.Libraries, l)
			}
		}
		if len(found.Libraries) == 0 {
			return nil
		}
		if found.Threads, err = f.profilerThreads(p.PID); err != nil {
			return err
		}
		if r, ok := f.recording(p.PID, strconv.Itoa(expected.FD)); ok && r.Path == expected.Path {
			found.Recordings = []Recording{r}
			return nil
		}
		found.Recordings, found.Incomplete, err = f.recordings(p.PID)
		return err
	})
	return found, err
}

// isProfiler knows the names under which async-profiler and its descendants are
// unpacked: libasyncProfiler-linux-x64-HASH.so, profilerNUMBER.so,
// libjavaProfiler.so.
func isProfiler(base string) bool {
	if !strings.Contains(base, ".so") {
		return false
	}
	for _, prefix := range []string{"libasyncProfiler", "libjavaProfiler", "profiler"} {
		if strings.HasPrefix(base, prefix) {
			return true
		}
	}
	return false
}

// profilerThread is "Async-profiler Timer" as far as the kernel keeps it.
const profilerThread = "Async-profiler"

func (f *Finder) profilerThreads(pid int) (int, error) { return f.countThreads(pid, profilerThread) }

// countThreads counts the threads whose name begins so.
func (f *Finder) countThreads(pid int, prefix string) (int, error) {
	names, err := list(f.Path(pid, "task"), maxThreads)
	if err != nil {
		return 0, fmt.Errorf("list threads of process %d: %w", pid, err)
	}
	n := 0
	for _, tid := range names {
		comm, err := os.ReadFile(f.Path(pid, "task", tid, "comm"))
		if err == nil && strings.HasPrefix(string(comm), prefix) {
			n++
		}
	}
	return n, nil
}

func (f *Finder) recordings(pid int) (found []Recording, incomplete bool, err error) {
	dir, err := os.Open(f.Path(pid, "fd"))
	if err != nil {
		return nil, false, fmt.Errorf("list open files of process %d: %w", pid, err)
	}
	defer dir.Close()
	for looked := 0; looked < maxOpenFiles; {
		names, err := dir.Readdirnames(filesAtATime)
		if errors.Is(err, io.EOF) {
			return found, false, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("list open files of process %d: %w", pid, err)
		}
		looked += len(names)
		for _, name := range names {
			if r, ok := f.recording(pid, name); ok {
				found = append(found, r)
			}
		}
	}
	return found, true, nil
}

// recording reads one link of the open files of a process; false if it is no
// recording, or is closed.
func (f *Finder) recording(pid int, name string) (Recording, bool) {
	link, err := os.Readlink(f.Path(pid, "fd", name))
	if err != nil {
		return Recording{}, false
	}
	path, deleted := strings.CutSuffix(link, " (deleted)")
	fd, err := strconv.Atoi(name)
	return Recording{FD: fd, Path: path, Deleted: deleted}, err == nil && strings.HasSuffix(path, ".jfr")
}

// list returns at most limit names of a directory.
func list(dir string, limit int) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(limit)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return names, nil
}
