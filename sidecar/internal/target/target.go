// Package target finds the JVMs of a pod, or of a host, through procfs and says
// of each what it is, whether it can be profiled and which profilers are in it.
//
// It only reads. What needs the rights of the process (its maps, environment,
// open files) is read as the process's own user. Everything that is read is
// bounded, because the application decides its content.
package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/runas"
	"github.com/prometheus/procfs"
)

// Kind is what a process is.
type Kind string

// The kinds. Processes that are none of these are not reported.
const (
	HotSpot     Kind = "hotspot"
	OpenJ9      Kind = "openj9"
	NativeImage Kind = "native_image"
	Unreadable  Kind = "unreadable" // seems to be a JVM, but we may not look into it
)

// Limits of what is read.
const (
	maxProcesses = 8192     // looked at in one scan
	maxMapsBytes = 16 << 20 // of /proc/PID/maps
	maxOpenFiles = 1 << 20  // links of /proc/PID/fd; the kernel's default limit of one process
	filesAtATime = 4096
	maxThreads   = 65536 // of /proc/PID/task
	maxText      = 256   // bytes of a class, container or version name that are kept
	clockTicks   = 100   // per second, the kernel's USER_HZ on every platform
)

// Process is one JVM, or what looks like one.
type Process struct {
	PID        int            // as this sidecar sees it
	NSPID      int            // in the process's own pid namespace
	StartTicks uint64         // since boot; with PID the identity of the process
	Start      time.Time      // millisecond precision; moves when the clock is set
	Identity   runas.Identity // effective user and group
	Kind       Kind
	Container  string // from the environment, or from the kubelet's mounts where nothing is injected; empty outside of pods
	MainClass  string // class, module or jar
	Version    string // of the JDK, empty if unknown

	// Reason says why this process can never be profiled; empty if it can.
	Reason profile.Reason
	Detail string
}

// Key names the process uniquely on this host until it reboots.
func (p Process) Key() string {
	return strconv.Itoa(p.PID) + "-" + strconv.FormatUint(p.StartTicks, 10)
}

// Finder reads one procfs.
type Finder struct {
	root string
	fs   procfs.FS
	boot bootTime
	seen map[string]sight // by cacheKey

	kubeletFile *regexp.Regexp
}

// sight is what a process was when it was looked into, and for how many scans that
// is believed.
type sight struct {
	process Process
	isJVM   bool
	scans   int
}

// Scans until a process is looked into again: a launcher may load libjvm.so late.
// What a scan shows of a JVM does not change while it runs; to read it takes a
// millisecond, most of it for its mapped files.
const (
	scansToSkip  = 5
	scansToTrust = 12
)

// NewFinder reads the procfs mounted at root. A Finder is not safe for
// concurrent use of Find; its other methods are.
func NewFinder(root string) (*Finder, error) {
	fs, err := procfs.NewFS(root)
	if err != nil {
		return nil, fmt.Errorf("open procfs %s: %w", root, err)
	}
	stat, err := fs.Stat()
	if err != nil {
		return nil, fmt.Errorf("read boot time from %s/stat: %w", root, err)
	}
	boot := newBootTime(time.Unix(int64(stat.BootTime), 0), wallAtBoot)
	return &Finder{root: root, fs: fs, boot: boot, seen: map[string]sight{}, kubeletFile: newKubeletFile()}, nil
}

// StartAt is when a process started that many ticks after boot, by the clock as it
// is set now.
func (f *Finder) StartAt(ticks uint64) time.Time {
	return f.boot.now().Add(time.Duration(ticks) * time.Second / clockTicks)
}

// Find returns the JVMs, ordered by pid. A process that ends while it is looked
// at is left out.
func (f *Finder) Find(ctx context.Context) ([]Process, error) {
	pids, err := f.pids()
	if err != nil {
		return nil, err
	}
	var found []Process
	seen := map[string]sight{}
	for _, pid := range pids {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		key, err := f.cacheKey(pid)
		if err != nil {
			continue
		}
		now, ok := f.sight(pid, f.seen[key])
		if !ok {
			continue
		}
		seen[key] = now
		if now.isJVM {
			found = append(found, now.process)
		}
	}
	f.seen = seen
	return found, nil
}

// sight looks into a process unless what was seen before is still believed. False
// means that it has ended, or that nothing can be said of it. What keeps us from
// looking into a process may change at any time.
func (f *Finder) sight(pid int, before sight) (sight, bool) {
	if before.scans > 0 {
		before.scans--
		before.process.Start = f.StartAt(before.process.StartTicks)
		return before, true
	}
	p, err := f.Process(pid)
	switch {
	case errors.Is(err, ErrNotJVM):
		return sight{scans: scansToSkip}, true
	case err != nil:
		return sight{}, false
	case p.Kind == Unreadable:
		return sight{process: p, isJVM: true}, true
	}
	return sight{process: p, isJVM: true, scans: scansToTrust}, true
}

// cacheKey changes when a process is replaced or executes another program.
func (f *Finder) cacheKey(pid int) (string, error) {
	proc, err := f.fs.Proc(pid)
	if err != nil {
		return "", fmt.Errorf("find process %d: %w", pid, err)
	}
	stat, err := proc.Stat()
	if err != nil {
		return "", fmt.Errorf("read stat of process %d: %w", pid, err)
	}
	return fmt.Sprintf("%d-%d-%s", pid, stat.Starttime, stat.Comm), nil
}

func (f *Finder) pids() ([]int, error) {
	dir, err := os.Open(f.root)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes in %s: %w", f.root, err)
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids[:min(len(pids), maxProcesses)], nil
}

// Root is where the procfs is mounted.
func (f *Finder) Root() string { return f.root }

// Path returns a path below /proc/PID.
func (f *Finder) Path(pid int, elements ...string) string {
	return filepath.Join(append([]string{f.root, strconv.Itoa(pid)}, elements...)...)
}

// Alive says whether the process still runs: same start, no zombie.
func (f *Finder) Alive(p Process) bool {
	proc, err := f.fs.Proc(p.PID)
	if err != nil {
		return false
	}
	stat, err := proc.Stat()
	return err == nil && stat.Starttime == p.StartTicks && stat.State != "Z" && stat.State != "X"
}

// Others counts the processes besides this one, its parent (the first process of
// its container) and children, and the first of the pid namespace (in a pod that
// is the pause container).
func (f *Finder) Others() (int, error) {
	pids, err := f.pids()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, pid := range pids {
		proc, err := f.fs.Proc(pid)
		if err != nil {
			continue
		}
		stat, err := proc.Stat()
		if err == nil && pid != 1 && pid != os.Getpid() && pid != os.Getppid() && stat.PPID != os.Getpid() && stat.State != "Z" {
			n++
		}
	}
	return n, nil
}
