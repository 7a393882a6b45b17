package main

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/agent"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/target"
)

// BenchmarkFootprint measures what the container of a sidecar takes, as a pod runs
// it: the private memory of all its processes, steadily and at most while a
// recording is read, and their CPU time over three windows of a minute. A pod has few
// processes, and here the sidecar looks at all of the host's: %core-host is what that
// takes of %core.
func BenchmarkFootprint(b *testing.B) {
	many := jvmtest.Options{Main: "demo.Workload", Threads: []string{"deep", "2"}, DoNotWait: true}
	for _, c := range []struct {
		name        string
		jvms        int
		options     jvmtest.Options
		environment []string
	}{
		{"jvms=1", 1, jvmtest.Options{Threads: []string{"cpu", "alloc", "lock", "monitor"}}, nil},
		{"jvms=16", 16, jvmtest.Options{Threads: []string{"cpu", "monitor"}}, nil},
		{"many-samples", 1, many, []string{contract.EnvCPUInterval + "=1ms", contract.EnvAllocInterval + "=32k"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			if c.options.Main != "" {
				c.options.Flags = []string{"-Ddepth=60", "-Dpathbits=14", "-cp", manyStacks(b)}
			}
			for b.Loop() {
				newFootprint(b, c.jvms, c.options, c.environment).measure()
			}
		})
	}
}

// manyStacks compiles the program of which the benchmark of decoding has its
// recording.
func manyStacks(b *testing.B) string {
	b.Helper()
	classes := b.TempDir()
	if out, err := exec.Command("javac", "-d", classes, "../tests/testdata/jfr/Workload.java").CombinedOutput(); err != nil {
		b.Fatalf("javac: %v: %s", err, out)
	}
	return classes
}

// footprint is a sidecar with its first process.
type footprint struct {
	*testing.B
	first            int          // pid
	windows, samples atomic.Int64 // that the backend has
	steady, peak     int64        // bytes, the most that was seen without and with a child that reads
}

func newFootprint(b *testing.B, jvms int, o jvmtest.Options, environment []string) *footprint {
	b.Helper()
	f := &footprint{B: b}
	backend := httptest.NewServer(http.HandlerFunc(f.take))
	b.Cleanup(backend.Close)
	dir, container := jvmtest.SharedDir(b), "footprint-"+strconv.Itoa(os.Getpid())
	program, recordings := filepath.Join(dir, "sidecar"), filepath.Join(dir, "recordings")
	build := exec.Command("go", "build", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the sidecar: %v: %s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(recordings, container), 0o777); err != nil {
		b.Fatal(err)
	}
	o.Env = []string{contract.EnvContainer + "=" + container}
	for range jvms {
		jvmtest.Start(b, o)
	}
	sidecar := exec.Command(program)
	sidecar.Stderr = b.Output()
	sidecar.Env = append(append(os.Environ(), environment...),
		contract.EnvBackend+"="+backend.URL, contract.EnvRecordings+"="+recordings, contract.EnvLibraryDir+"="+filepath.Join(dir, "library"),
		contract.EnvState+"="+filepath.Join(dir, "state"), contract.EnvContainers+"="+container, contract.EnvNativeSidecar+"=true",
		contract.EnvDecodeMemory+"=256", "GOMEMLIMIT=362387865", "PODFLAME_LIBRARY="+jvmtest.Library(b)) // as in a pod
	if err := sidecar.Start(); err != nil {
		b.Fatal(err)
	}
	f.first = sidecar.Process.Pid
	b.Cleanup(func() { _ = sidecar.Process.Signal(os.Interrupt); _ = sidecar.Wait() })
	return f
}

// take is the backend.
func (f *footprint) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.URL.Path != "/api/v1/windows" {
		return
	}
	if window, err := profile.Decode(body, profile.DefaultDecodeLimits()); err == nil {
		for _, c := range window.Coverage {
			f.samples.Add(c.Captured.Count)
		}
		f.windows.Add(1)
	}
	_, _ = io.WriteString(w, `{"id":"00112233445566778899aabbccddeeff","status":"accepted"}`)
}

const (
	measured = 3                    // windows of a minute
	glance   = 5 * time.Millisecond // between two looks at the memory
)

// measure waits for the first whole window and measures over some more.
func (f *footprint) measure() {
	f.Helper()
	f.watch(90 * time.Second)
	f.steady, f.peak = 0, 0
	windows, samples, spent := f.windows.Load(), f.samples.Load(), f.cpu()
	began := time.Now()
	f.watch(measured * time.Minute)
	took := time.Since(began)
	windows, samples, spent = f.windows.Load()-windows, f.samples.Load()-samples, f.cpu()-spent
	if windows == 0 {
		f.Fatal("there was no window")
	}
	f.ReportMetric(float64(f.steady)/(1<<20), "steady-MiB")
	f.ReportMetric(float64(f.peak)/(1<<20), "peak-MiB")
	f.ReportMetric(100*spent.Seconds()/took.Seconds(), "%core")
	f.ReportMetric(100*lookAtHost(f.B).Seconds()/agent.DefaultLimits().ScanInterval.Seconds(), "%core-host")
	f.ReportMetric(float64(windows), "windows")
	f.ReportMetric(float64(samples)/float64(windows), "samples/window")
	f.ReportMetric(0, "ns/op") // which is how long the benchmark waits
}

// lookAtHost is the CPU time of one look at the processes of this host.
func lookAtHost(b *testing.B) time.Duration {
	b.Helper()
	finder, err := target.NewFinder("/proc")
	if err != nil {
		b.Fatal(err)
	}
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const looks = 60
	before := used()
	for range looks {
		if _, err := finder.Find(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return (used() - before) / looks
}

// watch looks at the memory for a while.
func (f *footprint) watch(long time.Duration) {
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(glance) {
		tree := f.tree()
		var sum int64
		for pid := range tree {
			sum += private(pid)
		}
		f.peak = max(f.peak, sum)
		if len(tree) == 2 { // the first process and the sidecar proper
			f.steady = max(f.steady, sum)
		}
	}
}

// tree are the processes of the container.
func (f *footprint) tree() map[int]bool {
	all := map[int]bool{f.first: true}
	for before := 0; before < len(all); {
		before = len(all)
		for _, pid := range slices.Collect(maps.Keys(all)) {
			for _, child := range childrenOf(pid) {
				if n, err := strconv.Atoi(child); err == nil {
					all[n] = true
				}
			}
		}
	}
	return all
}

// private is the memory of a process that no file holds, 0 if it has ended.
func private(pid int) int64 {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	status, err := proc.NewStatus()
	if err != nil {
		return 0
	}
	return int64(status.RssAnon)
}

// cpu is what all processes of the container have used, those that have ended
// included.
func (f *footprint) cpu() (sum time.Duration) {
	const tick = 10 * time.Millisecond
	for pid := range f.tree() {
		proc, err := procfs.NewProc(pid)
		if err != nil {
			continue
		}
		if stat, err := proc.Stat(); err == nil {
			sum += time.Duration(int(stat.UTime+stat.STime)+stat.CUTime+stat.CSTime) * tick
		}
	}
	return sum
}
