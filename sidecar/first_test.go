package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

// TestFirstProcess runs what a container runs: without arguments, with settings
// from the environment. The sidecar proper is killed; the container's process
// stays, and the session goes on.
func TestFirstProcess(t *testing.T) {
	t.Parallel()
	container := "app-" + strconv.Itoa(os.Getpid())
	j := jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}, Env: []string{contract.EnvContainer + "=" + container}})
	s := newSidecar(t, j)
	recordings := filepath.Join(s.shared, "recordings")
	if err := os.MkdirAll(filepath.Join(recordings, container), 0o777); err != nil {
		t.Fatal(err)
	}
	s.command = []string{}
	s.environment = []string{
		contract.EnvRecordings + "=" + recordings, contract.EnvLibraryDir + "=" + filepath.Join(s.shared, "library"),
		contract.EnvState + "=" + s.state, contract.EnvContainers + "=" + container, contract.EnvNativeSidecar + "=true",
		contract.EnvWindow + "=5s", "PODFLAME_START_DELAY=0s", "PODFLAME_SCAN_INTERVAL=200ms", "PODFLAME_EXIT_GRACE=1m",
		"PODFLAME_LIBRARY=" + jvmtest.Library(t),
	}
	s.start()
	s.awaitWindows(1)
	proper := childThatRuns(s.cmd.Process.Pid, "run")
	if proper == 0 {
		t.Fatal("the first process has no sidecar")
	}
	if os.Geteuid() != 0 { // the files of a process that cannot be traced belong to root
		for _, pid := range []int{s.cmd.Process.Pid, proper} {
			info, err := os.Stat(fmt.Sprintf("/proc/%d/mem", pid))
			if st, ok := info.Sys().(*syscall.Stat_t); err != nil || !ok || st.Uid != 0 {
				t.Errorf("process %d can be traced by its user: %v", pid, err)
			}
		}
	}
	if err := syscall.Kill(proper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.awaitWindows(len(s.profiled()) + 2)
	s.checkOneSession()
	s.signal(syscall.SIGTERM)
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d: %s", code, s.log)
	}
	if open := openRecordings(t, j.PID); len(open) != 0 {
		t.Errorf("a session is left that writes %v", open)
	}
	j.CheckUntouched(t)
}

// childrenOf asks every thread of a process: each lists only what it forked.
func childrenOf(pid int) (children []string) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		children = append(children, strings.Fields(string(text))...)
	}
	return children
}
