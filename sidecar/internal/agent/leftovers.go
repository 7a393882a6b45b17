package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/runas"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// maxLeftovers bounds the directories of ended JVMs that one start reads.
const maxLeftovers = 64

// recoverLeftovers reads the recordings of JVMs that ended while no sidecar was
// there.
func (a *Agent) recoverLeftovers(ctx context.Context) {
	entries, err := os.ReadDir(a.config.Shared)
	if err != nil {
		a.log.Error("leftover recordings cannot be looked for", "error", err)
		return
	}
	for _, entry := range entries[:min(len(entries), 16*maxLeftovers)] {
		p, ok := endedProcess(a.config.Shared, entry.Name())
		if !ok || a.procs.Alive(p) || ctx.Err() != nil {
			continue
		}
		if err := a.recoverLeftover(ctx, p); err != nil {
			a.log.Warn("leftover recordings were not read", "directory", entry.Name(), "error", err)
		}
	}
}

// endedProcess reconstructs a process from the name and the owner of its
// directory.
func endedProcess(shared, name string) (target.Process, bool) {
	pid, ticks, ok := strings.Cut(name, "-")
	if !ok {
		return target.Process{}, false
	}
	var p target.Process
	var err error
	if p.PID, err = strconv.Atoi(pid); err != nil || p.PID <= 0 {
		return target.Process{}, false
	}
	if p.StartTicks, err = strconv.ParseUint(ticks, 10, 64); err != nil || p.Key() != name {
		return target.Process{}, false
	}
	info, err := os.Lstat(filepath.Join(shared, name))
	if err != nil || !info.IsDir() {
		return target.Process{}, false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return target.Process{}, false
	}
	p.Identity = runas.Identity{UID: int(owner.Uid), GID: int(owner.Gid)}
	return p, true
}

func (a *Agent) recoverLeftover(ctx context.Context, p target.Process) error {
	w := newWorker(a, p)
	defer w.close()
	defer a.forget(p.Key())
	err := w.as(func() (err error) {
		w.lock, err = w.dir.Lock()
		return err
	})
	if err != nil {
		return err
	}
	err = w.as(func() (err error) {
		w.marker, err = w.dir.ReadMarker(p.PID, p.StartTicks)
		return err
	})
	if err != nil {
		w.log.Info("directory of an ended JVM without a marker is removed", "directory", w.dir, "error", err)
		return w.as(w.dir.Remove)
	}
	w.describe(w.marker.Target)
	w.library = w.marker.Library
	if err := w.collect(ctx, time.Now(), nil); err != nil {
		return fmt.Errorf("read recordings of ended JVM %s: %w", p.Key(), err)
	}
	w.log.Info("recordings of an ended JVM were read", "reason", profile.JVMExited)
	w.cleanUp()
	return nil
}

// describe completes the target by what the marker says. It comes from a
// volume that the application writes, so it names no more than the application
// could name by its own command line.
func (w *worker) describe(t session.Target) {
	w.target.JVMStart, w.target.JVMVersion = t.JVMStart, target.Clip(t.JVMVersion)
	w.target.MainClass = target.Clip(t.MainClass)
	if t.Container != "" {
		w.target.Container = target.Clip(t.Container)
	}
	if w.config.Target.Service == "" {
		w.target.Service = serviceName(w.target.MainClass)
	}
}
