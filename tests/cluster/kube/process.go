package kube

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// stopGrace is how long a process may take after SIGTERM before SIGKILL.
const stopGrace = 10 * time.Second

// Process is a program of the test, in a process group of its own.
type Process struct {
	Name    string
	LogPath string

	command *exec.Cmd
	ended   chan struct{} // closed when the program has ended
	err     error         // how it ended; read after ended
}

// Launcher starts programs that die with this one, however it dies: each has
// the parent-death signal, which the kernel sends when the *thread* that
// started it ends. So all of them are started on one locked thread, and that
// thread lives until Close.
type Launcher struct {
	work chan func()
	done chan struct{}
}

// NewLauncher starts the launching thread.
func NewLauncher() *Launcher {
	l := &Launcher{work: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		defer close(l.done)
		for start := range l.work {
			start()
		}
	}()
	return l
}

// Close ends the launching thread, and with it whatever was not stopped.
func (l *Launcher) Close() {
	close(l.work)
	<-l.done
}

// Start runs a program whose output goes to LOGDIRECTORY/NAME.log (appended).
// A nil environment means this program's own.
func (l *Launcher) Start(name, logDirectory string, environment []string, program string, arguments ...string) (*Process, error) {
	command := exec.Command(program, arguments...)
	command.Env = environment
	return startProcess(name, logDirectory, command, func() error { return l.run(command) })
}

// run starts a command, which dies with the launching thread.
func (l *Launcher) run(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	l.work <- func() { started <- command.Start() }
	return <-started
}

func startProcess(name, logDirectory string, command *exec.Cmd, start func() error) (*Process, error) {
	logPath := filepath.Join(logDirectory, name+".log")
	output, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer output.Close()
	command.Stdout, command.Stderr = output, output
	if err := start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, LogPath: logPath, command: command, ended: make(chan struct{})}
	go func() {
		p.err = command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Stop asks the process group to end, then makes it; a process that ended
// before is no error.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopGrace):
		return errors.Join(fmt.Errorf("%s did not end within %s of SIGTERM; killed, log: %s", p.Name, stopGrace, p.LogPath), p.Kill())
	}
}

// Kill ends the process group at once, as a crash or a lost node would.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.ended
	return nil
}

// Signal sends a signal to the process group.
func (p *Process) Signal(signal syscall.Signal) error {
	err := syscall.Kill(-p.command.Process.Pid, signal)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to %s: %w", signal, p.Name, err)
	}
	return nil
}

// Ended is closed once the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Failure describes an ended program by its error and the end of its log.
func (p *Process) Failure() error {
	return fmt.Errorf("%s ended: %w; the end of its log:\n%s", p.Name, p.err, p.LogTail())
}

// LogTail is the last lines of the program's log.
func (p *Process) LogTail() string {
	content, err := os.ReadFile(p.LogPath)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-20):], []byte("\n")))
}
