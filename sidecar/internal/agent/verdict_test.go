package agent

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/ending"
	"pgregory.net/rapid"
)

// crashed ends the JVM as a crash does, with that on its stack, and returns the
// verdict.
func (v *world) crashed(t interface{ Context() context.Context }, stack ending.Stack) verdict {
	v.jvm.drop()
	v.jvm.dead = true
	v.jvm.log = &ending.HsErr{Path: "hs_err_pid1.log", Summary: "SIGSEGV", Stack: stack}
	if stack == ending.UnknownStack {
		v.jvm.log = nil // none could be written
	}
	v.w.finish(t.Context())
	c, _ := v.w.journal.crash(v.p)
	v.kill()
	return c.Verdict
}

// An application that crashes by itself, at whatever time, is not blamed on a
// profiler that it has borne, however often sessions change; a crash in the
// profiler always is.
func TestVerdictOnCrashes(t *testing.T) {
	directories := inMemory(t)
	rapid.Check(t, func(t *rapid.T) {
		directory, err := os.MkdirTemp(directories, "")
		if err != nil {
			t.Fatal(err)
		}
		v := newWorld(directory, t.Fatalf)
		v.config.Settings.Events = rapid.SampledFrom([][]string{{"cpu"}, {"cpu", "alloc"}, {"cpu", "alloc", "live"}}).Draw(t, "events")
		v.w.settings, v.w.target.JVMVersion = v.config.Settings, "17.0.9"
		borne := v.w.config.Limits.CrashWindow + v.config.Settings.Window // at the border of a window it is known
		life := time.Duration(rapid.Int64Range(int64(time.Second), int64(5*borne)).Draw(t, "life"))
		for range life / time.Second {
			v.step(time.Second)
		}
		v.clock.pass(life % time.Second)
		stack := rapid.SampledFrom([]ending.Stack{ending.UnknownStack, ending.ProfilerStack, ending.OtherStack}).Draw(t, "stack")
		got := v.crashed(t, stack)
		switch {
		case stack == ending.ProfilerStack && got != ours:
			t.Errorf("crash in the profiler after %s: %q", life, got)
		case stack != ending.ProfilerStack && (got == ours || life > 2*borne && got != notOurs):
			t.Errorf("crash of the application after %s: %q", life, got)
		case life < v.config.Limits.CrashWindow && got == notOurs:
			t.Errorf("crash %s after the first command: %q", life, got)
		}
	})
}

// What a JVM has not borne yet is under suspicion again.
func TestVerdictOnANewEvent(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	pod := podDirectory{dir: t.TempDir()}
	v.config.Annotations = pod.file()
	v.lead(60)
	if err := pod.write(map[string]string{contract.Events: "cpu,nativemem"}); err != nil {
		t.Fatal(err)
	}
	for session := v.w.session(); v.w.session() == session; {
		v.lead(1)
	}
	if got := v.crashed(t, ending.OtherStack); got != undecided {
		t.Errorf("verdict %q", got)
	}
	v.comeBack()
	v.jvm.dead, v.jvm.loaded = false, false
	v.lead(1)
	if s := v.w.status(); s.Reason != profile.CrashedAfterAttach || !strings.Contains(s.Detail, "undecided") {
		t.Errorf("status %+v", s)
	}
}

// A command that a JVM has borne is under suspicion if the JVM ended while it ran,
// not if the JVM had ended before.
func TestCommandsUnderSuspicion(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	ended := func(stage asprof.Stage) error { return &asprof.Error{Reason: profile.JVMExited, Stage: stage} }
	check := func(op string, err error, want bool) {
		t.Helper()
		if got := v.w.mayHarm(op, err); got != want {
			t.Errorf("%s with %v, borne %v: %v", op, err, v.w.borne, got)
		}
	}
	check("begin", nil, true)
	check("dump", nil, false)
	v.lead(30)
	check("renew", nil, false)
	check("renew", ended(asprof.Sent), true)
	check("dump", ended(asprof.Sent), true)
	check("dump", ended(asprof.Unsent), false)
	v.finish(t)
}
