package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/runas"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
	"github.com/podflame/podflame/sidecar/internal/timeline"
)

// maxLeftovers bounds the directories of ended JVMs that one pass reads; the next
// pass reads the rest.
const maxLeftovers = 64

// recovery reads the recordings of JVMs that have ended, in passes of which one
// runs at a time: of those that ended while no sidecar was there, and of those
// whose worker could not read them to the end when it finished.
type recovery struct {
	agent *Agent
	busy  atomic.Bool
	due   time.Duration     // Clock.Elapsed of the next pass
	told  map[string]string // by process.Key: why it was not read, as the log says
}

// pass begins a pass if one is due. It leaves JVMs alone for which a worker runs.
func (r *recovery) pass(ctx context.Context, workers *sync.WaitGroup, running map[string]bool) {
	now := r.agent.clock.Elapsed()
	if r.busy.Load() || now < r.due {
		return
	}
	r.due = now + r.agent.config.Limits.RetryInterval
	left := r.agent.leftovers(running)
	if len(left) == 0 {
		return
	}
	r.busy.Store(true)
	workers.Go(func() {
		defer r.busy.Store(false)
		r.read(ctx, left)
	})
}

// unread says whether recordings are left that a pass may read yet.
func (r *recovery) unread(running map[string]bool) bool {
	return r.busy.Load() || len(r.agent.leftovers(running)) > 0
}

// hurry makes the next pass due.
func (r *recovery) hurry() { r.due = 0 }

func (r *recovery) read(ctx context.Context, left []leftover) {
	told := map[string]string{}
	for _, l := range left {
		if ctx.Err() != nil {
			return
		}
		key := l.process.Key()
		err := r.agent.recoverLeftover(ctx, l)
		switch {
		case err == nil || ctx.Err() != nil:
			continue
		case r.told[key] != err.Error():
			r.agent.log.Warn("leftover recordings were not read yet", "directory", key, "retry", r.agent.config.Limits.RetryInterval, "error", err)
		}
		told[key] = err.Error()
	}
	r.told = told
}

// leftover is a JVM that has ended and whose directory is there.
type leftover struct {
	process target.Process
	volume  string
}

func (a *Agent) leftovers(running map[string]bool) (left []leftover) {
	for _, volume := range a.config.Volumes {
		entries, err := os.ReadDir(volume)
		if err != nil {
			a.log.Error("leftover recordings cannot be looked for", "error", err)
			continue
		}
		for _, entry := range entries[:min(len(entries), 16*maxLeftovers)] {
			p, ok := endedProcess(volume, entry.Name())
			if !ok || running[p.Key()] || a.procs.Alive(p) {
				continue
			}
			p.Start = a.procs.StartAt(p.StartTicks)
			if left = append(left, leftover{p, volume}); len(left) == maxLeftovers {
				return left
			}
		}
	}
	return left
}

// endedProcess reconstructs a process from the name and the owner of its
// directory.
func endedProcess(volume, name string) (target.Process, bool) {
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
	info, err := os.Lstat(filepath.Join(volume, name))
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

func (a *Agent) recoverLeftover(ctx context.Context, l leftover) error {
	key := l.process.Key()
	known := a.board.get(key).Target.PID != 0
	w := newWorker(a, l.process, l.volume)
	defer w.close()
	if !known { // else it is shown as ended for a while
		defer a.board.forget(key)
	}
	if err := w.readLeft(ctx); err != nil {
		return fmt.Errorf("read recordings of ended JVM %s: %w", key, err)
	}
	w.log.Info("recordings of an ended JVM were read", "reason", profile.JVMExited)
	return nil
}

// readLeft reads what a JVM has left for which no worker runs any more. What
// cannot be read now stays.
func (w *worker) readLeft(ctx context.Context) error {
	if err := w.jvm.As(w.takeLock); err != nil {
		return err
	}
	w.restore()
	w.describe(w.marker.Target)
	_ = w.marker.Apply(session.Gone, "")
	w.line.Mark(w.line.Start(), timeline.Recording) // up to where the recordings say
	if err := w.collect(ctx, w.clock.Now()); err != nil {
		return errors.Join(err, w.save())
	}
	w.cleanUp()
	w.journal.forget(w.p)
	return nil
}

// describe completes the target by what the marker says. It comes from a
// volume that the application writes, so it names no more than the application
// could name by its own command line.
func (w *worker) describe(t session.Target) {
	if !t.JVMStart.IsZero() {
		w.target.JVMStart = t.JVMStart
	}
	w.target.JVMVersion, w.target.MainClass = target.Clip(t.JVMVersion), target.Clip(t.MainClass)
	if t.Container != "" {
		w.target.Container = target.Clip(t.Container)
	}
	if w.config.Target.Service == "" {
		w.target.Service = serviceName(w.target.MainClass)
	}
}
