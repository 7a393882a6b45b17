package agent

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/budget"
	"github.com/podflame/podflame/sidecar/internal/clock"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/target"
)

//go:embed testdata/Units.java
var unitsSource []byte

// BenchmarkOverhead measures what a thread that allocates all the time pays for being
// profiled: its CPU time for a unit of its work, with a session against without. How
// much a core does changes by a tenth and more from one tenth of a second to the
// next, by what its neighbours do, so the session is begun and ended some hundred
// times, and each time compared with the moments before and after. CPU is sampled by
// timers, as in a container, where perf events are refused. %all is with all events, at
// the interval of allocations that the sampling budget leads to; %cpu, %alloc and %lock
// are what the parts of it take. A thread that reads what it makes allocates 2 GiB/s;
// one that only makes, 5 GiB/s, which is more than the longest interval can bound for
// Java 17. Each has the standard error of its mean
// beside it. The log says what the beginnings and the ends of the sessions cost, which
// tells a cost of beginning from one of sampling.
func BenchmarkOverhead(b *testing.B) {
	for _, jdk := range []string{"17", "25"} {
		for _, reads := range []int{readsOf2GiB, 0} {
			b.Run(fmt.Sprintf("java=%s/reads=%d", jdk, reads), func(b *testing.B) {
				for b.Loop() {
					measureOverhead(b, jdk, reads)
				}
			})
		}
	}
}

const (
	readsOf2GiB = 7 // of each text made, where a core makes 5 GiB/s without

	warmUp   = 8 * time.Second
	measured = 60 * time.Second      // for each choice of events
	shortest = 40 * time.Millisecond // of a slice with or without a session
	longest  = 2 * shortest          // random, so that it has no beat with anything
	batches  = 10                    // whose means are independent of each other
	begins   = 5 * time.Millisecond  // after the answer to a command, until it counts
	edge     = 20 * time.Millisecond // of a slice that is its beginning or its end
)

func measureOverhead(b *testing.B, jdk string, reads int) {
	b.Helper()
	p := newPayer(b, jdk, jvmtest.Options{
		Main: "Units", Threads: []string{fmt.Sprint(reads)},
		Flags: []string{"-XX:TieredStopAtLevel=4", "-cp", jvmtest.Compile(b, "Units", unitsSource)},
	})
	jvmtest.Eventually(b, jvmtest.Patience, "the JVM works", func() bool { return len(p.done()) > 10 })
	time.Sleep(warmUp) // the JVM compiles what is hot
	rate := p.allocationRate()
	version := map[string]int{"17": 17, "25": 25}[jdk]
	s, l := contract.DefaultSettings(), DefaultLimits()
	rule := budget.Rule{Rate: s.SampleRate, Asked: s.AllocInterval, Longest: Longest{}.alloc(version)}
	all := asprof.Recording{
		CPUInterval: s.CPUInterval, AllocInterval: rule.Next(s.AllocInterval, rate, rate, false), LockThreshold: s.LockThreshold,
		MemoryLimit: l.ProfilerMemory, ChunkSize: l.ChunkSize, ChunkTime: s.Window, Timeout: time.Hour,
	}
	b.Logf("an allocation sample every %d KiB of %.0f MiB/s", all.AllocInterval>>10, rate/(1<<20))
	cpu, alloc, lock := all, all, all
	cpu.AllocInterval, cpu.LockThreshold = 0, 0
	alloc.CPUInterval, alloc.LockThreshold = 0, 0
	lock.CPUInterval, lock.AllocInterval = 0, 0
	for name, events := range map[string]asprof.Recording{"all": all, "cpu": cpu, "alloc": alloc, "lock": lock} {
		slices := p.alternate(events)
		costs := p.costs(slices, whole)
		mean, deviation := estimate(costs)
		first, firstDeviation := estimate(p.costs(slices, beginning))
		last, lastDeviation := estimate(p.costs(slices, end))
		b.Logf("%s: %+.2f ± %.2f %%, of %d sessions; at their beginning %+.2f ± %.2f %%, at their end %+.2f ± %.2f %%",
			name, 100*mean, 100*deviation, len(costs), 100*first, 100*firstDeviation, 100*last, 100*lastDeviation)
		b.ReportMetric(100*mean, "%"+name)
		b.ReportMetric(100*deviation, "%"+name+"-error")
	}
	b.ReportMetric(0, "ns/op")
}

// estimate returns the mean of costs in the order of time, and its standard error.
func estimate(costs []float64) (mean, deviation float64) {
	var means []float64
	for batch := range slices.Chunk(costs, max(1, len(costs)/batches)) {
		sum := 0.0
		for _, c := range batch {
			sum += c
		}
		means = append(means, sum/float64(len(batch)))
		mean += sum / float64(len(costs))
	}
	var squares float64
	for _, m := range means {
		squares += (m - mean) * (m - mean)
	}
	n := float64(len(means))
	return mean, math.Sqrt(squares / (n - 1) / n)
}

// payer is the JVM that is profiled in turns.
type payer struct {
	*testing.B
	jvm     *jvmtest.JVM
	process target.Process
	client  *asprof.Client
	library string
	dir     string
	session int
}

// newPayer starts a JVM as a pod runs it, for the library to be loaded into.
func newPayer(b *testing.B, jdk string, o jvmtest.Options) *payer {
	b.Helper()
	procs, err := target.NewFinder("/proc")
	if err != nil {
		b.Fatal(err)
	}
	p := &payer{B: b, client: asprof.NewClient(procs, asprof.Options{Timeout: time.Minute}), dir: jvmtest.SharedDir(b)}
	if p.library, err = asprof.Install(jvmtest.Library(b), filepath.Join(p.dir, "lib")); err != nil {
		b.Fatal(err)
	}
	o.Launcher, o.Env = jvmtest.WithoutPerf(b, jdk)
	o.DoNotWait = true
	p.jvm = jvmtest.Start(b, o)
	jvmtest.Eventually(b, jvmtest.Patience, "the JVM runs", func() bool {
		p.process, err = procs.Process(p.jvm.PID)
		return err == nil && p.process.Kind == target.HotSpot && p.jvm.Output(b) != ""
	})
	return p
}

// work is what was done and used up to a moment of the JVM's clock.
type work struct{ at, units, cpu, allocated float64 }

// done is all that the JVM has printed.
func (p *payer) done() (done []work) {
	p.Helper()
	for line := range strings.Lines(p.jvm.Output(p)) {
		var w work
		if n, _ := fmt.Sscan(line, &w.at, &w.units, &w.cpu, &w.allocated); n == 4 && strings.HasSuffix(line, "\n") {
			done = append(done, w)
		}
	}
	return done
}

func (p *payer) allocationRate() float64 {
	p.Helper()
	done := p.done()
	from, to := done[len(done)/2], done[len(done)-1]
	return (to.allocated - from.allocated) / (to.at - from.at) * float64(time.Second)
}

// slice is a time, by the JVM's clock, in which a session ran, or none.
type slice struct{ from, to float64 }

func whole(s slice) slice     { return s }
func beginning(s slice) slice { return slice{s.from, s.from + float64(edge)} }
func end(s slice) slice       { return slice{s.to - float64(edge), s.to} }

// alternate begins and ends sessions. The slices at even indexes are without one.
func (p *payer) alternate(events asprof.Recording) (slices []slice) {
	p.Helper()
	log := filepath.Join(p.dir, "log")
	for end := time.Now().Add(measured); time.Now().Before(end); {
		slices = append(slices, p.slice())
		p.session++
		events.File = filepath.Join(p.dir, fmt.Sprint(p.session, ".jfr"))
		record, err := asprof.Record(events, log)
		if err != nil {
			p.Fatal(err)
		}
		p.run(record)
		slices = append(slices, p.slice())
		p.run(asprof.Stop(log))
		p.discard(events)
	}
	return append(slices, p.slice())
}

// discard removes a recording that is as those of pods are.
func (p *payer) discard(events asprof.Recording) {
	p.Helper()
	recorded, err := os.ReadFile(events.File)
	if err != nil {
		p.Fatal(err)
	}
	if events.CPUInterval > 0 && !bytes.Contains(recorded, []byte("ctimer")) {
		p.Fatal("CPU was not sampled by timers; are perf events allowed?")
	}
	if err := os.Remove(events.File); err != nil {
		p.Fatal(err)
	}
}

func (p *payer) run(c asprof.Command) asprof.Result {
	p.Helper()
	result, err := p.client.Run(p.Context(), p.process, p.library, c)
	if err != nil {
		p.Fatal(err)
	}
	return result
}

func (p *payer) slice() (s slice) {
	time.Sleep(begins)
	s.from = now()
	time.Sleep(shortest + rand.N(longest-shortest))
	s.to = now()
	return s
}

// now is System.nanoTime of a JVM.
func now() float64 { return float64(clock.Awake()) }

// costs are what a unit of work costs more in a part of each slice with a session than
// in the two slices beside it.
func (p *payer) costs(slices []slice, part func(slice) slice) (costs []float64) {
	p.Helper()
	done := p.done()
	for i := 1; i+1 < len(slices); i += 2 {
		before, with, after := perUnit(done, slices[i-1]), perUnit(done, part(slices[i])), perUnit(done, slices[i+1])
		if cost := with/((before+after)/2) - 1; !math.IsNaN(cost) {
			costs = append(costs, cost)
		}
	}
	if len(costs) < 10*batches {
		p.Fatalf("only %d of %d slices can be compared", len(costs), len(slices))
	}
	return costs
}

// perUnit is the CPU time of a unit of the work that was done within a slice; not a
// number if there was none.
func perUnit(done []work, s slice) float64 {
	at := func(w work, t float64) int {
		switch {
		case w.at < t:
			return -1
		case w.at > t:
			return 1
		}
		return 0
	}
	from, _ := slices.BinarySearchFunc(done, s.from, at)
	to, _ := slices.BinarySearchFunc(done, s.to, at)
	if to--; from >= to {
		return math.NaN()
	}
	return (done[to].cpu - done[from].cpu) / (done[to].units - done[from].units)
}
