package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

// other is the user of the processes in this test.
func other() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12346}}
}

// TestNobodyOfItsUserTracesIt: a process of the sidecar's own user and group may
// read neither the memory, the environment nor the files of the first process
// and of its child, from their beginning on, as it may not read the program (its
// mode is that of the image). It may read those of an ordinary process, so the check
// can fail.
func TestNobodyOfItsUserTracesIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user; TestFirstProcess checks the owner of the files instead")
	}
	t.Parallel()
	dir := jvmtest.SharedDir(t)
	program := filepath.Join(dir, "sidecar")
	copyFile(t, os.Args[0], program)
	if err := os.Chmod(program, 0o711); err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(dir, "library.so")
	copyFile(t, jvmtest.Library(t), library)

	ordinary := startAs(t, exec.Command("sleep", "600"))
	if out, err := readAs(ordinary, "environ"); err != nil {
		t.Fatalf("an ordinary process cannot be read either: %v: %s", err, out)
	}
	first := exec.Command(program)
	first.Env = append(os.Environ(), asProgram+"=1", contract.EnvContainers+"=none-of-this-host", "PODFLAME_LIBRARY="+library,
		contract.EnvShared+"="+filepath.Join(dir, "shared"), contract.EnvState+"="+filepath.Join(dir, "state"), contract.EnvNativeSidecar+"=true")
	pid := startAs(t, first)
	var agent int
	jvmtest.Eventually(t, jvmtest.Patience, "the agent runs", func() bool { agent = childThatRuns(pid, "run"); return agent != 0 })
	for _, process := range []int{pid, agent} {
		if owner := ownerOf(process); owner != 0 {
			t.Errorf("process %d is dumpable: its files are of user %d", process, owner)
		}
		for _, file := range []string{"environ", "mem", "root/", "fd/"} {
			if out, err := readAs(process, file); err == nil || !strings.Contains(out, "Permission denied") {
				t.Errorf("process %d, %s: %v: %.200s", process, file, err, out)
			}
		}
	}
}

// childThatRuns is the child of a process that was started with a command of the
// program, 0 if there is none: a program's runtime has children for a moment, too.
func childThatRuns(pid int, command string) int {
	for _, child := range childrenOf(pid) {
		line, _ := os.ReadFile(filepath.Join("/proc", child, "cmdline"))
		if arguments := strings.Split(string(line), "\x00"); len(arguments) > 1 && arguments[1] == command {
			id, _ := strconv.Atoi(child)
			return id
		}
	}
	return 0
}

// startAs starts a command as the other user, and ends it with the test.
func startAs(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	cmd.SysProcAttr = other()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// readAs reads a file or lists a directory of a process as the other user.
func readAs(pid int, file string) (string, error) {
	path := fmt.Sprintf("/proc/%d/%s", pid, file)
	command := exec.Command("head", "-c", "16", path)
	if strings.HasSuffix(file, "/") {
		command = exec.Command("ls", path)
	}
	command.SysProcAttr = other()
	out, err := command.CombinedOutput()
	return string(out), err
}

// ownerOf is the owner of the process's files in /proc: root if it is not
// dumpable (proc(5)), -1 if it is gone.
func ownerOf(pid int) int {
	info, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/mem")
	if err != nil {
		return -1
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
