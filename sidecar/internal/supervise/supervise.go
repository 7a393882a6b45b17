// Package supervise is the first process of the sidecar's container. The
// container stays up, and with it the pod's readiness, whatever happens to the
// sidecar proper, which is its child: when that ends unasked, it is started
// again, later each time.
//
// On a machine with cgroup v2 the kubelet lets the kernel kill all processes of
// a container together when its memory is full. So the first process ends a
// child that grows before that happens.
package supervise

import (
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options say what is kept at work. Begin with Defaults.
type Options struct {
	Program  string
	Args     []string      // behind the program's name
	MinWait  time.Duration // until the first restart
	MaxWait  time.Duration // until any later one
	Settled  time.Duration // a child that has run this long was healthy: the next wait is MinWait again
	Interval time.Duration // between two looks at the memory
	Budget   Budget
	Log      *slog.Logger
}

// Defaults are those of a pod.
func Defaults() Options {
	return Options{
		MinWait: time.Second, MaxWait: 10 * time.Second, Settled: time.Minute, Interval: time.Second,
		Budget: Budget{CGroup: "/sys/fs/cgroup", Percent: 90},
	}
}

// heapGrowth is by how many percent the heap of this process may grow until its garbage
// is collected. Half a megabyte lives in it, and two small files a second are all that
// it reads. A limit in bytes would have to be above what Go's runtime takes by itself:
// below, the garbage of every look is collected.
const heapGrowth = 50

// Run keeps the program at work until it ends by itself with status 0, or until
// this process is told to end, and returns the exit status. Signals are passed
// on.
func Run(o Options) int {
	boundGarbage()
	runtime.LockOSThread() // the kernel ties the death of the parent to its thread
	// Grandchildren whose parent dies are reaped here, and not by the pod's.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGCHLD)
	defer signal.Stop(signals)
	s := &supervisor{Options: o, wait: o.MinWait}
	return s.run(signals)
}

func boundGarbage() { debug.SetGCPercent(heapGrowth) }

type supervisor struct {
	Options
	child    int // pid; 0 while none runs
	started  time.Time
	wait     time.Duration // until the next restart
	stopping bool          // we were told to end
	status   int
	done     bool
}

func (s *supervisor) run(signals <-chan os.Signal) int {
	look := time.NewTicker(s.Interval)
	defer look.Stop()
	restart := time.NewTimer(0)
	defer restart.Stop()
	for !s.done {
		select {
		case <-restart.C:
			if s.start(); s.child == 0 {
				restart.Reset(s.backOff())
			}
		case sig := <-signals:
			if s.handle(sig) {
				restart.Reset(s.backOff())
			}
		case <-look.C:
			s.checkMemory()
		}
	}
	return s.status
}

// start starts the child. It dies with this process.
func (s *supervisor) start() {
	p, err := os.StartProcess(s.Program, append([]string{s.Program}, s.Args...), &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		s.Log.Error("the sidecar cannot be started", "error", err)
		return
	}
	s.child, s.started = p.Pid, time.Now()
	_ = p.Release() // it is waited for by reap
}

// handle passes a signal on, and says whether the child has to be started again.
func (s *supervisor) handle(sig os.Signal) (restart bool) {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return false
	}
	if number == syscall.SIGCHLD {
		return s.reap()
	}
	if number == syscall.SIGTERM || number == syscall.SIGINT {
		s.stopping = true
	}
	if s.child != 0 {
		_ = syscall.Kill(s.child, number)
		return false
	}
	s.done = s.stopping
	return false
}

// reap waits for every child that has ended.
func (s *supervisor) reap() (restart bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return restart
		}
		if pid == s.child {
			s.child = 0
			restart = s.ended(status)
		}
	}
}

// ended decides what follows from the end of the child.
func (s *supervisor) ended(status syscall.WaitStatus) (restart bool) {
	if s.stopping || status.Exited() && status.ExitStatus() == 0 {
		s.status, s.done = exitStatus(status), true
		return false
	}
	ran := time.Since(s.started)
	s.ran(ran)
	s.Log.Error("the sidecar has ended and is started again; its sessions go on meanwhile",
		"status", exitStatus(status), "ran", ran.Round(time.Second), "again_in", s.wait)
	return true
}

// ran begins the waits anew after a child that was healthy.
func (s *supervisor) ran(d time.Duration) {
	if d >= s.Settled {
		s.wait = s.MinWait
	}
}

// exitStatus is that of a shell.
func exitStatus(status syscall.WaitStatus) int {
	if status.Signaled() {
		const bySignal = 128
		return bySignal + int(status.Signal())
	}
	return status.ExitStatus()
}

// backOff is the wait until the next start, which doubles.
func (s *supervisor) backOff() time.Duration {
	wait := s.wait
	s.wait = min(2*s.wait, s.MaxWait)
	return wait
}

// checkMemory ends a child before the kernel ends all.
func (s *supervisor) checkMemory() {
	if s.child == 0 {
		return
	}
	used, limit, full := s.Budget.exceeded()
	if !full {
		return
	}
	victim := largest(s.child)
	s.Log.Error("the container's memory is almost full, so a process of the sidecar is ended",
		"used", used, "limit", limit, "pid", victim, "decoding", victim != s.child)
	_ = syscall.Kill(victim, syscall.SIGKILL)
}
