package agent

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/ending"
	"github.com/podflame/podflame/sidecar/internal/safefile"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// jvm is what a worker sees of its JVM and does in it.
type jvm interface {
	Alive() bool
	// Look gathers evidence; see session.Looker.
	Look(ctx context.Context, known session.Known, ask bool) (session.View, error)
	Run(ctx context.Context, library string, cmd asprof.Command) (asprof.Result, error)
	// Open opens the very recording that the JVM writes, whatever lies under
	// its name today.
	Open(seen target.Recording) (*os.File, error)
	// As runs fn as the JVM's user.
	As(fn func() error) error
	Root() string // directory that is / to the JVM
	CPUTime() (time.Duration, error)
	// Ending tells how the JVM has ended, with its last recording in that state and
	// the profiler's library loaded.
	Ending(r ending.Recording, library string) ending.Ending
	Forget() // what is remembered of it between commands, and held open
}

// process is a JVM of this host.
type process struct {
	target.Process
	dir      session.Dir
	procs    *target.Finder
	looker   *session.Looker
	profiler *asprof.Client
	watch    *ending.Watch
}

// now is the process with its start by the clock as it is set now: files and other
// processes know no other one.
func (p process) now() target.Process {
	p.Start = p.procs.StartAt(p.StartTicks)
	return p.Process
}

// Alive is asked every second.
func (p process) Alive() bool {
	if runs, known := p.watch.Runs(); known {
		return runs
	}
	return p.procs.Alive(p.Process)
}

func (p process) Look(ctx context.Context, known session.Known, ask bool) (session.View, error) {
	return p.looker.Look(ctx, p.now(), p.dir, known, ask)
}

func (p process) Run(ctx context.Context, library string, cmd asprof.Command) (asprof.Result, error) {
	return p.profiler.Run(ctx, p.now(), library, cmd)
}

func (p process) Open(seen target.Recording) (f *os.File, err error) {
	err = p.As(func() error {
		f, err = safefile.OpenLinkWritable(p.procs.Path(p.PID, "fd", fmt.Sprint(seen.FD)))
		return err
	})
	return f, err
}

func (p process) As(fn func() error) error { return p.procs.As(p.Identity, fn) }

func (p process) Root() string { return p.procs.Path(p.PID, "root") }

func (p process) CPUTime() (time.Duration, error) { return p.procs.CPUTime(p.PID) }

func (p process) Ending(r ending.Recording, library string) ending.Ending {
	return p.watch.End(p.now().Start, r, library)
}

func (p process) Forget() {
	p.profiler.Forget(p.Process)
	p.watch.Close()
}
