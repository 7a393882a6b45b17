package target

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/runas"
	"github.com/podflame/podflame/sidecar/internal/safefile"
	"github.com/prometheus/procfs"
)

// ErrNotJVM is returned for a process that is no JVM.
var ErrNotJVM = errors.New("no JVM")

// Process looks at one process. The error wraps ErrNotJVM if it is none.
func (f *Finder) Process(pid int) (Process, error) {
	proc, err := f.fs.Proc(pid)
	if err != nil {
		return Process{}, fmt.Errorf("find process %d: %w", pid, err)
	}
	stat, err := proc.Stat()
	if err != nil {
		return Process{}, fmt.Errorf("read stat of process %d: %w", pid, err)
	}
	status, err := proc.NewStatus()
	if err != nil {
		return Process{}, fmt.Errorf("read status of process %d: %w", pid, err)
	}
	p := Process{
		PID: pid, NSPID: pid, StartTicks: stat.Starttime,
		Start:    f.StartAt(stat.Starttime),
		Identity: runas.Identity{UID: int(status.UIDs[1]), GID: int(status.GIDs[1])},
	}
	if n := len(status.NSpids); n > 0 {
		p.NSPID = int(status.NSpids[n-1])
	}
	args, _ := proc.CmdLine()
	p.MainClass = Clip(mainClass(args))
	err = f.As(p.Identity, func() error { return f.inspect(&p, proc, args) })
	if isDenied(err) && f.seemsJava(pid, args) {
		p.Kind = Unreadable
		p.Reason, p.Detail = f.Denied(p)
		err = nil
	}
	if err == nil && p.Container == "" {
		p.Container = f.mountedContainer(pid) // which needs no rights
	}
	return p, err
}

// As runs fn as the user of a process where that is possible, else as we are:
// the same user, or a capability, may be enough.
func (f *Finder) As(id runas.Identity, fn func() error) error {
	if err := runas.Do(id, fn); !errors.Is(err, runas.ErrCannotSwitch) {
		return err
	}
	return fn()
}

// inspect reads what only the process's own user may.
func (f *Finder) inspect(p *Process, proc procfs.Proc, args []string) error {
	libraries, err := f.libraries(p.PID)
	if err != nil {
		return err
	}
	p.Kind = kindOf(libraries)
	if p.Kind == "" && f.isNativeImage(p.PID) {
		p.Kind = NativeImage
	}
	environ, _ := proc.Environ()
	p.Container = Clip(lookup(environ, contract.EnvContainer))
	switch p.Kind {
	case HotSpot:
		p.Version = f.version(p.PID, libraries)
		if f.attachOptions(p.PID, args, environ, true).AttachDisabled {
			p.Reason = profile.AttachDisabled
		}
	case OpenJ9:
		p.Reason = profile.OpenJ9
	case NativeImage:
		p.Reason = profile.NativeImage
	default:
		return fmt.Errorf("process %d: %w", p.PID, ErrNotJVM)
	}
	return nil
}

func kindOf(libraries []Library) Kind {
	kind := Kind("")
	for _, l := range libraries {
		switch base := filepath.Base(l.Path); {
		case strings.HasPrefix(base, "libj9vm"):
			return OpenJ9
		case base == "libjvm.so":
			kind = HotSpot
		}
	}
	return kind
}

// isNativeImage looks for the heap section that every GraalVM native image has.
func (f *Finder) isNativeImage(pid int) bool {
	file, err := safefile.OpenLink(f.Path(pid, "exe"))
	if err != nil {
		return false
	}
	defer file.Close()
	magic := make([]byte, len(elf.ELFMAG))
	if _, err := file.ReadAt(magic, 0); err != nil || !bytes.Equal(magic, []byte(elf.ELFMAG)) {
		return false
	}
	program, err := elf.NewFile(file)
	return err == nil && program.Section(".svm_heap") != nil
}

// Clip bounds a name that the application chose and drops what is not printable.
func Clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}

func lookup(environ []string, name string) string {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}
