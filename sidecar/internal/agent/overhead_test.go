package agent

import (
	_ "embed"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/budget"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/target"
)

//go:embed testdata/Units.java
var unitsSource []byte

// BenchmarkOverhead measures what a JVM that allocates all the time pays for being
// profiled: the CPU time of a unit of its work with a session against that without,
// in turns, so that what else the machine does counts for both. %budget is at the
// interval of allocations that the sampling budget leads to, %asked at the default;
// each has the standard error of its mean beside it, which says whether the machine
// was quiet enough.
func BenchmarkOverhead(b *testing.B) {
	for _, jdk := range []string{"17", "25"} {
		b.Run("java="+jdk, func(b *testing.B) {
			for b.Loop() {
				measureOverhead(b, jdk)
			}
		})
	}
}

const (
	pairs = 16
	slice = 2 * time.Second // of each half of a pair
)

func measureOverhead(b *testing.B, jdk string) {
	b.Helper()
	p := newPayer(b, jdk)
	rate := p.during(2*slice).allocated / (2 * slice.Seconds()) // and the JVM compiles what is hot
	version := map[string]int{"17": 17, "25": 25}[jdk]
	s := contract.DefaultSettings()
	rule := budget.Rule{Rate: s.SampleRate, Asked: s.AllocInterval, Longest: Longest{}.alloc(version)}
	budgeted := rule.Next(s.AllocInterval, rate, rate, false)
	var asked, bounded []float64
	for range pairs {
		without := p.during(slice).perUnit()
		bounded = append(bounded, p.profiled(budgeted).perUnit()/without-1)
		without = p.during(slice).perUnit()
		asked = append(asked, p.profiled(s.AllocInterval).perUnit()/without-1)
	}
	b.Logf("%.0f MiB/s; every %d KiB by the budget: %+.2f; every %d KiB: %+.2f", rate/(1<<20), budgeted>>10, percent(bounded), s.AllocInterval>>10, percent(asked))
	b.ReportMetric(100*median(bounded), "%budget")
	b.ReportMetric(100*deviation(bounded), "%budget-error")
	b.ReportMetric(100*median(asked), "%asked")
	b.ReportMetric(100*deviation(asked), "%asked-error")
	b.ReportMetric(0, "ns/op")
}

func percent(ratios []float64) (p []float64) {
	for _, r := range ratios {
		p = append(p, 100*r)
	}
	return p
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// deviation is the standard error of the mean.
func deviation(of []float64) float64 {
	var mean, squares float64
	for _, v := range of {
		mean += v / float64(len(of))
	}
	for _, v := range of {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares/float64(len(of)-1)) / math.Sqrt(float64(len(of)))
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

func newPayer(b *testing.B, jdk string) *payer {
	b.Helper()
	procs, err := target.NewFinder("/proc")
	if err != nil {
		b.Fatal(err)
	}
	p := &payer{B: b, client: asprof.NewClient(procs, asprof.Options{Timeout: time.Minute}), dir: jvmtest.SharedDir(b)}
	if p.library, err = asprof.Install(jvmtest.Library(b), filepath.Join(p.dir, "lib")); err != nil {
		b.Fatal(err)
	}
	p.jvm = jvmtest.Start(b, jvmtest.Options{
		JDK: jdk, Main: "Units", DoNotWait: true,
		Flags: []string{"-XX:TieredStopAtLevel=4", "-cp", jvmtest.Compile(b, "Units", unitsSource)},
	})
	jvmtest.Eventually(b, jvmtest.Patience, "the JVM works", func() bool {
		p.process, err = procs.Process(p.jvm.PID)
		return err == nil && p.process.Kind == target.HotSpot && strings.Count(p.jvm.Output(b), "\n") > 10
	})
	return p
}

// work is what was done and used.
type work struct{ units, cpu, allocated float64 }

func (w work) perUnit() float64 { return w.cpu / w.units }

// now is the newest line that the JVM has printed whole.
func (p *payer) now() (w work) {
	p.Helper()
	lines := strings.Split(p.jvm.Output(p), "\n")
	if _, err := fmt.Sscan(lines[len(lines)-2], &w.units, &w.cpu, &w.allocated); err != nil {
		p.Fatal(err)
	}
	return w
}

func (p *payer) during(d time.Duration) work {
	p.Helper()
	before := p.now()
	time.Sleep(d)
	after := p.now()
	return work{after.units - before.units, after.cpu - before.cpu, after.allocated - before.allocated}
}

// profiled is the work while a session runs, without its beginning and its end.
func (p *payer) profiled(allocInterval int64) work {
	p.Helper()
	s, l := contract.DefaultSettings(), DefaultLimits()
	log := filepath.Join(p.dir, "log")
	p.session++
	record, err := asprof.Record(asprof.Recording{
		File: filepath.Join(p.dir, fmt.Sprint(p.session, ".jfr")), CPUInterval: s.CPUInterval, AllocInterval: allocInterval, LockThreshold: s.LockThreshold,
		MemoryLimit: l.ProfilerMemory, ChunkSize: l.ChunkSize, ChunkTime: s.Window, Timeout: time.Hour,
	}, log)
	if err != nil {
		p.Fatal(err)
	}
	p.run(record)
	time.Sleep(200 * time.Millisecond)
	w := p.during(slice)
	p.run(asprof.Stop(log))
	time.Sleep(200 * time.Millisecond)
	return w
}

func (p *payer) run(c asprof.Command) {
	p.Helper()
	if _, err := p.client.Run(p.Context(), p.process, p.library, c); err != nil {
		p.Fatal(err)
	}
}
