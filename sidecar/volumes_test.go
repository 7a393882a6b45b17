package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

// inPod starts the sidecar with the volumes that a webhook gives, as local
// directories.
func (s *sidecar) inPod(environment ...string) {
	s.Helper()
	s.environment = append(environment, contract.EnvNativeSidecar+"=true")
	s.command = []string{"run", "--pid", strconv.Itoa(s.jvm.PID)}
	s.start("--window", "5s", "--start-delay", "0s", "--scan-interval", "200ms", "--state-dir", s.state, "--library", jvmtest.Library(s.T))
}

// TestVolumesOfAPod: the recordings of a JVM lie in the volume of its own
// container, the library in one of its own.
func TestVolumesOfAPod(t *testing.T) {
	t.Parallel()
	j := jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}, Env: []string{contract.EnvContainer + "=worker"}})
	s := newSidecar(t, j)
	recordings, library := filepath.Join(s.shared, "recordings"), filepath.Join(s.shared, "library")
	for _, container := range []string{"app", "worker"} {
		if err := os.MkdirAll(filepath.Join(recordings, container), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	s.inPod(contract.EnvRecordings+"="+recordings, contract.EnvLibraryDir+"="+library, contract.EnvShared+"="+filepath.Join(recordings, "app"))
	s.awaitWindows(1)
	open := openRecordings(t, j.PID)
	if len(open) != 1 || !strings.HasPrefix(open[0], filepath.Join(recordings, "worker")+"/") {
		t.Errorf("the JVM of container worker writes %v", open)
	}
	if found, _ := filepath.Glob(filepath.Join(library, contract.LibraryDirectory, contract.LibraryPrefix+"*.so")); len(found) != 1 {
		t.Errorf("libraries %v", found)
	}
	if left, _ := os.ReadDir(filepath.Join(recordings, "app")); len(left) != 0 {
		t.Errorf("the other container's volume holds %v", left)
	}
	s.checkSocket()
	s.signal(syscall.SIGTERM)
	j.CheckUntouched(t)
}

// checkSocket: nothing is offered over the network, and everything over the
// socket.
func (s *sidecar) checkSocket() {
	s.Helper()
	if ports := listeningPorts(s.T, s.cmd.Process.Pid); len(ports) != 0 {
		s.Errorf("the sidecar listens on %v", ports)
	}
	program := s.program("metrics")
	program.Env = append(program.Env, contract.EnvMetrics+"="+unixPrefix+filepath.Join(s.state, "metrics.sock"))
	out, err := program.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `podflame_sidecar_targets{state="owned"} 1`) {
		s.Errorf("sidecar metrics: %v: %s", err, out)
	}
}

// listeningPorts are the TCP sockets of a process that listen.
func listeningPorts(t *testing.T, pid int) (ports []string) {
	t.Helper()
	links, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "fd", "*"))
	var sockets []string
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "socket:[") {
			sockets = append(sockets, strings.Trim(strings.TrimPrefix(to, "socket:"), "[]"))
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "net", table))
		if err != nil {
			t.Fatal(err)
		}
		const state, inode, listening = 3, 9, "0A"
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > inode && f[state] == listening && slices.Contains(sockets, f[inode]) {
				ports = append(ports, f[1])
			}
		}
	}
	return ports
}

// TestPodOfVersion01: a webhook of version 0.1 gives one directory for all.
func TestPodOfVersion01(t *testing.T) {
	t.Parallel()
	j := jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}, Env: []string{contract.EnvContainer + "=worker"}})
	s := newSidecar(t, j)
	s.inPod("PODFLAME_SHARED_DIR="+s.shared, "PODFLAME_LISTEN=127.0.0.1:0")
	s.awaitWindows(1)
	open := openRecordings(t, j.PID)
	if len(open) != 1 || filepath.Dir(filepath.Dir(open[0])) != s.shared {
		t.Errorf("the JVM writes %v, want one file below %s", open, s.shared)
	}
	s.checkSocket()
	s.signal(syscall.SIGTERM)
}

func TestVolumesCannotBeFound(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for _, directory := range []string{empty, filepath.Join(empty, "absent")} {
		f := VolumeFlags{RecordingsDir: directory}
		if err := f.resolve(false); err == nil || !strings.Contains(err.Error(), directory) || !strings.Contains(err.Error(), "--recordings-dir") {
			t.Errorf("%s: %v", directory, err)
		}
	}
}
