package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// Whatever happens to the sidecar, and to its files where they are the
// application's to touch: the JVM lives, prints nothing, and each sample is
// accounted for.
func TestFaults(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for namespaces and other users")
	}
	all := setups()
	for i, jdk := range jvmtest.JDKs() {
		for k, s := range all {
			if !long() && k != i%len(all) {
				continue
			}
			t.Run(jdk+" "+s.name, func(t *testing.T) {
				t.Parallel()
				newTrial(t, jdk, s).run()
			})
		}
	}
}

// trial is one JVM with its sidecar.
type trial struct {
	*testing.T
	draw    *rand.Rand
	program string
	shared  string
	state   string
	jvm     *jvmtest.JVM
	process target.Process
	sidecar *exec.Cmd
	done    chan struct{}
	log     *bytes.Buffer
}

func newTrial(t *testing.T, jdk string, s setup) *trial {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	// Not below /tmp, of which the JVM may have one of its own.
	dir, err := os.MkdirTemp("/var/tmp", "podflame-torture-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &trial{T: t, draw: draws(t), program: path, shared: filepath.Join(dir, "shared"), state: filepath.Join(dir, "state"), log: &bytes.Buffer{}}
	c.jvm, c.process = s.start(t, jdk, jvmtest.Classes(t), jvmtest.Options{Threads: []string{"cpu", "alloc", "lock"}})
	return c
}

// fault is something that happens. All of them leave the sidecar running.
type fault struct {
	name string
	do   func(*trial)
}

func faults() []fault {
	return []fault{
		{"sidecar killed", func(c *trial) { c.end(syscall.SIGKILL); c.start() }},
		{"sidecar ended", func(c *trial) { c.end(syscall.SIGTERM); c.start() }},
		{"sidecar stopped for a while", func(c *trial) { c.pause(c.sidecar.Process.Pid) }},
		{"JVM stopped for a while", func(c *trial) { c.pause(c.process.PID) }},
		{"attach socket removed", func(c *trial) { _ = os.Remove(c.inJVM("/tmp/.java_pid" + fmt.Sprint(c.process.NSPID))) }},
		{"marker removed", func(c *trial) { c.eachMarker(func(path string) { _ = os.Remove(path) }) }},
		{"marker spoiled", func(c *trial) {
			c.eachMarker(func(path string) { _ = os.Remove(path); _ = os.WriteFile(path, []byte("{"), 0o644) })
		}},
		{"marker a FIFO", func(c *trial) {
			c.eachMarker(func(path string) { _ = os.Remove(path); _ = syscall.Mkfifo(path, 0o644) })
		}},
		{"a second sidecar", func(c *trial) {
			second := c.command("--state-dir", c.state+"-second", "--listen", "")
			if err := second.Start(); err == nil {
				c.wait(2 * time.Second)
				_ = second.Process.Signal(syscall.SIGTERM)
				_ = second.Wait()
			}
		}},
	}
}

const (
	shortFaults = 6
	window      = 5 * time.Second
)

func (c *trial) run() {
	c.start()
	c.await(1)
	n, list := shortFaults, faults()
	if long() {
		n = int(*duration / (2 * time.Second))
	}
	for range n {
		f := list[c.draw.IntN(len(list))]
		c.Logf("%s %s", time.Now().Format("15:04:05.000"), f.name)
		f.do(c)
		c.wait(2 * time.Second)
	}
	c.await(2)
	c.checkTime()
	c.end(syscall.SIGTERM)
	c.jvm.CheckUntouched(c)
	c.account()
}

func (c *trial) command(more ...string) *exec.Cmd {
	args := []string{
		"run", "--local", "--pid", fmt.Sprint(c.process.PID), "--window", window.String(), "--start-delay", "0s", "--scan-interval", "200ms",
		"--retry-interval", "500ms", "--renew", "15s", "--events", "cpu,alloc", "--alloc-interval", "64k",
		"--listen", "unix:" + c.state + ".metrics", "--shared-dir", c.shared, "--state-dir", c.state, "--library", jvmtest.Library(c), "--log-level", "debug",
	}
	cmd := exec.Command(c.program, append(args, more...)...)
	cmd.Stderr = c.log
	return cmd
}

func (c *trial) start() {
	c.Helper()
	c.sidecar, c.done = c.command(), make(chan struct{})
	if err := c.sidecar.Start(); err != nil {
		c.Fatal(err)
	}
	cmd, done := c.sidecar, c.done
	go func() { _ = cmd.Wait(); close(done) }()
	c.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
}

func (c *trial) end(s syscall.Signal) {
	_ = c.sidecar.Process.Signal(s)
	<-c.done
}

// wait lets at most so much time pass.
func (c *trial) wait(most time.Duration) { time.Sleep(time.Duration(c.draw.Int64N(int64(most)))) }

func (c *trial) pause(pid int) {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	c.wait(3 * time.Second)
	_ = syscall.Kill(pid, syscall.SIGCONT)
}

func (c *trial) inJVM(path string) string { return fmt.Sprintf("/proc/%d/root%s", c.process.PID, path) }

func (c *trial) eachMarker(do func(path string)) {
	found, _ := filepath.Glob(filepath.Join(c.shared, "[0-9]*", "session.json"))
	for _, path := range found {
		do(path)
	}
}

// await waits until the spool has n more windows with samples.
func (c *trial) await(n int) {
	c.Helper()
	had := c.profiled()
	jvmtest.Eventually(c, jvmtest.Patience, fmt.Sprintf("%d more windows", n), func() bool { return c.profiled() >= had+n })
}

func (c *trial) profiled() int {
	n := 0
	for _, w := range c.windows() {
		if len(w.Sets) > 0 {
			n++
		}
	}
	return n
}

func (c *trial) windows() []*profile.Window {
	files, _ := filepath.Glob(filepath.Join(c.state, "spool", "*-*"))
	var windows []*profile.Window
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			continue // being written
		}
		if w, err := profile.Decode(body, profile.DefaultDecodeLimits()); err == nil {
			windows = append(windows, w)
		}
	}
	return windows
}

// checkTime holds the law of time against the sidecar: recorded and told gaps are
// wall time, but for what the two clocks of the kernel differ by.
func (c *trial) checkTime() {
	c.Helper()
	out, err := exec.Command(c.program, "metrics", "--listen", "unix:"+c.state+".metrics").CombinedOutput()
	if err != nil {
		c.Fatalf("metrics of the sidecar: %v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		value, ok := strings.CutPrefix(line, "podflame_sidecar_time_difference_seconds ")
		if !ok {
			continue
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || seconds > clocksDiffer.Seconds() {
			c.Errorf("time that is neither recorded nor told: %s s, %v", strings.TrimSpace(value), err)
		}
		return
	}
	c.Errorf("the sidecar does not say whether its time adds up")
}

const clocksDiffer = time.Millisecond

// account compares what the windows hold with what async-profiler has counted in
// the life of the JVM.
func (c *trial) account() {
	c.Helper()
	var captured, skipped int64
	ids := map[profile.WindowID]bool{}
	for _, w := range c.windows() {
		if ids[w.ID] {
			c.Errorf("window %s is there twice", w.ID)
		}
		ids[w.ID] = true
		for _, ledger := range w.Coverage {
			captured += ledger.Captured.Count
		}
		for _, l := range w.Losses {
			if l.Reason == profile.ProfilerSkipped {
				skipped += l.Count
			}
			if l.Bytes > 0 {
				c.Errorf("window of %s has lost %d bytes: %s", w.Start, l.Bytes, l.Reason)
			}
		}
	}
	truth := c.truth()
	c.Logf("%d samples counted by the profiler, %d in %d windows, %d skipped", truth.Samples, captured, len(ids), skipped)
	if captured != truth.Samples-truth.Skipped {
		c.Errorf("%d samples are in no window", truth.Samples-truth.Skipped-captured)
	}
	if skipped != truth.Skipped {
		c.Errorf("%d skipped samples are told, the profiler counts %d", skipped, truth.Skipped)
	}
	if c.Failed() {
		c.Logf("the sidecar's log:\n%s", tail(c.log.String(), 120))
	}
}

func (c *trial) truth() asprof.Counters {
	c.Helper()
	procs := finder(c.T)
	found, err := procs.Profilers(c.process, target.Recording{})
	if err != nil || len(found.Libraries) != 1 {
		c.Fatalf("profiler libraries %v, %v, want one", found.Libraries, err)
	}
	client := asprof.NewClient(procs, asprof.Options{Timeout: time.Minute})
	r, err := client.Run(c.Context(), c.process, found.Libraries[0].Path, asprof.Metrics(filepath.Join(c.shared, "truth.log")))
	if err != nil {
		c.Fatal(err)
	}
	return asprof.ParseMetrics(r.Log)
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
