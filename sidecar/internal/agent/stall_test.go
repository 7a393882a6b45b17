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

// BenchmarkStall measures for how long the profiler of a JVM records nothing while a
// window is cut, after it has seen 20,000 classes: all chunks name all classes that were
// seen since the session began, which chunk-kB shows. With methods=few the JVM has
// settled on few methods by then; with methods=all each chunk has thousands to name.
func BenchmarkStall(b *testing.B) {
	const classes, untilSeen, cuts, apart = "20000", 55 * time.Second, 60, time.Second
	for _, c := range []struct{ jdk, methods, calmAfter string }{{"17", "few", "50"}, {"25", "few", "50"}, {"17", "all", "3600"}} {
		b.Run("java="+c.jdk+"/methods="+c.methods, func(b *testing.B) {
			p := newPayer(b, c.jdk, jvmtest.Options{
				Main: "Classes", Threads: []string{classes, c.calmAfter},
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
