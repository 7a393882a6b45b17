package ending

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/podflame/podflame/sidecar/internal/safefile"
	"github.com/podflame/podflame/sidecar/internal/target"
	"golang.org/x/sys/unix"
)

// Watch holds open what tells the end of a JVM and can be reached through /proc
// only while it lives.
type Watch struct {
	pidfd   int  // -1 if the kernel gives none
	sure    bool // pidfd is of that very process, and not of one that has its pid now
	nspid   int
	dirs    []*os.File // working directory and /tmp, where HotSpot writes its fatal error log
	oom     *os.File   // counters of the control group; nil if not readable
	oomFrom int64
}

// Start watches a JVM, as its user. What cannot be opened is evidence that will
// be missing.
func Start(procs *target.Finder, p target.Process) *Watch {
	w := &Watch{pidfd: -1, nspid: p.NSPID}
	if fd, err := unix.PidfdOpen(p.PID, 0); err == nil {
		w.pidfd = fd
		w.sure = procs.Alive(p)
	}
	_ = procs.As(p.Identity, func() error {
		for _, dir := range []string{procs.Path(p.PID, "cwd"), procs.Path(p.PID, "root", "tmp")} {
			if fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
				w.dirs = append(w.dirs, os.NewFile(uintptr(fd), dir))
			}
		}
		w.openOOM(procs.Path(p.PID, "root"))
		return nil
	})
	return w
}

// openOOM opens the counters that the container sees of its own control group.
func (w *Watch) openOOM(root string) {
	for _, path := range []string{"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"} { // v2, v1
		f, err := safefile.Open(root + path) // the application may have put anything there
		if err != nil {
			continue
		}
		w.oom = f
		if n, ok := w.oomKills(); ok {
			w.oomFrom = n
			return
		}
		_ = f.Close()
		w.oom = nil
	}
}

// Runs says whether the JVM runs, which costs the kernel nothing to tell. It is not
// known where there is no pidfd.
func (w *Watch) Runs() (runs, known bool) {
	if w.pidfd < 0 || !w.sure {
		return false, false
	}
	ended := []unix.PollFd{{Fd: int32(w.pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(ended, 0)
	return n == 0, err == nil
}

const maxCounters = 4 << 10

func (w *Watch) oomKills() (int64, bool) {
	content, err := io.ReadAll(io.NewSectionReader(w.oom, 0, maxCounters))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			n, err := strconv.ParseInt(value, 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// End classifies the end of the JVM. since is when it was seen alive for the last
// time before the suspicion: an older fatal error log is that of another one.
// library is the profiler's, if it was loaded.
func (w *Watch) End(since time.Time, r Recording, library string) Ending {
	e := Evidence{Recording: r}
	e.Status, e.HasStatus = w.exitStatus()
	for _, dir := range w.dirs {
		if e.HsErr == nil {
			e.HsErr = readHsErr(dir, fmt.Sprintf("hs_err_pid%d.log", w.nspid), library, since)
		}
	}
	if w.oom != nil {
		if n, ok := w.oomKills(); ok {
			e.OOMKills = n - w.oomFrom
		}
	}
	return Classify(e)
}

// Close gives up what is held.
func (w *Watch) Close() {
	if w.pidfd >= 0 {
		_ = unix.Close(w.pidfd)
		w.pidfd = -1
	}
	for _, dir := range w.dirs {
		_ = dir.Close()
	}
	w.dirs = nil
	if w.oom != nil {
		_ = w.oom.Close()
		w.oom = nil
	}
}

const maxHsErr = 64 << 10 // of a log that can have megabytes: its head

func readHsErr(dir *os.File, name, library string, since time.Time) *HsErr {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.ModTime().Before(since) {
		return nil
	}
	content, err := io.ReadAll(io.LimitReader(file, maxHsErr))
	if err != nil {
		return nil
	}
	return parseHsErr(name, string(content), library)
}

// pidfdInfo is struct pidfd_info of the kernel, in its first version.
type pidfdInfo struct {
	mask, cgroup             uint64
	pid, tgid, ppid          uint32
	ruid, rgid, euid, egid   uint32
	suid, sgid, fsuid, fsgid uint32
	exitCode                 int32
}

const (
	pidfdGetInfo  = 0xC040FF0B // _IOWR(0xFF, 11, struct pidfd_info)
	pidfdInfoExit = 1 << 3
	reapedWithin  = 500 * time.Millisecond
)

// exitStatus asks the kernel, which knows it once the parent has fetched it
// (PIDFD_INFO_EXIT, Linux 6.15).
func (w *Watch) exitStatus() (unix.WaitStatus, bool) {
	if w.pidfd < 0 {
		return 0, false
	}
	for end := time.Now().Add(reapedWithin); ; time.Sleep(10 * time.Millisecond) {
		info := pidfdInfo{mask: pidfdInfoExit}
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(w.pidfd), pidfdGetInfo, uintptr(unsafe.Pointer(&info)))
		if errno == 0 && info.mask&pidfdInfoExit != 0 {
			return unix.WaitStatus(info.exitCode), true
		}
		if errno != 0 && !errors.Is(errno, unix.ESRCH) || time.Now().After(end) {
			return 0, false
		}
	}
}
