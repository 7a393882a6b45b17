package torture

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

//go:embed testdata/Stress.java
var stress []byte

// A JVM with 32 threads that allocate and wait for locks lives through a rotation
// each second, also while threads start and end at 1,000 a second, and where the
// memory that the C library frees is overwritten at once, so that a use of it
// faults.
func TestRotationUnderStress(t *testing.T) {
	for _, perturb := range []string{"", "MALLOC_PERTURB_=165"} {
		for _, churn := range []int{0, 1000} {
			if !long() && churn == 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s %d threads a second", perturb, churn), func(t *testing.T) {
				jdks := jvmtest.JDKs()
				if !long() {
					i := draws(t).IntN(len(jdks))
					jdks = jdks[i : i+1]
				}
				for _, jdk := range jdks {
					t.Run(jdk, func(t *testing.T) { t.Parallel(); rotate(t, jdk, perturb, churn) })
				}
			})
		}
	}
}

func rotate(t *testing.T, jdk, perturb string, churn int) {
	var env []string
	if perturb != "" {
		env = []string{perturb}
	}
	j := jvmtest.Start(t, jvmtest.Options{
		JDK: jdk, Flags: []string{"-cp", jvmtest.Compile(t, "Stress", stress)}, Env: env,
		Main: "Stress", Threads: []string{"32", fmt.Sprint(churn)},
	})
	p := process(t, j.PID)
	dir := jvmtest.SharedDir(t)
	library, err := asprof.Install(jvmtest.Library(t), filepath.Join(dir, "lib"))
	if err != nil {
		t.Fatal(err)
	}
	client := asprof.NewClient(finder(t), asprof.Options{Timeout: time.Minute})
	file, log := filepath.Join(dir, "stress.jfr"), filepath.Join(dir, "log")
	record, err := asprof.Record(asprof.Recording{
		File: file, CPUInterval: time.Millisecond, AllocInterval: 4 << 10, LockThreshold: 10 * time.Microsecond,
		MemoryLimit: 64 << 20, ChunkSize: 16 << 20, ChunkTime: time.Minute, Timeout: time.Hour,
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	run := func(cmd asprof.Command) asprof.Result {
		t.Helper()
		r, err := client.Run(t.Context(), p, library, cmd)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	run(record)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	dumps, slowest := 0, time.Duration(0)
	for end := time.Now().Add(stressTime()); time.Now().Before(end); dumps++ {
		<-tick.C
		slowest = max(slowest, run(asprof.Dump(log)).Took)
		punch(t, file)
	}
	counters := asprof.ParseMetrics(run(asprof.Metrics(log)).Log)
	run(asprof.Stop(log))
	t.Logf("%d dumps, the slowest took %s; %+v", dumps, slowest, counters)
	if counters.Samples == 0 {
		t.Error("no sample was taken")
	}
	j.CheckUntouched(t)
}

// punch gives up the disk of a recording, as the sidecar does behind what it has
// read.
func punch(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if size := info.Size() / 2; size > 0 { // well behind the profiler
		if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, size); err != nil {
			t.Fatal(err)
		}
	}
}
