package jfr

import (
	_ "embed"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jfr/jfrtest"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

// An allocation of native memory stands for the interval, or for more by itself; a wait
// for a native lock is weighed as one for a lock of Java is.
func TestNativeEventsStandForTheirIntervals(t *testing.T) {
	type amounts map[profile.Type]profile.Amount
	for name, test := range map[string]struct {
		interval, threshold string // empty: the recording does not say
		raw                 bool
		want                amounts
		losses              []profile.Loss
	}{
		"sampled": {"1000", "5000000", false, amounts{
			profile.NativeMem: {Value: 1000 + 3000, Count: 2}, profile.NativeLock: {Value: 5_000_000 + 8_000_000, Count: 5 + 1},
		}, nil},
		"each": {"0", "0", false, amounts{
			profile.NativeMem: {Value: 10 + 3000, Count: 2}, profile.NativeLock: {Value: 9_000_000, Count: 2},
		}, nil},
		"raw": {"1000", "5000000", true, amounts{
			profile.NativeMem: {Value: 10 + 3000, Count: 2}, profile.NativeLock: {Value: 9_000_000, Count: 2},
		}, nil},
		"not known": {"", "", false, amounts{
			profile.NativeMem: {Count: 2}, profile.NativeLock: {Count: 2},
		}, []profile.Loss{{Outcome: profile.Unvalued, Reason: profile.IntervalUnknown, Count: 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := jfrtest.NewChunk()
			if test.interval != "" {
				c.Setting(malloc, "nativemem", test.interval)
				c.Setting(nativeLock, "nativelock", test.threshold)
			}
			stack := c.Stack("Main.main")
			for _, size := range []uint64{10, 3000} {
				c.Event(malloc, jfrtest.Fields{"stackTrace": stack, "address": 1 << 40, "size": size})
			}
			for _, wait := range []time.Duration{time.Millisecond, 8 * time.Millisecond} {
				c.Event(nativeLock, jfrtest.Fields{"stackTrace": stack, "duration": uint64(wait), "address": 1 << 40})
			}
			o := DefaultOptions()
			o.Raw = test.raw
			r := decodeChunks(t, o, c)
			for typ, want := range test.want {
				got, losses := scanned(t, &r, typ)
				if diff := cmp.Diff(test.losses, losses); diff != "" || got != want {
					t.Errorf("%s %+v, want %+v, losses (-want +got):\n%s", typ, got, want, diff)
				}
			}
			if len(r.Unread) > 0 {
				t.Errorf("not read %v", r.Unread)
			}
		})
	}
}

//go:embed testdata/Native.java
var nativeSource []byte

//go:embed testdata/contend.c
var contendSource []byte

// A program that allocates native memory in two methods, 3 to 1, and whose native
// threads wait for a mutex that it holds.
func TestNativeMemoryAndLocksOfAJVM(t *testing.T) {
	library := jvmtest.NativeLibrary(t, contendSource)
	for _, jdk := range []string{"11", "17", "25"} {
		t.Run(jdk, func(t *testing.T) { checkNative(t, jdk, library) })
	}
}

func checkNative(t *testing.T, jdk, library string) {
	const threshold, rounds, waits = time.Millisecond, 4000, 20 // rounds of 64 KiB: some 550 samples
	file := filepath.Join(t.TempDir(), "native.jfr")
	agent := fmt.Sprintf("-agentpath:%s=start,nativemem=471859,nofree,nativelock=%d,jfr,file=%s,log=%s.log", jvmtest.Library(t), threshold, file, file)
	cmd := exec.Command(jvmtest.Java(t, jdk), agent, "-Xmx128m", "-XX:+UseSerialGC", "-cp", jvmtest.Compile(t, "Native", nativeSource), "Native", library, fmt.Sprint(rounds), fmt.Sprint(waits))
	out, err := cmd.Output()
	var much, little, waited int64
	if _, scanErr := fmt.Sscan(string(out), &much, &little, &waited); err != nil || scanErr != nil {
		t.Fatalf("%v, the program printed %q: %v", err, out, scanErr)
	}
	f, layout := openRecording(t, file)
	o := DefaultOptions()
	r := decode(f, layout.Chunks, &o, func(int) {})
	memory := setOf(t, &r, profile.NativeMem)
	gotMuch, gotLittle := through(memory, "Native.much").Value, through(memory, "Native.little").Value
	// Five standard deviations of 417 and 139 samples, were they independent, are 24 and 42 %.
	near(t, "bytes of much", gotMuch, much, 25)
	near(t, "bytes of little", gotLittle, little, 43)
	near(t, "bytes of both", gotMuch+gotLittle, much+little, 22)
	locks := setOf(t, &r, profile.NativeLock)
	at := slices.Index(locks.Functions, profile.Function{Name: "wait_for_mutex", Kind: profile.Native})
	var got profile.Amount
	for _, s := range locks.Stacks {
		if at >= 0 && slices.Contains(s.Frames, uint32(at)) {
			got = got.Add(profile.Amount{Value: s.Value, Count: s.Count})
		}
	}
	t.Logf("native memory %d and %d of %d and %d bytes; %s in %d waits of %s", gotMuch, gotLittle, much, little, time.Duration(got.Value), got.Count, time.Duration(waited))
	const least = waits * 2 * time.Millisecond / 2 // half of it: the profiler skips samples while it is busy
	if got.Value < int64(least) || got.Value > waited+int64(threshold) {
		t.Errorf("the profile has %+v of waits, threads waited for %s, for at least %s", got, time.Duration(waited), least)
	}
}
