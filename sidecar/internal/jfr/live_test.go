package jfr

import (
	_ "embed"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr/jfrtest"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

// liveChunk is of a profiler that looked each second. Objects were allocated at some
// ticks, and are alive.
func liveChunk(collections []uint64, allocated ...uint64) *jfrtest.Chunk {
	c := jfrtest.NewChunk()
	c.Profiler("ctimer", "cpu", "0")
	c.Setting(inNewTLAB, "alloc", "65536")
	for _, at := range allocated { // they may stand before what is known of collections
		c.Event(liveObject, jfrtest.Fields{"stackTrace": c.Stack("Main.keep"), "objectClass": c.Class("[B"), "allocationSize": 64, "allocationTime": at})
	}
	for i, number := range collections {
		c.Event(cpuLoad, jfrtest.Fields{"startTime": second * uint64(i+1)})
		if i == 0 && number > 0 || i > 0 && number != collections[i-1] {
			c.Event(gcHeapSummary, jfrtest.Fields{"startTime": second*uint64(i+1) + 1, "gcId": number})
		}
	}
	return c
}

const second = 1_000_000_000 // ticks

// An object counts if it was there at a collection. That there was one is known once
// the profiler finds a new number, and then since it looked before.
func TestLiveObjectsHaveSurvivedACollection(t *testing.T) {
	const each = 65568 // bytes that an object of 64 stands for
	for name, test := range map[string]struct {
		collections     []uint64 // the number that the profiler finds each second
		allocated       []uint64
		live, undecided int64
	}{
		"none":                         {[]uint64{0, 0, 0}, []uint64{1, second}, 0, 2},
		"of before the recording":      {[]uint64{5, 5, 5}, []uint64{1, second}, 0, 2},
		"one":                          {[]uint64{5, 5, 5, 6, 6}, []uint64{second, 3*second - 1, 3 * second, 5 * second}, 2, 2},
		"one each second":              {[]uint64{5, 6, 7, 8}, []uint64{1, 2 * second, 3*second - 1, 3 * second}, 3, 1},
		"the first may be of any time": {[]uint64{0, 0, 1, 1}, []uint64{1}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := decodeChunks(t, DefaultOptions(), liveChunk(test.collections, test.allocated...))
			got, losses := scanned(t, &r, profile.Live)
			if want := (profile.Amount{Value: test.live * each, Count: test.live}); got != want {
				t.Errorf("live %+v, want %+v", got, want)
			}
			var want []profile.Loss
			if n := test.undecided; n > 0 {
				want = []profile.Loss{{Outcome: profile.Noticed, Reason: profile.LiveUndecided, Value: n * each, Count: n}}
			}
			if diff := cmp.Diff(want, losses); diff != "" {
				t.Errorf("losses (-want +got):\n%s", diff)
			}
		})
	}
}

// The collections of one chunk hold for objects in a later one.
func TestCollectionsHoldForLaterChunks(t *testing.T) {
	first, last := liveChunk([]uint64{5, 5, 6}), liveChunk(nil, second, 2*second)
	last.Start = first.Start.Add(first.Duration)
	r := decodeChunks(t, DefaultOptions(), first, last)
	if got, _ := scanned(t, &r, profile.Live); got.Count != 1 {
		t.Errorf("%d live objects, want 1", got.Count)
	}
}

// Without an interval it is not known what an object stands for.
func TestLiveObjectsWithoutAnInterval(t *testing.T) {
	c := jfrtest.NewChunk()
	c.Event(liveObject, jfrtest.Fields{"stackTrace": c.Stack("Main.keep"), "objectClass": c.Class("[B"), "allocationSize": 64, "allocationTime": 1})
	c.Event(gcHeapSummary, jfrtest.Fields{"gcId": 1})
	c.Event(cpuLoad, jfrtest.Fields{"startTime": second})
	c.Event(cpuLoad, jfrtest.Fields{"startTime": 2 * second})
	c.Event(gcHeapSummary, jfrtest.Fields{"gcId": 2})
	r := decodeChunks(t, DefaultOptions(), c)
	got, losses := scanned(t, &r, profile.Live)
	want := []profile.Loss{{Outcome: profile.Unvalued, Reason: profile.IntervalUnknown, Count: 1}}
	if diff := cmp.Diff(want, losses); diff != "" || got != (profile.Amount{Count: 1}) {
		t.Errorf("live %+v, losses (-want +got):\n%s", got, diff)
	}
}

// More allocations than the profiler can follow may have left some out.
func TestTheTableOfLiveObjectsMayBeFull(t *testing.T) {
	for samples, full := range map[int]bool{LiveTable: false, LiveTable + 1: true} {
		c := jfrtest.NewChunk()
		c.Profiler("ctimer", "cpu", "0")
		c.Setting(inNewTLAB, "alloc", "65536")
		stack, class := c.Stack("Main.keep"), c.Class("[B")
		for range samples {
			c.Event(inNewTLAB, jfrtest.Fields{"stackTrace": stack, "objectClass": class, "allocationSize": 64, "tlabSize": 65536})
		}
		r := decodeChunks(t, DefaultOptions(), c)
		_, losses := scanned(t, &r, profile.Live)
		var want []profile.Loss
		if full {
			want = []profile.Loss{{Outcome: profile.Noticed, Reason: profile.LiveTableFull, Count: int64(samples)}}
		}
		if diff := cmp.Diff(want, losses); diff != "" {
			t.Errorf("%d samples: losses (-want +got):\n%s", samples, diff)
		}
	}
}

//go:embed testdata/Live.java
var liveSource []byte

// Of a program that keeps one object in four, each sampled object that it keeps is
// found alive, none that it drops, and their share is a quarter.
func TestTheLiveShareIsFound(t *testing.T) {
	for _, jdk := range []string{"11", "17", "25"} {
		t.Run(jdk, func(t *testing.T) { checkLive(t, jdk) })
	}
}

func checkLive(t *testing.T, jdk string) {
	const objects = 12_800 // of 8 KiB: some 800 samples
	file := filepath.Join(t.TempDir(), "live.jfr")
	agent := fmt.Sprintf("-agentpath:%s=start,event=cpu,alloc=128k,live,jfr,file=%s,log=%s.log", jvmtest.Library(t), file, file)
	cmd := exec.Command(jvmtest.Java(t, jdk), agent, "-Xmx128m", "-XX:+UseSerialGC", "-cp", jvmtest.Compile(t, "Live", liveSource), "Live", fmt.Sprint(objects))
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(objects/4) {
		t.Fatalf("%v: %s", err, out)
	}
	f, layout := openRecording(t, file)
	raw, o := DefaultOptions(), DefaultOptions()
	raw.Raw = true
	all, judged := decode(f, layout.Chunks, &raw, func(int) {}), decode(f, layout.Chunks, &o, func(int) {})
	alloc, live := setOf(t, &all, profile.Alloc), setOf(t, &all, profile.Live)
	kept, dropped := through(alloc, "Live.keep").Count, through(alloc, "Live.drop").Count
	if got := through(live, "Live.keep").Count; got != kept || kept == 0 {
		t.Errorf("%d live objects of %d samples that were kept", got, kept)
	}
	if got := through(live, "Live.drop").Count; got != 0 {
		t.Errorf("%d live objects of %d samples that were dropped", got, dropped)
	}
	share, sigma := float64(kept)/float64(kept+dropped), math.Sqrt(0.25*0.75/float64(kept+dropped))
	t.Logf("%d samples kept, %d dropped, share %.3f", kept, dropped, share)
	if math.Abs(share-0.25) > 5*sigma {
		t.Errorf("share %.3f of the samples is live, the program kept 0.25", share)
	}
	stored, losses := scanned(t, &judged, profile.Live)
	for _, l := range losses {
		if l.Reason == profile.LiveUndecided {
			stored.Count += l.Count
		}
	}
	if stored.Count != live.Total().Count {
		t.Errorf("%d live objects are counted or undecided, of %d", stored.Count, live.Total().Count)
	}
}
