package agent

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

//go:embed testdata/Classes.java
var classesSource []byte

const (
	loadedClasses = 20000
	cuts          = 100
	apart         = 500 * time.Millisecond
	untilSeen     = 20 * time.Second
)

// BenchmarkStall measures what it costs to cut a window in a JVM of 20,000 classes:
//
//   - command: how long the sidecar waits for the answer of the profiler.
//   - blind: for how long there is no sample before and after the cut.
//   - stopped: the longest time that a busy thread did not run during the command, and
//     for comparison during as long a time half way to the next one.
//
// Each chunk names all classes that samples have met since the JVM's first session, and
// the methods and stacks of its own samples. An application on Spring Boot of 18,700
// loaded classes had met 2,000 after some minutes; a minute had 2,800 stacks of 100 to 150
// frames and 4,500 methods: seen=3000/stacks=many is like it. In the others samples have
// met all classes. A stack costs about 1.4 µs, a method 4 µs where the caches have it no
// more, as after a minute, and a class 1 µs.
func BenchmarkStall(b *testing.B) {
	for _, jdk := range []string{"17", "25"} {
		for _, c := range []struct {
			seen   int
			stacks string
			calm   time.Duration // when the thread stays with one stack
		}{{3000, "many", time.Hour}, {loadedClasses, "one", untilSeen - 5*time.Second}, {loadedClasses, "many", time.Hour}} {
			b.Run(fmt.Sprintf("java=%s/seen=%d/stacks=%s", jdk, c.seen, c.stacks), func(b *testing.B) {
				p := newPayer(b, jdk, jvmtest.Options{
					Main: "Classes", Threads: []string{fmt.Sprint(loadedClasses), fmt.Sprint(c.seen), fmt.Sprint(int(c.calm.Seconds()))},
					Flags: []string{"-Xmx512m", "-Xss8m", "-cp", jvmtest.Compile(b, "Classes", classesSource)},
				})
				for b.Loop() {
					p.measureCuts()
				}
			})
		}
	}
}

func (p *payer) measureCuts() {
	p.Helper()
	log, recording := filepath.Join(p.dir, "log"), filepath.Join(p.dir, "stall.jfr")
	p.record(recording, log)
	time.Sleep(untilSeen)
	p.run(asprof.Dump(log))
	var commands []slice
	before := size(p, recording)
	for range cuts {
		time.Sleep(apart)
		s := slice{from: now()}
		p.run(asprof.Dump(log))
		s.to = now()
		commands = append(commands, s)
	}
	p.ReportMetric(float64(size(p, recording)-before)/cuts/1000, "chunk-kB")
	time.Sleep(apart)
	p.run(asprof.Stop(log))

	stops := p.stops()
	p.percentiles("command", commands, slice.length)
	p.percentiles("blind", p.blind(recording), slice.length)
	p.percentiles("stopped", commands, func(s slice) float64 { return longestWithin(stops, s) })
	p.percentiles("stopped-else", commands, func(s slice) float64 {
		later := float64(apart) / 2
		return longestWithin(stops, slice{s.from + later, s.to + later})
	})
	p.ReportMetric(0, "ns/op")
}

func (p *payer) record(file, log string) {
	p.Helper()
	s, l := contract.DefaultSettings(), DefaultLimits()
	record, err := asprof.Record(asprof.Recording{
		File: file, CPUInterval: s.CPUInterval, AllocInterval: s.AllocInterval, LockThreshold: s.LockThreshold,
		MemoryLimit: l.ProfilerMemory, ChunkSize: l.ChunkSize, ChunkTime: s.Window, Timeout: time.Hour,
	}, log)
	if err != nil {
		p.Fatal(err)
	}
	p.run(record)
}

func (s slice) length() float64 { return s.to - s.from }

// percentiles reports the median, the 99th percentile and the most of ns of each slice.
func (p *payer) percentiles(of string, slicesOfTime []slice, ns func(slice) float64) {
	p.Helper()
	var all []float64
	for _, s := range slicesOfTime {
		all = append(all, ns(s)/float64(time.Millisecond))
	}
	slices.Sort(all)
	p.ReportMetric(all[len(all)/2], of+"-p50-ms")
	p.ReportMetric(all[(len(all)*99-1)/100], of+"-p99-ms")
	p.ReportMetric(all[len(all)-1], of+"-max-ms")
}

// stops are the times at which the thread of the JVM did not run.
func (p *payer) stops() (stops []slice) {
	p.Helper()
	for line := range strings.Lines(p.jvm.Output(p)) {
		var s slice
		if n, _ := fmt.Sscan(line, &s.from, &s.to); n == 2 && strings.HasSuffix(line, "\n") {
			stops = append(stops, s)
		}
	}
	return stops
}

func longestWithin(stops []slice, s slice) (longest float64) {
	for _, stop := range stops {
		longest = max(longest, min(stop.to, s.to)-max(stop.from, s.from))
	}
	return longest
}

// blind are the times from the last sample of a chunk to the first of the next one, at
// the end of each cut.
func (p *payer) blind(recording string) (gaps []slice) {
	p.Helper()
	f, err := os.Open(recording)
	if err != nil {
		p.Fatal(err)
	}
	defer f.Close()
	layout, err := jfr.Scan(f, 0, size(p, recording))
	if err != nil {
		p.Fatal(err)
	}
	if len(layout.Chunks) < cuts+1 {
		p.Fatalf("%d chunks after %d cuts", len(layout.Chunks), cuts)
	}
	last := 0.0
	for i, c := range layout.Chunks[len(layout.Chunks)-cuts-1:] {
		sampled := p.sampled(f, c)
		if i > 0 {
			gaps = append(gaps, slice{last, sampled.from})
		}
		last = sampled.to
	}
	return gaps
}

// Parts of a recording as async-profiler writes it.
const (
	headerBytes      = 68
	poolsOffsetAt    = 16 // in the header
	ticksPerSecondAt = 56
	cpuSample        = 101
	allocSample      = 102
)

// sampled is the time from the first to the last sample of a chunk.
func (p *payer) sampled(recording io.ReaderAt, c jfr.Chunk) slice {
	p.Helper()
	chunk := make([]byte, c.Size)
	if _, err := recording.ReadAt(chunk, c.Offset); err != nil {
		p.Fatal(err)
	}
	var times []uint64
	events := chunk[:binary.BigEndian.Uint64(chunk[poolsOffsetAt:])]
	for at := uint64(headerBytes); at < uint64(len(events)); {
		size, n := binary.Uvarint(events[at:])
		kind, m := binary.Uvarint(events[at+uint64(n):])
		ticks, _ := binary.Uvarint(events[at+uint64(n+m):])
		if kind == cpuSample || kind == allocSample {
			times = append(times, ticks)
		}
		at += size
	}
	if len(times) == 0 {
		p.Fatalf("no sample in the chunk at byte %d", c.Offset)
	}
	tick := float64(time.Second) / float64(binary.BigEndian.Uint64(chunk[ticksPerSecondAt:]))
	return slice{float64(slices.Min(times)) * tick, float64(slices.Max(times)) * tick}
}

func size(p *payer, file string) int64 {
	p.Helper()
	info, err := os.Stat(file)
	if err != nil {
		p.Fatal(err)
	}
	return info.Size()
}
