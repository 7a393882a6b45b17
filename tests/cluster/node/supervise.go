package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// listenerFD is where the supervisor and pid 1 find the listener that leads to
// the API server.
const listenerFD = 3

// Supervise runs the node of a folder until its standard input ends or a signal
// comes, then removes every trace of it. When the starter has died, so that
// nobody else will, the folder goes too.
func Supervise(directory string) (err error) {
	// Pid 1 gets the parent-death signal when this thread ends.
	runtime.LockOSThread()
	group, err := newCgroup(os.Getpid())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, group.remove()) }()
	initProcess, err := startInit(directory)
	if err != nil {
		return err
	}
	stop := make(chan string, 2)
	go awaitStarter(stop)
	go awaitSignal(stop)
	var endErr error
	ended := make(chan struct{})
	go func() {
		endErr = initProcess.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return fmt.Errorf("the node ended by itself: %w", endErr)
	case reason := <-stop:
		killErr := initProcess.Process.Kill()
		<-ended // all processes of the namespace are gone
		if reason == starterGone {
			return errors.Join(killErr, os.RemoveAll(directory))
		}
		return errors.Join(killErr, os.RemoveAll(filepath.Join(directory, stateFolder)))
	}
}

const starterGone = "the starter is gone"

func awaitStarter(stop chan<- string) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop <- starterGone
}

func awaitSignal(stop chan<- string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	stop <- (<-signals).String()
}

// startInit starts this program again, as pid 1 of new namespaces.
func startInit(directory string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	command := exec.Command(program, "init", directory, CgroupOf(os.Getpid()))
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.ExtraFiles = []*os.File{os.NewFile(listenerFD, "listener")}
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true,
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("make the namespaces of the node (needs root with CAP_SYS_ADMIN): %w", err)
	}
	pid := strconv.Itoa(command.Process.Pid)
	if err := os.WriteFile(filepath.Join(directory, PIDFile), []byte(pid), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write the process id of the node: %w", err), command.Process.Kill())
	}
	return command, nil
}

// PIDFile holds the process id, as the host sees it, of the node's pid 1.
const PIDFile = "init.pid"
