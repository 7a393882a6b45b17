package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

// Native memory and locks are recorded while an annotation asks for it. The JVM, whose
// libraries stay patched, runs on when it does not any more.
func TestNativeEventsOfAJVM(t *testing.T) {
	t.Parallel()
	for _, jdk := range []string{"17", "25"} {
		t.Run(jdk, func(t *testing.T) { checkNativeEvents(t, jdk) })
	}
}

func checkNativeEvents(t *testing.T, jdk string) {
	b := newBench(t, jvmtest.Options{JDK: jdk, Threads: []string{"cpu", "buffers"}})
	pod := podDirectory{dir: t.TempDir()}
	b.config.Annotations, b.config.Limits.ChangeInterval = pod.file(), 0
	annotate := func(events string) {
		if err := pod.write(map[string]string{contract.Events: events, contract.AllocInterval: "64k"}); err != nil {
			t.Fatal(err)
		}
	}
	annotate("cpu,nativemem,nativelock")
	b.start()
	hasMemory := func(w profile.Window) bool {
		set := w.Set(profile.NativeMem)
		return set != nil && slices.ContainsFunc(set.Functions, func(f profile.Function) bool { return f.Name == "Workload.buffer" })
	}
	b.await("native memory of the workload", func() bool { return slices.ContainsFunc(b.spool.profiled(), hasMemory) })
	annotate("cpu")
	native := b.status().Session
	b.await("a window of another session", func() bool {
		return slices.ContainsFunc(b.spool.profiled(), func(w profile.Window) bool { return w.Session == b.status().Session && w.Session != native })
	})
	b.stop()
	windows := b.spool.profiled()
	for _, w := range windows {
		with := w.Settings.NativeInterval > 0
		if (w.CoverageOf(profile.NativeMem) != nil) != with || (w.CoverageOf(profile.NativeLock) != nil) != with {
			t.Errorf("window of %s, recorded by %+v, has the ledgers %+v", w.Start, w.Settings, w.Coverage)
		}
	}
	if last := windows[len(windows)-1]; last.CoverageOf(profile.NativeMem) != nil {
		t.Error("native memory is recorded although nobody asks for it")
	}
	b.checkContiguous(windows)
	if d := b.status().Difference; d > 50*time.Millisecond {
		t.Errorf("the account of time differs by %s from the windows", d)
	}
	b.jvm.CheckUntouched(t)
}
