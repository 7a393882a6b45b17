package jfr

import (
	_ "embed"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/target"
)

//go:embed testdata/Matrix.java
var matrixSource []byte

// On each JDK the same program has the same names, and the weights and totals
// that it measures itself.
func TestEachJDK(t *testing.T) {
	named := map[string][]string{}
	for _, jdk := range jvmtest.JDKs() {
		t.Run(jdk, func(t *testing.T) { named[jdk] = checkJDK(t, jdk) })
	}
	for _, jdk := range jvmtest.JDKs() {
		for _, name := range []string{"Matrix$$Lambda.applyAsLong", "Matrix$$Lambda.invoke", "Matrix.spin", "Matrix.throughProxy"} {
			if !slices.Contains(named[jdk], name) {
				t.Errorf("Java %s has no %s in %q", jdk, name, named[jdk])
			}
		}
	}
}

// counter matches what counts in names: an address, or a number that is not one
// of the few that a compiler gives.
var counter = regexp.MustCompile(`0x[0-9a-f]{4}|[0-9]{4}|\$Proxy[0-9]|proxy[0-9]|Accessor[0-9]`)

// ways are the methods that use a part of the CPU time each, the same.
var ways = []string{"Matrix.throughLambda", "Matrix.throughHandle", "Matrix.throughProxy", "Matrix.throughReflection"}

func checkJDK(t *testing.T, jdk string) []string {
	r, cpu, bytes, waited := runMatrix(t, jdk, 1200)
	checkLedger(t, &r)
	cpuSet, allocSet, lockSet := setOf(t, &r, profile.CPU), setOf(t, &r, profile.Alloc), setOf(t, &r, profile.Lock)
	var used int64
	for _, way := range ways {
		used += through(cpuSet, way).Value
	}
	near(t, "CPU time", used, cpu, 10)
	// What is allowed is five standard deviations at least: some 120 to 240 samples each.
	for _, way := range ways {
		near(t, "CPU time of "+way, through(cpuSet, way).Value, used/int64(len(ways)), 45)
	}
	large, small := through(allocSet, "Matrix.large").Value, through(allocSet, "Matrix.small").Value
	near(t, "allocated bytes", large+small, bytes, 10)
	// Some 1,700 samples of the small, and what the samplers of old JVMs shift.
	near(t, "bytes of large objects", large, 3*small, 20)
	t.Logf("CPU %.3f, bytes %.3f, large to small %.3f", float64(used)/float64(cpu), float64(large+small)/float64(bytes), float64(large)/float64(small))
	// The JVM tells of a wait when it has tried for a while, and the program's
	// thread may wait for a CPU before and after.
	if wait := through(lockSet, "Matrix.waits").Value; wait > waited || wait < waited/2 {
		t.Errorf("waits: profile %d, the program %d", wait, waited)
	}
	var names []string
	for _, set := range r.Sets {
		for _, f := range set.Functions {
			if f.Kind == profile.Java || f.Kind == profile.Class {
				names = append(names, f.Name)
				if counter.MatchString(f.Name) {
					t.Errorf("name %s is of this JVM alone", f.Name)
				}
			}
		}
	}
	again, _, _, _ := runMatrix(t, jdk, 200) // some 20 samples each way or more: none is missed
	if diff := cmp.Diff(generatedIn(&r), generatedIn(&again)); diff != "" {
		t.Errorf("generated classes of two runs (-first +second):\n%s", diff)
	}
	return names
}

// generatedIn returns the classes of the thread's lambdas and proxies.
func generatedIn(r *Result) []string {
	var classes []string
	for _, f := range r.Sets[0].Functions {
		if class, _, _ := cutLast(f.Name, '.'); f.Kind == profile.Java && (strings.HasPrefix(class, "Matrix$$") || strings.HasSuffix(class, "$Proxy")) {
			classes = append(classes, class)
		}
	}
	slices.Sort(classes)
	return slices.Compact(classes)
}

func cutLast(s string, sep byte) (string, string, bool) {
	i := strings.LastIndexByte(s, sep)
	return s[:max(i, 0)], s[i+1:], i >= 0
}

// runMatrix records the program from its start to its end, and returns what it
// says of itself.
func runMatrix(t *testing.T, jdk string, rounds int) (r Result, cpu, bytes, waited int64) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "matrix.jfr")
	agent := fmt.Sprintf("-agentpath:%s=start,event=cpu,interval=5ms,alloc=512k,lock=1ms,jfr,file=%s,log=%s.log", jvmtest.Library(t), file, file)
	cmd := exec.Command(jvmtest.Java(t, jdk), agent, "-Xmx128m", "-XX:+UseSerialGC", "-cp", jvmtest.Compile(t, "Matrix", matrixSource), "Matrix", fmt.Sprint(rounds))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := fmt.Sscan(string(out), &cpu, &bytes, &waited); err != nil {
		t.Fatalf("the program printed %q: %v", out, err)
	}
	f, layout := openRecording(t, file)
	o := DefaultOptions()
	o.Settings.Tick = target.KernelTick()
	r = decode(f, layout.Chunks, &o, func(int) {})
	if len(layout.Losses)+len(r.Losses) > 0 || layout.Unfinished.Bytes > 0 {
		t.Fatalf("losses %+v %+v", layout, r.Losses)
	}
	return r, cpu, bytes, waited
}

func setOf(t *testing.T, r *Result, of profile.Type) *profile.StackSet {
	t.Helper()
	for i := range r.Sets {
		if r.Sets[i].Type == of {
			return &r.Sets[i]
		}
	}
	t.Fatalf("no samples of %s", of)
	return nil
}

// through is what was measured in stacks with a method.
func through(set *profile.StackSet, name string) (a profile.Amount) {
	f := slices.Index(set.Functions, profile.Function{Name: name, Kind: profile.Java})
	for _, s := range set.Stacks {
		if f >= 0 && slices.Contains(s.Frames, uint32(f)) {
			a = a.Add(profile.Amount{Value: s.Value, Count: s.Count})
		}
	}
	return a
}

func near(t *testing.T, what string, got, want, percent int64) {
	t.Helper()
	if off := max(got-want, want-got); off > want*percent/100 {
		t.Errorf("%s: profile %d, the program %d: more than %d %% off", what, got, want, percent)
	}
}
