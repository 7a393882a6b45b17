// Package truth lets the whole chain run under faults, keeps every byte of every
// recording, and has an independent program count them again: what the API says
// was captured, stored and lost must be exactly that.
//
// In make test it runs for a minute. The long form:
//
//	make build && go test ./tests/truth -length 10m -seed 7 -jvms 4 -timeout 30m
package truth

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/podflame/podflame/tests/internal/freeport"
	"github.com/podflame/podflame/tests/internal/stack"
)

var (
	length = flag.Duration("length", time.Minute, "time for which the chain runs under faults")
	seed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the faults")
	jvms   = flag.Int("jvms", 2, "JVMs that run at a time")
)

const (
	window    = 5 * time.Second
	interval  = 10 * time.Millisecond
	threshold = time.Millisecond
	patience  = 4 * time.Minute
)

// fleet is a backend and several JVMs, each with its sidecar.
type fleet struct {
	t       *testing.T
	paths   stack.Paths
	listen  string
	classes string            // with Load and Recount
	sidecar string            // program whose clock can be stepped
	preload string            // library that steps the clock of a JVM
	jdks    map[string]string // Java commands
	backend *stack.Backend
	lives   int
	all     []*life
	started time.Time
	random  *rand.Rand
}

func startFleet(t *testing.T) *fleet {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{
		t: t, paths: stack.Paths{Build: filepath.Join(root, "build"), Work: t.TempDir()}, jdks: runtimes(t),
		random: rand.New(rand.NewPCG(*seed, 0)),
	}
	if _, err := os.Stat(filepath.Join(f.paths.Build, "backend")); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	t.Logf("seed %d, %s, %d JVMs of %v", *seed, *length, *jvms, slices.Sorted(maps.Keys(f.jdks)))
	f.compile()
	f.buildClocks(root)
	f.listen, err = freeport.Address()
	f.must(err)
	f.startBackend()
	t.Cleanup(func() { f.backend.Stop() })
	t.Cleanup(f.showLogs)
	f.started = time.Now()
	return f
}

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) compile() {
	f.t.Helper()
	f.classes = filepath.Join(f.paths.Work, "classes")
	for _, source := range []struct{ file, release string }{{"Load.java", "11"}, {"Recount.java", "17"}} {
		out, err := exec.Command("javac", "--release", source.release, "-d", f.classes, filepath.Join("java", source.file)).CombinedOutput()
		if err != nil {
			f.t.Fatalf("compile %s: %v\n%s", source.file, err, out)
		}
	}
}

// buildClocks builds a sidecar, and a library for JVMs, that read from a file by
// how much their clock is set wrong.
func (f *fleet) buildClocks(root string) {
	f.t.Helper()
	f.sidecar, f.preload = filepath.Join(f.paths.Work, "sidecar"), filepath.Join(f.paths.Work, "clock.so")
	for _, args := range [][]string{
		{"go", "build", "-C", root, "-tags", "steppedclock", "-o", f.sidecar, "./sidecar"},
		{"cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", f.preload, filepath.Join("c", "clock.c")},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			f.t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
}

func (f *fleet) startBackend() {
	f.t.Helper()
	ctx, cancel := contextOf(f.t)
	defer cancel()
	backend, err := stack.StartBackend(ctx, f.paths, f.listen)
	f.must(err)
	f.backend = backend
}

// showLogs shows the end of each log when the test has failed.
func (f *fleet) showLogs() {
	if !f.t.Failed() {
		return
	}
	f.t.Logf("run it again with -seed %d", *seed)
	for _, l := range f.all {
		f.t.Logf("%s: the sidecar's log ends:\n%s", l.service, l.sidecar.LogTail())
	}
}

// jdkOf spreads JVMs over the runtimes.
func (f *fleet) jdkOf(i int) string {
	names := slices.Sorted(maps.Keys(f.jdks))
	return names[i%len(names)]
}

func (f *fleet) say(format string, args ...any) {
	f.t.Logf("%7.1f s: %s", time.Since(f.started).Seconds(), fmt.Sprintf(format, args...))
}
