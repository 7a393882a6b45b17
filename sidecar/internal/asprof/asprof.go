// Package asprof speaks to async-profiler inside a HotSpot JVM: it attaches,
// loads the library and runs the profiler's commands.
//
// Attaching can harm a JVM, and each guard here stands for a way in which it
// does: a SIGQUIT before its handler is installed kills the JVM, and a program
// that has a handler of its own may do anything; without a
// trigger file it prints a thread dump to the application's output, as does a
// command without log=; a request with too few arguments blocks the JVM's only
// attach thread; overwriting a mapped library kills the JVM. So a signal is
// sent only where the JVM's own signs ask for one, and once, every command has its log in our directory and exactly
// three arguments, one client at a time talks to a JVM, and libraries are
// never overwritten.
package asprof

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/safefile"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// Limits of one command.
const (
	maxLogBytes   = 64 << 10
	maxReplyBytes = 64 << 10
)

// DefaultTimeout of a command. The first one loads the library, which walks all
// classes of the JVM and has been seen to take seconds on a busy host.
const DefaultTimeout = 30 * time.Second

// Error says why a command did not do its work.
type Error struct {
	Reason profile.Reason
	Op     string // the command, or the step of attaching
	PID    int
	Detail string // what the JVM or the profiler said; bounded
	Stage  Stage  // how far the command came
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s in process %d: %s", e.Op, e.PID, e.Reason)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Stage is how far a command came that failed.
type Stage int

// The stages.
const (
	Unsent   Stage = iota // the JVM has not seen it
	Sent                  // no answer came: the JVM may have carried it out, or may still do so
	Answered              // the JVM has carried it out and says that it failed
)

// StageOf returns the stage of an error of this package, or Unsent.
func StageOf(err error) Stage {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Stage
	}
	return Unsent
}

// ReasonOf returns the reason of an error of this package, or SidecarError.
func ReasonOf(err error) profile.Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return profile.SidecarError
}

// NotActive says whether a command failed because no session was running.
func NotActive(err error) bool {
	var e *Error
	return errors.As(err, &e) && strings.Contains(e.Detail, "Profiler is not active")
}

// Result is what a command that succeeded left behind.
type Result struct {
	Log  string        // what the profiler wrote
	Took time.Duration // from the request to the end of the reply
}

// Client runs commands. It is safe for concurrent use; commands to the same JVM
// run one after the other.
type Client struct {
	procs           *target.Finder
	timeout         time.Duration
	memory          Memory
	signalLaunchers bool

	mu   sync.Mutex
	jvms map[string]*jvm
}

// jvm is what the client remembers of a JVM between commands.
type jvm struct {
	busy    chan struct{} // holds one token while a command runs
	trigger trigger
}

// Options of a client.
type Options struct {
	Timeout time.Duration // of one command
	Memory  Memory        // nil: none beyond this process
	// SignalLaunchers allows SIGQUIT to JVMs that another program than the java
	// command has started; see RefuseSignal.
	SignalLaunchers bool
}

// NewClient returns a client.
func NewClient(procs *target.Finder, o Options) *Client {
	if o.Memory == nil {
		o.Memory = &Forgetful{}
	}
	return &Client{procs: procs, timeout: o.Timeout, memory: o.Memory, signalLaunchers: o.SignalLaunchers, jvms: map[string]*jvm{}}
}

// Run loads library (if the JVM has not loaded it yet) and runs a command. The
// error is an *Error unless ctx ended first.
func (c *Client) Run(ctx context.Context, p target.Process, library string, cmd Command) (Result, error) {
	if err := cmd.check(library); err != nil {
		return Result{}, c.fail(p, cmd, profile.SidecarError, "", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	j, release, err := c.acquire(ctx, p)
	if err != nil {
		return Result{}, c.fail(p, cmd, profile.AttachTimeout, "another command is still running", err)
	}
	defer release()
	if err := c.prepareLog(p, cmd); err != nil {
		return Result{}, c.fail(p, cmd, profile.SharedDirNotUsable, "", err)
	}
	start := time.Now()
	answer, err := c.request(ctx, p, j, "load", library, "true", cmd.String())
	took := time.Since(start)
	if err != nil {
		return Result{}, err
	}
	log := c.readLog(p, cmd)
	if reason, detail := answer.failure(log); reason != "" {
		return Result{Log: log, Took: took}, &Error{Reason: reason, Op: cmd.verb, PID: p.PID, Detail: detail, Stage: Answered}
	}
	return Result{Log: log, Took: took}, nil
}

func (c *Client) fail(p target.Process, cmd Command, r profile.Reason, detail string, err error) error {
	return &Error{Reason: r, Op: cmd.verb, PID: p.PID, Detail: detail, Err: err}
}

func (c *Client) acquire(ctx context.Context, p target.Process) (*jvm, func(), error) {
	c.mu.Lock()
	j := c.jvms[p.Key()]
	if j == nil {
		j = &jvm{busy: make(chan struct{}, 1)}
		c.jvms[p.Key()] = j
	}
	c.mu.Unlock()
	select {
	case j.busy <- struct{}{}:
		return j, func() { <-j.busy }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// Forget drops what is remembered of a JVM and removes its trigger file, unless
// a signal is still on its way: then the JVM would answer with a thread dump.
func (c *Client) Forget(p target.Process) {
	c.mu.Lock()
	j := c.jvms[p.Key()]
	delete(c.jvms, p.Key())
	c.mu.Unlock()
	if j == nil || j.trigger.dir == nil {
		return
	}
	if !c.memory.Signalled(p).IsZero() && c.procs.Alive(p) {
		_ = j.trigger.dir.Close() // whoever sees the answer removes it
		return
	}
	_ = c.procs.As(p.Identity, func() error { j.trigger.remove(); return nil })
}

// prepareLog makes sure that the profiler can open its log: where it cannot, it
// writes to the application's output, and a FIFO would block it.
func (c *Client) prepareLog(p target.Process, cmd Command) error {
	return c.procs.As(p.Identity, func() error {
		f, err := safefile.Create(cmd.log, 0o660)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Truncate(0)
	})
}

func (c *Client) readLog(p target.Process, cmd Command) string {
	var log []byte
	_ = c.procs.As(p.Identity, func() (err error) {
		log, err = safefile.Read(cmd.log, maxLogBytes)
		return err
	})
	return string(log)
}
