package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

const asProgram = "PODFLAME_TEST_AS_PROGRAM"

// TestMain makes the test binary the program itself: for the tests that ask for
// it, and for the child that decodes.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" || (len(os.Args) > 1 && os.Args[1] == "decode") {
		main()
	}
	os.Exit(m.Run())
}

// sidecar is a running sidecar process without a backend: its windows stay in
// the spool.
type sidecar struct {
	*testing.T
	jvm    *jvmtest.JVM
	shared string
	state  string
	cmd    *exec.Cmd
	log    *bytes.Buffer
	done   chan struct{}

	command     []string // that runs, instead of run --local with the JVM's pid and the shared directory
	environment []string
}

func newSidecar(t *testing.T, j *jvmtest.JVM) *sidecar {
	t.Helper()
	return &sidecar{T: t, jvm: j, shared: filepath.Join(jvmtest.SharedDir(t), "shared"), state: t.TempDir()}
}

func (s *sidecar) start(more ...string) {
	s.Helper()
	s.log, s.done = &bytes.Buffer{}, make(chan struct{})
	command := s.command
	if command == nil {
		command = []string{
			"run", "--local", "--pid", fmt.Sprint(s.jvm.PID), "--window", "5s", "--start-delay", "0s", "--scan-interval", "200ms", "--sample-rate", "0",
			"--retry-interval", "1s", "--exit-grace", "1m", "--shared-dir", s.shared, "--state-dir", s.state, "--library", jvmtest.Library(s.T),
		}
	}
	s.cmd = s.program(append(command, more...)...)
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	go func() { _ = s.cmd.Wait(); close(s.done) }()
	s.Cleanup(func() { s.signal(syscall.SIGKILL) })
}

func (s *sidecar) program(args ...string) *exec.Cmd {
	program := exec.Command(os.Args[0], args...)
	program.Env = append(append(os.Environ(), asProgram+"=1"), s.environment...)
	return program
}

// signal sends a signal and waits for the end.
func (s *sidecar) signal(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig)
	<-s.done
}

// windows returns what is in the spool, oldest first.
func (s *sidecar) windows() []*profile.Window {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.state, "spool", "*-*"))
	if err != nil {
		s.Fatal(err)
	}
	var windows []*profile.Window
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			continue // a temporary file
		}
		w, err := profile.Decode(body, profile.DefaultDecodeLimits())
		if err != nil {
			continue
		}
		windows = append(windows, w)
	}
	slices.SortFunc(windows, func(a, b *profile.Window) int { return a.Start.Compare(b.Start) })
	return windows
}

func (s *sidecar) awaitWindows(n int) {
	s.Helper()
	jvmtest.Eventually(s.T, jvmtest.Patience, fmt.Sprintf("%d windows in the spool", n), func() bool { return len(s.profiled()) >= n })
}

func (s *sidecar) profiled() []*profile.Window {
	return slices.DeleteFunc(s.windows(), func(w *profile.Window) bool { return len(w.Sets) == 0 })
}

// checkOneSession fails unless all windows are of one session and follow each
// other without a gap.
func (s *sidecar) checkOneSession() {
	s.Helper()
	windows := s.profiled()
	for i, w := range windows {
		if err := w.Check(); err != nil {
			s.Error(err)
		}
		if i == 0 {
			continue
		}
		before := windows[i-1]
		if w.Session != before.Session {
			s.Errorf("window %s has session %s, the one before %s", w.Start, w.Session, before.Session)
		}
		if gap := w.Recorded.Start.Sub(before.Recorded.End); gap != 0 {
			s.Errorf("gap of %s at %s", gap, w.Start)
		}
		if w.Start.Before(before.End) || w.ID == before.ID {
			s.Errorf("windows %s and %s overlap", before.Start, w.Start)
		}
		if w.Settings != before.Settings || w.Settings.CPUInterval == 0 {
			s.Errorf("settings changed from %+v to %+v", before.Settings, w.Settings)
		}
	}
}

// A sidecar that is killed leaves a session that records on. Its successor
// continues it: nothing that was recorded is lost, and there is no second one.
func TestKilledSidecarIsContinued(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu", "alloc"}}))
	s.start()
	s.awaitWindows(2)
	s.signal(syscall.SIGKILL)
	killed := time.Now()
	time.Sleep(7 * time.Second) // longer than a window: what is recorded now belongs to nobody, and is read all the same
	s.start()
	jvmtest.Eventually(t, jvmtest.Patience, "windows of the time after", func() bool {
		windows := s.profiled()
		return len(windows) > 0 && windows[len(windows)-1].Start.After(killed.Add(7*time.Second))
	})
	s.signal(syscall.SIGTERM)
	if !strings.Contains(s.log.String(), "adopted=true") {
		t.Errorf("the session was not adopted:\n%s", s.log)
	}
	s.checkOneSession()
	s.checkNoAlarm()
	s.jvm.CheckUntouched(t)
}

// checkNoAlarm fails if a window tells a loss that is not part of ordinary
// running. The time after an orderly end is one.
func (s *sidecar) checkNoAlarm() {
	s.Helper()
	for _, w := range s.windows() {
		for _, l := range w.Losses {
			if !l.Reason.Routine() && l.Reason != profile.SidecarRestarted {
				s.Errorf("the window of %s tells %s of %s", w.Start, l.Duration, l.Reason)
			}
		}
	}
}

// Killed at any moment, again and again.
func TestSidecarKilledOften(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}}))
	for i := range 8 {
		s.start()
		time.Sleep(time.Duration(150+i*i*60) * time.Millisecond) // during the attach, the first dump, a window
		s.signal(syscall.SIGKILL)
	}
	s.start()
	s.awaitWindows(2)
	s.signal(syscall.SIGTERM)
	s.checkOneSession()
	s.jvm.CheckUntouched(t)
}

// The JVM ends while no sidecar is there: the finished chunks are read, the
// rest is in the ledger.
func TestRecordingOfAnEndedJVMIsRecovered(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}}))
	s.start()
	s.awaitWindows(1)
	s.signal(syscall.SIGKILL)
	before := s.profiled()
	had := s.chunks()
	jvmtest.Eventually(t, jvmtest.Patience, "the profiler finishes a chunk by itself", func() bool { return s.chunks() > had })
	s.jvm.Kill()
	s.start()
	jvmtest.Eventually(t, jvmtest.Patience, "the directory is read and removed", func() bool {
		left, _ := filepath.Glob(filepath.Join(s.shared, "[0-9]*"))
		return len(left) == 0
	})
	s.signal(syscall.SIGTERM)
	s.checkOneSession()
	after := s.profiled()
	if len(after) <= len(before) {
		t.Errorf("%d windows before and %d after", len(before), len(after))
	}
	last := after[len(after)-1]
	if !slices.ContainsFunc(last.Losses, func(l profile.Loss) bool { return l.Reason == profile.ChunkUnfinished && l.Bytes > 0 }) {
		t.Errorf("the unfinished chunk is not in the ledger: %+v", last.Losses)
	}
	if last.Target.MainClass != "Workload" || last.Target.SeriesID() != before[0].Target.SeriesID() {
		t.Errorf("target %+v differs from %+v", last.Target, before[0].Target)
	}
}

// chunks is how many finished chunks the recording of the JVM has.
func (s *sidecar) chunks() int {
	s.Helper()
	recordings, err := filepath.Glob(filepath.Join(s.shared, "[0-9]*", "*.jfr"))
	if err != nil || len(recordings) != 1 {
		s.Fatalf("recordings %v, %v", recordings, err)
	}
	f, err := os.Open(recordings[0])
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		s.Fatal(err)
	}
	layout, err := jfr.Scan(f, 0, info.Size())
	if err != nil {
		s.Fatal(err)
	}
	return len(layout.Chunks)
}

// A restart in good order ends the session, and the time between is a loss.
func TestRestartIsAccountedFor(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}}))
	s.start()
	s.awaitWindows(1)
	from := time.Now()
	s.signal(syscall.SIGTERM)
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, s.log)
	}
	time.Sleep(2 * time.Second)
	s.start()
	n := len(s.profiled())
	s.awaitWindows(n + 1)
	most := time.Since(from)
	s.signal(syscall.SIGTERM)
	var lost time.Duration
	for _, w := range s.windows() {
		for _, l := range w.Losses {
			if l.Reason == profile.SidecarRestarted {
				lost += l.Duration
			}
		}
	}
	if lost < 2*time.Second || lost > most {
		t.Errorf("sidecar_restarted accounts for %s", lost)
	}
	s.jvm.CheckUntouched(t)
}

func TestTargetsCommand(t *testing.T) {
	t.Parallel()
	j := jvmtest.Start(t, jvmtest.Options{})
	disabled := jvmtest.Start(t, jvmtest.Options{Flags: []string{"-XX:+DisableAttachMechanism"}})
	find := targetsCommand(t)
	if s := find(j.PID); s.Kind != "hotspot" || s.MainClass != "Workload" || s.Reason != "" || s.Text != "Can be profiled" || s.JVMVersion == "" {
		t.Errorf("JVM: %+v", s)
	}
	if s := find(disabled.PID); s.Reason != profile.AttachDisabled || s.Text == "" || s.Remedy == "" {
		t.Errorf("JVM without attach: %+v", s)
	}
	j.CheckUntouched(t)
	disabled.CheckUntouched(t)
}

// targetsCommand runs the command and returns how to find a JVM in its answer.
func targetsCommand(t *testing.T, args ...string) (find func(pid int) seen) {
	t.Helper()
	program := exec.Command(os.Args[0], append([]string{"targets", "--json"}, args...)...)
	program.Env = append(os.Environ(), asProgram+"=1")
	out, err := program.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []seen
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return func(pid int) seen {
		i := slices.IndexFunc(list, func(s seen) bool { return s.PID == pid })
		if i < 0 {
			t.Fatalf("JVM %d is not in %s", pid, out)
		}
		return list[i]
	}
}

// A sidecar with other directories, such as that of the demo, is called what it is,
// and how to see its session is said.
func TestTargetsBesideAnotherSidecar(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}}))
	s.start()
	s.awaitWindows(1)
	got := targetsCommand(t)(s.jvm.PID)
	if got.Reason != profile.Conflict || got.Text != "Profiled by another sidecar of Podflame" || !strings.Contains(got.Remedy, "--shared-dir ") {
		t.Fatalf("JVM: %+v", got)
	}
	_, shared, _ := strings.Cut(got.Remedy, "--shared-dir ")
	if got := targetsCommand(t, "--shared-dir", shared)(s.jvm.PID); got.Session == "" || got.Reason != "" {
		t.Errorf("JVM with --shared-dir %s: %+v", shared, got)
	}
	s.signal(syscall.SIGTERM)
}

func TestMetricsAndPortInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	s := newSidecar(t, jvmtest.Start(t, jvmtest.Options{}))
	s.start("--listen", address)
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(s.log.String(), "set --listen") {
		t.Errorf("port in use: exit code %d: %s", code, s.log)
	}
	_ = listener.Close()
	s.start("--listen", address)
	get := func(path string) (string, int) {
		request, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address+path, nil)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return "", 0
		}
		defer response.Body.Close()
		var body bytes.Buffer
		_, _ = body.ReadFrom(response.Body)
		return body.String(), response.StatusCode
	}
	jvmtest.Eventually(t, jvmtest.Patience, "the JVM is counted as owned", func() bool {
		body, _ := get("/metrics")
		return strings.Contains(body, `podflame_sidecar_targets{state="owned"} 1`)
	})
	if _, code := get("/livez"); code != http.StatusOK {
		t.Errorf("/livez says %d", code)
	}
	s.signal(syscall.SIGTERM)
}

// TestEndWithoutABackend: the end of a pod is not held up by a backend that does
// not answer, and what is left is told.
func TestEndWithoutABackend(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, by its backlog, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := newSidecar(t, jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}}))
	s.start("--backend", "http://"+silent.Addr().String(), "--upload-grace", "1s")
	s.awaitWindows(1)
	s.signal(syscall.SIGTERM)
	if !strings.Contains(s.log.String(), "windows were not uploaded") {
		t.Errorf("log: %s", s.log)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// The last report of a sidecar says what it leaves in its spool: nothing, once the
// backend has its last window. It takes none here until a report tells of it.
func TestLastReportComesAfterTheLastWindow(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var last *profile.Report
	windows, before := 0, 0 // stored in all, and before the last report
	var told chan struct{}  // closed by a report of windows in the spool; nil while the sidecar runs
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it is repeated
		}
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/api/v1/targets" {
			if last, err = profile.DecodeReport(body); err != nil {
				t.Errorf("report: %v", err)
			} else if told != nil && last.Spool.Windows > 0 {
				close(told)
				told = nil
			}
			before = windows
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if wait := told; wait != nil {
			mu.Unlock()
			select {
			case <-wait:
			case <-r.Context().Done():
			}
			mu.Lock()
		}
		windows++
		_, _ = io.WriteString(w, `{"id":"00","status":"accepted"}`)
	}))
	defer backend.Close()
	s := newSidecar(t, jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}}))
	s.start("--backend", backend.URL)
	jvmtest.Eventually(t, jvmtest.Patience, "a window", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return windows > 0
	})
	mu.Lock()
	told = make(chan struct{})
	mu.Unlock()
	s.signal(syscall.SIGTERM)
	mu.Lock()
	defer mu.Unlock()
	if last == nil || last.Spool.Windows != 0 || before != windows {
		t.Errorf("last report %+v, after %d of %d windows", last, before, windows)
	}
}

// TestPausedByTheBackend: the answer to a report ends the session within a report
// interval, and lets it go on again.
func TestPausedByTheBackend(t *testing.T) {
	t.Parallel()
	var paused atomic.Bool
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/targets" && paused.Load() {
			_, _ = io.WriteString(w, `{"paused":"incident 7"}`)
			return
		}
		if r.URL.Path == "/api/v1/targets" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, `{"id":"00","status":"accepted"}`)
	}))
	defer backend.Close()
	s := newSidecar(t, jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}}))
	s.start("--backend", backend.URL)
	records := func() bool { return len(openRecordings(t, s.jvm.PID)) > 0 }
	jvmtest.Eventually(t, jvmtest.Patience, "a session", records)
	paused.Store(true)
	jvmtest.Eventually(t, jvmtest.Patience, "no session while profiling is paused", func() bool { return !records() })
	paused.Store(false)
	jvmtest.Eventually(t, jvmtest.Patience, "a session again", records)
	s.signal(syscall.SIGTERM)
	if !strings.Contains(s.log.String(), "incident 7") {
		t.Errorf("log: %s", s.log)
	}
	s.jvm.CheckUntouched(t)
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"run", "--window", "1s"}, {"run", "--events", "cpu,gpu"}, {"run", "--cpu-interval", "0"}, {"run", "--sample-rate", "-1"}, {"run", "--fixed-intervals", "gpu"}, {"run", "--local", "--library", "/absent"},
		{"run", "--local", "--profiler-memory", "1"}, {"run", "--local", "--library", "/etc/passwd", "--shared-dir", t.TempDir()}, {"nonsense"},
	} {
		program := exec.Command(os.Args[0], args...)
		program.Env = append(os.Environ(), asProgram+"=1", "PODFLAME_STATE_DIR="+t.TempDir(), "PODFLAME_SHARED_DIR="+t.TempDir())
		out, err := program.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "error:") {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
}

// Which JVMs of a host to profile has to be said. Nothing is attached to before.
func TestLocalAsksForPIDs(t *testing.T) {
	t.Parallel()
	j := jvmtest.Start(t, jvmtest.Options{})
	s := newSidecar(t, j)
	base := []string{"run", "--local", "--shared-dir", s.shared, "--state-dir", s.state, "--library", jvmtest.Library(t)}
	for _, test := range []struct {
		args []string
		want []string
	}{
		{base, []string{fmt.Sprint(j.PID), "Workload", "Can be profiled", "--pid PID", "--all"}},
		{append(base, "--all", "--pid", "1"), []string{"contradict"}},
		{[]string{"run", "--all", "--shared-dir", s.shared}, []string{"--all is for --local"}},
	} {
		out, err := s.program(test.args...).CombinedOutput()
		if err == nil {
			t.Errorf("%v succeeded: %s", test.args, out)
		}
		for _, want := range test.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%v does not say %q: %s", test.args, want, out)
			}
		}
	}
	if _, err := os.Stat(s.shared); !os.IsNotExist(err) {
		t.Errorf("the shared directory was made: %v", err)
	}
	j.CheckUntouched(t)
}

// Stopped in good order at any moment, the sidecar leaves no session and no
// file behind.
func TestSidecarStoppedOften(t *testing.T) {
	t.Parallel()
	s := newSidecar(t, jvmtest.Start(t, jvmtest.Options{Threads: []string{"cpu"}}))
	for i := range 10 {
		s.start()
		time.Sleep(time.Duration(60+40*i) * time.Millisecond)
		s.signal(syscall.SIGTERM)
		left, err := filepath.Glob(filepath.Join(s.shared, "[0-9]*", "*"))
		if err != nil || len(left) != 0 {
			t.Fatalf("stopped for the %d. time, it left %v %v:\n%s", i+1, left, err, s.log)
		}
		if open := openRecordings(t, s.jvm.PID); len(open) != 0 {
			t.Fatalf("stopped for the %d. time, it left a session that writes %v:\n%s", i+1, open, s.log)
		}
	}
	s.jvm.CheckUntouched(t)
}

func openRecordings(t *testing.T, pid int) (open []string) {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && strings.Contains(link, ".jfr") {
			open = append(open, link)
		}
	}
	return open
}

// uWSGI with its JVM plugin takes SIGQUIT as the order to end. It runs on while a
// sidecar looks at all processes of its host, here a pid namespace.
func TestUWSGIRunsOn(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a pid namespace")
	}
	plugins, _ := filepath.Glob("/usr/lib/uwsgi/plugins/jvm_openjdk*_plugin.so")
	if len(plugins) == 0 {
		t.Fatal("uWSGI's JVM plugin is not installed; run tests/setup/setup.sh uwsgi")
	}
	s := newSidecar(t, nil)
	log := filepath.Join(s.state, "uwsgi.log")
	script := fmt.Sprintf(`uwsgi-core --plugin %s --socket %s/socket --master --processes 1 --jvm-classpath /usr/share/java/uwsgi.jar --logto %s &
exec "$0" run --local --all --start-delay 0s --scan-interval 200ms --retry-interval 500ms --shared-dir %s --state-dir %s --library %s --log-level debug`,
		strings.TrimSuffix(filepath.Base(plugins[0]), "_plugin.so"), s.state, log, s.shared, s.state, jvmtest.Library(t))
	host := exec.Command("unshare", "-p", "-m", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, os.Args[0])
	host.Env = append(os.Environ(), asProgram+"=1")
	output, err := os.Create(filepath.Join(s.state, "sidecar.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	host.Stderr = output
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Process.Kill(); _ = host.Wait() })
	read := func(path string) string {
		content, _ := os.ReadFile(path)
		return string(content)
	}
	jvmtest.Eventually(t, jvmtest.Patience, "uWSGI's processes are looked at again and again", func() bool {
		said := read(output.Name())
		return strings.Contains(said, string(profile.LauncherNotJava)) && strings.Count(said, string(profile.JVMStarting)) > 10 &&
			strings.Contains(read(log), "initialized at")
	})
	said := read(log)
	if !strings.Contains(said, "initialized at") || strings.Contains(said, "SIGINT/SIGQUIT received") || strings.Contains(said, "goodbye") {
		t.Errorf("uWSGI's log: %s", said)
	}
	if strings.Contains(read(output.Name()), string(profile.SignalUnanswered)) {
		t.Errorf("a signal was sent:\n%s", read(output.Name()))
	}
}
