package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

// What is typed at a terminal goes to the process that reads a window as well as to
// its parent, which waits for it.
func TestReaderIsEndedByItsParentAlone(t *testing.T) {
	var said bytes.Buffer
	cmd := exec.Command(os.Args[0], decodeCommand)
	cmd.Stderr = &said
	request, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		jvmtest.Eventually(t, jvmtest.Patience, fmt.Sprintf("%s is ignored", signal), func() bool { return ignores(t, cmd.Process.Pid, signal) })
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	_ = request.Close()
	err = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "read request on standard input") {
		t.Errorf("it ends with %v: %s", err, &said)
	}
}

func ignores(t *testing.T, pid int, signal syscall.Signal) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if set, ok := strings.CutPrefix(line, "SigIgn:"); ok {
			var bits uint64
			if _, err := fmt.Sscanf(strings.TrimSpace(set), "%x", &bits); err != nil {
				t.Fatal(err)
			}
			return bits&(1<<(signal-1)) != 0
		}
	}
	return false
}
