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

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/runas"
	"golang.org/x/sys/unix"
)

// maxThreadsSeen bounds the look at the threads of a process that we may not
// look into; those of HotSpot's own are among the first.
const maxThreadsSeen = 64

// seemsJava is a guess for processes that we may not look into: the command line
// and the names of threads are all that anybody may read.
func (f *Finder) seemsJava(pid int, args []string) bool {
	if len(args) > 0 && filepath.Base(args[0]) == "java" {
		return true
	}
	threads, err := f.jvmThreads(pid, maxThreadsSeen)
	return err == nil && threads.VM
}

// Denied says why we may not look into a process: AccessDenied, or the reason
// behind it where that can be told.
func (f *Finder) Denied(p Process) (profile.Reason, string) {
	id := p.Identity
	if id.UID != unix.Geteuid() && unix.Geteuid() != 0 {
		return profile.AccessDenied, fmt.Sprintf("it runs as %s, the sidecar as %s", id, runas.Self())
	}
	theirs, err := f.capabilities(strconv.Itoa(p.PID), "CapPrm")
	if err != nil {
		return profile.AccessDenied, err.Error()
	}
	ours := uint64(0) // a thread that has switched to another user has none
	if id == runas.Self() {
		if ours, err = f.capabilities("thread-self", "CapEff"); err != nil {
			return profile.AccessDenied, err.Error()
		}
	}
	if missing := theirs &^ ours; missing != 0 {
		return profile.CapabilitiesMissing, "capabilities " + capabilityNames(missing)
	}
	var st unix.Stat_t
	if err := unix.Stat(f.Path(p.PID), &st); err == nil && int(st.Uid) != id.UID {
		return profile.NotDumpable, fmt.Sprintf("/proc/%d belongs to uid %d, the process runs as %s", p.PID, st.Uid, id)
	}
	return profile.AccessDenied, ""
}

// capabilities reads one set of /proc/PROCESS/status.
func (f *Finder) capabilities(process, set string) (uint64, error) {
	path := filepath.Join(f.root, process, "status")
	file, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	defer file.Close()
	status, err := io.ReadAll(io.LimitReader(file, 64<<10))
	if err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, set+":"); ok {
			return strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		}
	}
	return 0, fmt.Errorf("no %s in %s", set, path)
}

// capabilityNames are those that the sets of containers are made of; others are
// named by their number.
func capabilityNames(set uint64) string {
	known := map[int]string{
		0: "CHOWN", 1: "DAC_OVERRIDE", 3: "FOWNER", 4: "FSETID", 5: "KILL", 6: "SETGID", 7: "SETUID", 8: "SETPCAP",
		10: "NET_BIND_SERVICE", 12: "NET_ADMIN", 13: "NET_RAW", 14: "IPC_LOCK", 18: "SYS_CHROOT", 19: "SYS_PTRACE",
		21: "SYS_ADMIN", 23: "SYS_NICE", 24: "SYS_RESOURCE", 25: "SYS_TIME", 27: "MKNOD", 29: "AUDIT_WRITE", 31: "SETFCAP",
		38: "PERFMON", 39: "BPF",
	}
	var names []string
	for bit := range 64 {
		if set&(1<<bit) == 0 {
			continue
		}
		if name := known[bit]; name != "" {
			names = append(names, name)
		} else {
			names = append(names, strconv.Itoa(bit))
		}
	}
	return strings.Join(names, ", ")
}

func isDenied(err error) bool { return errors.Is(err, fs.ErrPermission) }
