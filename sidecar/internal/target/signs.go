package target

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Signs are what a process shows of how it would take SIGQUIT. HotSpot takes it
// as a request to attach, or prints a thread dump, or dies of it; a program that
// has only loaded libjvm.so may take it for anything.
type Signs struct {
	Signals
	Threads  JVMThreads
	PerfData PerfData
	HasPerf  bool // PerfData was read
	Options  Options
	Launched bool // by the java command, which leaves SIGQUIT to the JVM
}

// JVMThreads are threads of HotSpot, by the names that it gives them since
// JDK 9.
type JVMThreads struct {
	VM         bool // "VM Thread": the threads of this JVM have names
	Dispatcher bool // "Signal Dispatcher": the JVM handles SIGQUIT
	Listener   bool // "Attach Listener": the attach socket exists, or is about to
	Late       bool // "Service Thread": a stale attach socket has been cleared away
}

// Signs looks at a process, as its user.
func (f *Finder) Signs(p Process) (Signs, error) {
	var s Signs
	err := f.As(p.Identity, func() (err error) {
		s, err = f.signs(p)
		return err
	})
	return s, err
}

func (f *Finder) signs(p Process) (s Signs, err error) {
	if s.Signals, err = f.Signals(p.PID); err != nil {
		return s, err
	}
	if s.Threads, err = f.jvmThreads(p.PID, maxThreads); err != nil {
		return s, err
	}
	mapped, err := f.mapped(p.PID)
	if err != nil {
		return s, err
	}
	s.Launched = launchedByJava(mapped)
	perf, err := f.perfData(p, mapped)
	s.PerfData, s.HasPerf = perf, err == nil
	proc, err := f.fs.Proc(p.PID)
	if err != nil {
		return s, fmt.Errorf("find process %d: %w", p.PID, err)
	}
	args, unreadArgs := proc.CmdLine()
	environ, unreadEnviron := proc.Environ()
	if unreadArgs == nil && unreadEnviron == nil && strings.Join(args, "") != "" {
		s.Options = f.attachOptions(p.PID, args, environ, s.Launched)
	} else {
		s.Options.Unread = "its command line or environment"
	}
	return s, nil
}

// launchedByJava looks for the library of the java command and of those made by
// jpackage and jlink.
func launchedByJava(mapped []string) bool {
	return slices.ContainsFunc(mapped, func(path string) bool {
		return filepath.Base(strings.TrimSuffix(path, " (deleted)")) == "libjli.so"
	})
}

// jvmThreads reads the names of at most limit threads, which everybody may.
func (f *Finder) jvmThreads(pid, limit int) (JVMThreads, error) {
	var t JVMThreads
	names, err := list(f.Path(pid, "task"), limit)
	if err != nil {
		return t, fmt.Errorf("list threads of process %d: %w", pid, err)
	}
	for _, tid := range names {
		comm, _ := os.ReadFile(f.Path(pid, "task", tid, "comm")) // ended in the meantime
		switch strings.TrimSuffix(string(comm), "\n") {
		case "VM Thread":
			t.VM = true
		case "Signal Dispatch": // the kernel keeps 15 characters
			t.Dispatcher = true
		case "Attach Listener":
			t.Listener = true
		case "Service Thread":
			t.Late = true
		}
	}
	return t, nil
}
