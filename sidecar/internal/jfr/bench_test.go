package jfr

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/jfr-parser/parser"

	"github.com/podflame/podflame/backend/profile"
)

// BenchmarkDecode decodes a recording of about 25 MB that a real JVM made. The
// metric to compare is CPU time: cpu-ms/op, of this process and its children.
// The others tell what the same recording costs otherwise.
func BenchmarkDecode(b *testing.B) {
	f, layout := benchRecording(b)
	size := sizeOf(layout.Chunks)
	b.Run("bytes", func(b *testing.B) { measured(b, size, func() Cost { sumBytes(b, f, layout.Chunks); return Cost{} }) })
	b.Run("here", func(b *testing.B) {
		o := DefaultOptions()
		measured(b, size, func() Cost { decode(f, layout.Chunks, &o, func(int) {}); return Cost{} })
	})
	b.Run("child", func(b *testing.B) { measured(b, size, func() Cost { return decodeInChild(b, f, layout.Chunks) }) })
	b.Run("jfr-parser-counting-ids", func(b *testing.B) {
		measured(b, size, func() Cost { countIDs(b, f, layout.Chunks); return Cost{} })
	})
	b.Run("converter-all-types", func(b *testing.B) {
		jar := converter(b)
		measured(b, size, func() Cost { return convert(b, jar, f.Name()) })
	})
}

// measured runs fn b.N times and reports throughput, CPU time and, where known,
// the resident memory of the child.
func measured(b *testing.B, size int64, fn func() Cost) {
	b.SetBytes(size)
	b.ReportAllocs()
	var peak int64
	before := cpuTime(b)
	for b.Loop() {
		peak = max(peak, fn().PeakBytes)
	}
	spent := cpuTime(b) - before
	b.ReportMetric(float64(spent.Microseconds())/1e3/float64(b.N), "cpu-ms/op")
	if peak > 0 {
		b.ReportMetric(float64(peak)/(1<<20), "child-peak-MiB")
	}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

var sink byte

func sumBytes(b *testing.B, f *os.File, chunks []Chunk) {
	for _, c := range chunks {
		for _, v := range readChunkBytes(b, f, c) {
			sink += v
		}
	}
}

func readChunkBytes(b *testing.B, f *os.File, c Chunk) []byte {
	b.Helper()
	buf := make([]byte, c.Size)
	if _, err := f.ReadAt(buf, c.Offset); err != nil {
		b.Fatal(err)
	}
	return buf
}

func decodeInChild(b *testing.B, f *os.File, chunks []Chunk) Cost {
	r, err := NewDecoder().Decode(b.Context(), f, chunks, DefaultOptions())
	if err != nil || len(r.Losses) > 0 {
		b.Fatalf("losses %+v, %v", r.Losses, err)
	}
	return r.Cost
}

// countIDs is the least that can be done with jfr-parser alone: events by type
// and stack id, without names.
func countIDs(b *testing.B, f *os.File, chunks []Chunk) {
	for _, c := range chunks {
		p := parser.NewParser(readChunkBytes(b, f, c), parser.Options{})
		counts := map[[2]uint64]int{}
		for {
			id, err := p.ParseEvent()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			var stack uint64
			switch id {
			case p.TypeMap.T_EXECUTION_SAMPLE:
				stack = uint64(p.ExecutionSample.StackTrace)
			case p.TypeMap.T_ALLOC_IN_NEW_TLAB:
				stack = uint64(p.ObjectAllocationInNewTLAB.StackTrace)
			case p.TypeMap.T_MONITOR_ENTER:
				stack = uint64(p.JavaMonitorEnter.StackTrace)
			case p.TypeMap.T_THREAD_PARK:
				stack = uint64(p.ThreadPark.StackTrace)
			}
			counts[[2]uint64{uint64(id), stack}]++
		}
		if len(counts) == 0 {
			b.Fatal("no events")
		}
	}
}

func cacheDir(b *testing.B) string {
	b.Helper()
	if dir := os.Getenv("PODFLAME_CACHE"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		b.Skip(err)
	}
	return filepath.Join(home, ".cache", "podflame")
}

// converter returns async-profiler's own converter, if it is on this machine.
func converter(b *testing.B) string {
	b.Helper()
	home, _ := os.UserHomeDir()
	for _, path := range []string{
		os.Getenv("PODFLAME_JFR_CONVERTER"),
		filepath.Join(home, ".m2/repository/tools/profiler/jfr-converter/4.5/jfr-converter-4.5.jar"),
	} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	b.Skip("no converter; mvn dependency:get -Dartifact=tools.profiler:jfr-converter:4.5, or set PODFLAME_JFR_CONVERTER to the jar")
	return ""
}

// convert makes collapsed stacks of the same three types, one run each.
func convert(b *testing.B, jar, recording string) Cost {
	var cost Cost
	for _, t := range []profile.Type{profile.CPU, profile.Alloc, profile.Lock} {
		cmd := exec.Command("java", "-jar", jar, "-o", "collapsed", "--"+string(t), "--total", recording, filepath.Join(b.TempDir(), "out"))
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		cost.add(cmd.ProcessState, false)
	}
	return cost
}

// benchVersion is part of the name of the cached recording: change it with the
// options below.
const benchVersion = 2

// benchRecording returns a recording of many stacks and allocations. It is made
// once, by the profiler in a JVM, and kept in the cache.
func benchRecording(b *testing.B) (*os.File, Layout) {
	b.Helper()
	cache := cacheDir(b)
	path := filepath.Join(cache, "bench", fmt.Sprintf("recording-v%d.jfr", benchVersion))
	if _, err := os.Stat(path); err != nil {
		record(b, cache, path)
	}
	f, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	layout, err := Scan(f, 0, info.Size())
	if err != nil || len(layout.Chunks) == 0 {
		b.Fatalf("layout %+v, %v", layout, err)
	}
	return f, layout
}

func record(b *testing.B, cache, path string) {
	b.Helper()
	library := filepath.Join(cache, "async-profiler-4.5", "linux-x64", "libasyncProfiler.so")
	if _, err := os.Stat(library); err != nil {
		b.Skipf("no profiler library; run tests/setup/setup.sh profiler: %v", err)
	}
	if _, err := exec.LookPath("javac"); err != nil {
		b.Skip(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	classes, temporary := b.TempDir(), path+".tmp"
	command(b, "javac", "-d", classes, filepath.Join(fixtures, "Workload.java"))
	command(b, "java", "-Ddepth=60", "-Dpathbits=14",
		"-agentpath:"+library+"=start,event=cpu,interval=1ms,alloc=3k,lock=10us,jfr,file="+temporary,
		"-cp", classes, "demo.Workload", "deep,alloc,lambda,lock,park", "1", "10")
	if err := errors.Join(repeat(temporary, benchBytes), os.Rename(temporary, path)); err != nil {
		b.Fatal(err)
	}
}

// benchBytes is the least size of the recording. How much a JVM allocates in
// ten seconds depends on the machine, so the recording is appended to itself.
const benchBytes = 25_000_000

func repeat(path string, atLeast int) error {
	once, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	all := once
	for len(all) < atLeast && len(once) > 0 {
		all = append(all, once...)
	}
	return os.WriteFile(path, all, 0o644)
}

func command(b *testing.B, name string, args ...string) {
	b.Helper()
	if out, err := exec.CommandContext(b.Context(), name, args...).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", name, err, out)
	}
}
