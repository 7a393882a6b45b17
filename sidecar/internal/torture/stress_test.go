package torture

import (
	"crypto/rand"
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
func TestRotationUnderStress(t *testing.T) { underStress(t, rotate) }

// The same with a session each second, as there is one for each window with live
// objects, and with the tables of libraries patched for native events.
func TestSessionsUnderStress(t *testing.T) { underStress(t, renew) }

func underStress(t *testing.T, check func(t *testing.T, s stressed)) {
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
					t.Run(jdk, func(t *testing.T) {
						t.Parallel()
						s := startStressed(t, jdk, perturb, churn)
						check(t, s)
						s.jvm.CheckUntouched(t)
					})
				}
			})
		}
	}
}

// stressed is a JVM under stress.
type stressed struct {
	jvm *jvmtest.JVM
	dir string
	log string
	run func(asprof.Command) asprof.Result
}

func startStressed(t *testing.T, jdk, perturb string, churn int) stressed {
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
	client := asprof.NewClient(finder(t), asprof.Options{Timeout: jvmtest.Patience})
	run := func(cmd asprof.Command) asprof.Result {
		t.Helper()
		r, err := client.Run(t.Context(), p, library, cmd)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	return stressed{jvm: j, dir: dir, log: filepath.Join(dir, "log"), run: run}
}

// record begins a session that samples far more than ours do.
func (s stressed) record(t *testing.T, file string, change func(*asprof.Recording)) {
	t.Helper()
	r := asprof.Recording{
		File: file, CPUInterval: time.Millisecond, AllocInterval: 4 << 10, LockThreshold: 10 * time.Microsecond,
		MemoryLimit: 64 << 20, ChunkSize: 16 << 20, ChunkTime: time.Minute, Timeout: time.Hour,
	}
	change(&r)
	record, err := asprof.Record(r, s.log)
	if err != nil {
		t.Fatal(err)
	}
	s.run(record)
}

func rotate(t *testing.T, s stressed) {
	file := filepath.Join(s.dir, "stress.jfr")
	s.record(t, file, func(*asprof.Recording) {})
	dumps, slowest := eachSecond(func() time.Duration {
		took := s.run(asprof.Dump(s.log)).Took
		punch(t, file)
		return took
	})
	s.finish(t, fmt.Sprintf("%d dumps, the slowest took %s", dumps, slowest))
}

func renew(t *testing.T, s stressed) {
	var file string
	begin := func() {
		file = filepath.Join(s.dir, rand.Text()+".jfr")
		s.record(t, file, func(r *asprof.Recording) {
			r.Live, r.NativeInterval, r.NativeThreshold = true, 64<<10+1, 10*time.Microsecond
		})
	}
	begin()
	sessions, slowest := eachSecond(func() time.Duration {
		took := s.run(asprof.Stop(s.log)).Took
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		begin()
		return took
	})
	s.finish(t, fmt.Sprintf("%d sessions, the slowest stop took %s", sessions, slowest))
}

// eachSecond calls f as often as the time of the stress has seconds, and later where
// a call takes longer.
func eachSecond(f func() time.Duration) (calls int, slowest time.Duration) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ; calls < int(stressTime()/time.Second); calls++ {
		<-tick.C
		slowest = max(slowest, f())
	}
	return calls, slowest
}

// finish ends the session, which must have taken samples.
func (s stressed) finish(t *testing.T, what string) {
	t.Helper()
	counters := asprof.ParseMetrics(s.run(asprof.Metrics(s.log)).Log)
	s.run(asprof.Stop(s.log))
	t.Logf("%s; %+v", what, counters)
	if counters.Samples == 0 {
		t.Error("no sample was taken")
	}
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
