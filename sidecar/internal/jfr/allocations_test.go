package jfr

import (
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

//go:embed testdata/Allocations.java
var allocationsSource []byte

const (
	allocated     = 200_000_000 // bytes of each size, at least: some 3,000 samples
	allocInterval = 64 << 10
)

// sizesAllocated are the methods of the program: one for each size, from 64 bytes
// to twice the interval.
func sizesAllocated() []string {
	return []string{"tiny", "sixtyFourth", "eighth", "half", "once", "twice"}
}

// Whatever the size of objects, on each JDK, the profile has the bytes that were
// allocated, whether the sizes come one after another or take turns; on old ones
// about those in sum.
func TestAllocatedBytesAreTrueForEachSize(t *testing.T) {
	for _, jdk := range jvmtest.JDKs() {
		for _, order := range []string{"apart", "mixed"} {
			t.Run(jdk+"/"+order, func(t *testing.T) {
				t.Parallel()
				checkAllocations(t, jdk, order)
			})
		}
	}
}

func checkAllocations(t *testing.T, jdk, order string) {
	want, r := runAllocations(t, jdk, order)
	set := setOf(t, &r, profile.Alloc)
	version, err := strconv.Atoi(jdk)
	if err != nil {
		t.Fatal(err)
	}
	// What does not fit into a TLAB comes out apart from what does in the old ones.
	shifts := version < remembersSince && order == "mixed" || version < resetsSince
	var found, truth int64
	var shares []string
	for i, method := range sizesAllocated() {
		got := through(set, "Allocations."+method).Value
		found, truth = found+got, truth+want[i]
		share := float64(got) / float64(want[i])
		shares = append(shares, fmt.Sprintf("%s %.3f", method, share))
		lowest, highest := 0.88, 1.12
		if shifts { // see heapSampler
			lowest, highest = 0.6, 1.6
		}
		if share < lowest || share > highest {
			t.Errorf("%s: the profile has %.3f of the bytes", method, share)
		}
	}
	t.Logf("total %.4f of the truth; %s", float64(found)/float64(truth), strings.Join(shares, ", "))
	if shifts {
		near(t, "allocated bytes", found, truth, 15)
	} else {
		near(t, "allocated bytes", found, truth, 4)
	}
	told := slices.ContainsFunc(r.coverageOf(profile.Alloc).Losses, func(l profile.Loss) bool { return l.Reason == profile.AllocSharesEstimated })
	if told != (version < remembersSince) {
		t.Errorf("shares are told to be estimates: %t", told)
	}
	if r.Settings.Java != version {
		t.Errorf("Java %d in the settings", r.Settings.Java)
	}
}

// runAllocations returns the bytes of each size, and what was recorded of them.
func runAllocations(t *testing.T, jdk, order string) (want [6]int64, r Result) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "allocations.jfr")
	agent := fmt.Sprintf("-agentpath:%s=start,event=ctimer,interval=100ms,alloc=%d,jfr,file=%s,log=%s.log", jvmtest.Library(t), allocInterval, file, file)
	cmd := exec.Command(jvmtest.Java(t, jdk), agent, "-Xmx128m", "-XX:+UseSerialGC", "-cp", jvmtest.Compile(t, "Allocations", allocationsSource),
		"Allocations", order, strconv.Itoa(allocated), strconv.Itoa(allocInterval))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := fmt.Sscan(string(out), &want[0], &want[1], &want[2], &want[3], &want[4], &want[5]); err != nil {
		t.Fatalf("the program printed %q: %v", out, err)
	}
	f, layout := openRecording(t, file)
	o := DefaultOptions()
	return want, decode(f, layout.Chunks, &o, func(int) {})
}

// jvmSampler is the JVM's sampler as its source has it (threadHeapSampler.cpp).
type jvmSampler struct {
	heapSampler
	random *rand.Rand
	until  float64 // bytes to the next sample
}

func (s *jvmSampler) takes(size float64) bool {
	if size < s.until {
		s.until -= size
		return false
	}
	s.until = s.random.ExpFloat64() * float64(s.interval)
	if s.resumes && s.until > size {
		s.until -= size
	}
	return true
}

// The weights make sums right for whatever mixture of sizes. The numbers are the
// same in every run.
func TestAllocationWeightsAreUnbiased(t *testing.T) {
	for name, c := range map[string]struct {
		resumes bool
		sizes   []float64 // of the interval, which take turns
		each    float64   // how far each size may be off
	}{
		"one size, a hundredth":          {false, []float64{0.01}, 0.02},
		"one size, the interval":         {false, []float64{1}, 0.01},
		"sizes that take turns":          {false, []float64{0.02, 3, 0.3, 1, 0.1}, 0.06},
		"resumes, a hundredth":           {true, []float64{0.01}, 0.02},
		"resumes, the interval":          {true, []float64{1}, 0.01},
		"resumes, 3":                     {true, []float64{3}, 0.01},
		"resumes, large and many little": {true, append([]float64{1}, slices.Repeat([]float64{0.01}, 200)...), 0.25},
	} {
		t.Run(name, func(t *testing.T) {
			const interval, samples = 1 << 20, 40_000
			mean := 0.0
			for _, of := range c.sizes {
				mean += min(of, 1) / float64(len(c.sizes))
			}
			objects := int(min(1_000_000, samples/mean))
			s := jvmSampler{heapSampler: heapSampler{interval: interval, resumes: c.resumes}, random: rand.New(rand.NewPCG(1, 2))}
			s.until = s.random.ExpFloat64() * interval
			found, truth := map[float64]float64{}, map[float64]float64{}
			var foundAll, all float64
			for i := range objects {
				of := c.sizes[i%len(c.sizes)]
				size := math.Round(of * interval)
				truth[of] += size
				all += size
				if s.takes(size) {
					w := float64(s.weigh(int64(size)))
					found[of] += w
					foundAll += w
				}
			}
			for of := range truth {
				if off := found[of]/truth[of] - 1; math.Abs(off) > c.each {
					t.Errorf("objects of %.2f intervals: %+.1f %%", of, 100*off)
				}
			}
			if off := foundAll/all - 1; math.Abs(off) > 0.02 {
				t.Errorf("all: %+.1f %%", 100*off)
			}
		})
	}
}

func TestHeapSamplerTellsItsEvents(t *testing.T) {
	h := heapSampler{interval: 1000}
	for _, c := range []struct {
		size, tlab int64
		want       bool
	}{{10, 1000, true}, {1000, 1000, true}, {5000, 5000, true}, {10, 4096, false}, {5000, 8192, false}, {0, 1000, false}} {
		if got := h.took(c.size, c.tlab); got != c.want {
			t.Errorf("object of %d, %d in the place of the TLAB: %t", c.size, c.tlab, got)
		}
	}
	if (heapSampler{}).took(1000, 1000) {
		t.Error("an interval that is not known is believed")
	}
}

// Objects of which the old samplers shift shares by more than a few percent are told.
func TestSharesAreEstimatesFromThatSizeOn(t *testing.T) {
	const interval = 512 << 10
	for name, c := range map[string]struct {
		sampler heapSampler
		size    int64
		told    bool
	}{
		"Java 17, 9 kB":         {heapSampler{interval: interval, forgets: true}, 9_000, false},
		"Java 17, 30 kB":        {heapSampler{interval: interval, forgets: true}, 30_000, true},
		"Java 11, 60 kB":        {heapSampler{interval: interval, resumes: true}, 60_000, true},
		"Java 25, 1 MB":         {heapSampler{interval: interval}, 1_000_000, false},
		"Java 17, wide sampler": {heapSampler{interval: 4 << 20, forgets: true}, 30_000, false},
	} {
		if told := c.sampler.shifts(c.size); told != c.told {
			t.Errorf("%s: told %t", name, told)
		}
	}
}
