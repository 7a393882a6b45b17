package stack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopPatience is how long a process may take to end by itself before it is
// killed.
const stopPatience = 30 * time.Second

// Process is a program in a process group of its own, so that Ctrl-C reaches
// only us and we stop everything in order.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when the process has been reaped
}

// Start runs a program; its output is appended to the file log.
func Start(program string, args []string, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", program, err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(program, args...) //nolint:noctx // ends by Stop, in order, not by a context
	cmd.Stdout, cmd.Stderr = out, out
	return start(cmd, log)
}

func start(cmd *exec.Cmd, log string) (*Process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w (has make build been run?)", cmd.Path, err)
	}
	p := &Process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Name is the program's name.
func (p *Process) Name() string { return filepath.Base(p.cmd.Path) }

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited reports whether the process has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode is the exit status of an ended process; -1 after a signal.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// LogTail returns the end of the process's output.
func (p *Process) LogTail() string { return tail(p.log, 4<<10) }

// Stop asks the process to end, waits, and kills what is left of its group.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopPatience):
	}
	p.Kill()
}

// Kill ends the process and its group at once, as a crash would.
func (p *Process) Kill() {
	if err := syscall.Kill(-p.PID(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		_ = p.cmd.Process.Kill()
	}
	<-p.done
}
