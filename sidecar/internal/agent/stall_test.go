package agent

import (
	_ "embed"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

//go:embed testdata/Classes.java
var classesSource []byte

// BenchmarkStall measures for how long the profiler of a JVM with 20,000 classes on
// its stacks records nothing while a window is cut: all chunks name all classes that
// were seen since the session began. chunk-kB shows that they do.
func BenchmarkStall(b *testing.B) {
	const classes, untilSeen, cuts, apart = "20000", 40 * time.Second, 60, time.Second
	for _, jdk := range []string{"17", "25"} {
		b.Run("java="+jdk, func(b *testing.B) {
			p := newPayer(b, jdk, jvmtest.Options{
				Main: "Classes", Threads: []string{classes},
				Flags: []string{"-Xmx512m", "-Xss8m", "-cp", jvmtest.Compile(b, "Classes", classesSource)},
			})
			s, l := contract.DefaultSettings(), DefaultLimits()
			log, recording := filepath.Join(p.dir, "log"), filepath.Join(p.dir, "stall.jfr")
			record, err := asprof.Record(asprof.Recording{
				File: recording, CPUInterval: s.CPUInterval, AllocInterval: s.AllocInterval, LockThreshold: s.LockThreshold,
				MemoryLimit: l.ProfilerMemory, ChunkSize: l.ChunkSize, ChunkTime: s.Window, Timeout: time.Hour,
			}, log)
			if err != nil {
				b.Fatal(err)
			}
			p.run(record)
			time.Sleep(untilSeen)
			p.run(asprof.Dump(log))
			for b.Loop() {
				before := size(b, recording)
				var took []time.Duration
				for range cuts {
					time.Sleep(apart)
					took = append(took, p.run(asprof.Dump(log)).Took)
				}
				slices.Sort(took)
				b.ReportMetric(took[cuts/2].Seconds()*1000, "median-ms")
				b.ReportMetric(took[cuts-1].Seconds()*1000, "max-ms")
				b.ReportMetric(float64(size(b, recording)-before)/cuts/1000, "chunk-kB")
				b.ReportMetric(0, "ns/op")
			}
			p.run(asprof.Stop(log))
		})
	}
}

func size(b *testing.B, file string) int64 {
	b.Helper()
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}
