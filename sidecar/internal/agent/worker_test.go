package agent

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/session"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// lead lets some seconds pass, step by step.
func (v *world) lead(seconds int) {
	for range seconds {
		v.step(time.Second)
	}
}

// finish ends the worker, as at the end of the JVM or of the sidecar.
func (v *world) finish(t *testing.T) {
	t.Helper()
	v.w.finish(t.Context())
	v.check()
	v.kill()
}

// checkWhole fails the test unless all time since the first worker is in the
// spool, and all samples that the JVM has finished.
func (v *world) checkWhole(t *testing.T) {
	t.Helper()
	if all, wall := v.earlier.recorded+v.earlier.told, v.clock.elapsed-v.began; (all - wall).Abs() > 50*time.Millisecond {
		t.Errorf("%+v account for %s of %s", v.earlier, all, wall)
	}
	if s := v.w.line.Sums(); s.Owed > 0 {
		t.Errorf("%s were recorded and are not read", s.Owed)
	}
	if got := v.samples(); got != v.jvm.taken {
		t.Errorf("%d samples are in the spool, the JVM has taken %d", got, v.jvm.taken)
	}
}

// sleepFor is a story in which the machine sleeps. What is recorded afterwards is of
// the time at which it was.
func sleepFor(length time.Duration) func(*testing.T, *world) {
	return func(t *testing.T, v *world) {
		v.lead(35)
		v.patient = true
		v.sleep(length)
		woke, before := v.clock.wall, len(v.spool.profiled())
		v.lead(35)
		v.finish(t)
		since := 0
		for _, w := range v.spool.profiled()[before:] {
			if !w.Recorded.Start.Before(woke) && !w.Recorded.End.After(v.clock.wall) {
				since++
			}
		}
		if since < 3 {
			t.Errorf("%d windows are of the 35s after it woke", since)
		}
		for _, w := range v.spool.all() {
			if w.Recorded.End.Sub(w.Recorded.Start) > w.End.Sub(w.Start)+2*v.longest {
				t.Errorf("a window of %s says that it holds %s", w.End.Sub(w.Start), w.Recorded.End.Sub(w.Recorded.Start))
			}
		}
	}
}

func TestStories(t *testing.T) {
	tests := map[string]struct {
		story func(t *testing.T, v *world)
		want  map[profile.Reason]time.Duration // at least, to the second
	}{
		"an ordinary life": {func(t *testing.T, v *world) {
			v.lead(60)
			v.finish(t)
		}, nil},
		"the sidecar is killed and comes back": {func(t *testing.T, v *world) {
			v.lead(25)
			v.kill()
			v.away(40)
			v.comeBack()
			v.lead(25)
			v.finish(t)
		}, nil},
		"the sidecar is restarted in good order": {func(t *testing.T, v *world) {
			v.lead(25)
			v.finish(t)
			v.away(40)
			v.comeBack()
			v.lead(25)
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.SidecarRestarted: 40 * time.Second}},
		"the sidecar is away for two days": {func(t *testing.T, v *world) {
			v.lead(25)
			v.finish(t)
			v.pass(48 * time.Hour)
			v.comeBack()
			v.lead(25)
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.SidecarRestarted: 48 * time.Hour}},
		"the marker and the journal are lost": {func(t *testing.T, v *world) {
			v.lead(25)
			v.kill()
			if err := os.Remove(v.jvm.dir.Marker()); err != nil {
				t.Fatal(err)
			}
			v.clock.pass(3 * time.Second)
			v.comeBack()
			v.lead(25)
			v.finish(t)
		}, nil},
		"a begin is not answered, and ran": {func(t *testing.T, v *world) {
			v.jvm.hangs = true
			v.lead(3)
			v.jvm.answers()
			v.lead(60)
			v.finish(t)
		}, nil},
		"a begin is not answered for long": {func(t *testing.T, v *world) {
			v.jvm.hangs = true
			v.lead(100)
			v.jvm.answers()
			v.lead(60)
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.AttachTimeout: 50 * time.Second}},
		"somebody ends the session": {func(t *testing.T, v *world) {
			v.lead(25)
			v.jvm.end()
			v.lead(30)
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.SessionEnded: 5 * time.Second}},
		"somebody else profiles": {func(t *testing.T, v *world) {
			v.lead(25)
			v.jvm.foreign = true
			v.lead(60)
			v.jvm.foreign = false
			v.lead(60)
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.Conflict: 50 * time.Second}},
		"the spool is full for a while": {func(t *testing.T, v *world) {
			v.lead(15)
			v.spool.refuse = errors.New("disk is full")
			v.lead(30)
			v.spool.refuse = nil
			v.lead(15)
			v.finish(t)
		}, nil},
		"nothing can be decoded for a while": {func(t *testing.T, v *world) {
			v.lead(15)
			v.decoder.err = errors.New("cannot start child")
			v.lead(30)
			v.decoder.err = nil
			v.lead(15)
			v.finish(t)
		}, nil},
		"a recording grows too large within a window": {func(t *testing.T, v *world) {
			v.lead(14) // a border was 1 s ago
			session := v.w.session()
			if err := unix.Fallocate(int(v.jvm.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 2*v.config.Limits.MaxRecording+1); err != nil {
				t.Fatal(err)
			}
			v.lead(1)
			if v.w.session() != "" || v.w.allocated(session) != 0 {
				t.Error("the session runs on, or its recording is still there")
			}
			v.lead(30)
			if v.w.session() == "" {
				t.Error("no other session has begun")
			}
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.RecordingTooLarge: DefaultLimits().RetryInterval}},
		"profiling is paused": {func(t *testing.T, v *world) {
			v.lead(15)
			why := "incident 7"
			v.w.pause.set(&why)
			v.lead(30)
			if v.jvm.file != nil {
				t.Error("the session runs on")
			}
			v.w.pause.set(nil)
			v.lead(60)
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.Paused: 30 * time.Second}},
		"the clock is set back": {func(t *testing.T, v *world) {
			v.lead(35)
			v.set(-time.Hour)
			n := len(v.spool.profiled())
			v.lead(25)
			if got := len(v.spool.profiled()) - n; got < 2 {
				t.Errorf("%d windows in 25s after the clock was set back", got)
			}
			v.finish(t)
		}, nil},
		"the clock is set forward": {func(t *testing.T, v *world) {
			v.lead(35)
			v.set(time.Hour)
			v.lead(25)
			v.finish(t)
		}, nil},
		"the clock is set back, the sidecar killed, and the session ended": {func(t *testing.T, v *world) {
			v.lead(2)
			v.kill()
			v.comeBack()
			v.lead(20)
			v.set(-37 * time.Second)
			v.lead(11)
			v.kill()
			v.comeBack()
			v.jvm.end()
			v.lead(40)
			v.finish(t)
		}, nil},
		"the machine sleeps":                {sleepFor(10 * time.Minute), nil},
		"the machine sleeps over a weekend": {sleepFor(60 * time.Hour), nil},
		"a JVM is not attached to at once": {func(t *testing.T, v *world) {
			v.w.retry = v.clock.wall.Add(8 * time.Second) // a border of windows lies before
			v.lead(60)
			for _, w := range v.spool.all() {
				if w.Session == "" {
					t.Errorf("a window of its own says %+v", w.Losses)
				}
			}
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.JVMStarting: 7 * time.Second}},
		"the clock is set forth and back while the sidecar is away": {func(t *testing.T, v *world) {
			v.lead(35)
			v.kill()
			v.away(10)
			v.set(time.Hour)
			v.away(30)
			v.set(-time.Hour)
			v.away(20)
			v.comeBack()
			v.lead(35)
			v.finish(t)
			for _, w := range v.spool.profiled() {
				if length := w.Recorded.End.Sub(w.Recorded.Start); length > 2*v.longest {
					t.Errorf("a window says that it holds %s", length)
				}
			}
		}, nil},
		"a sidecar comes back to a JVM that the crash breaker leaves alone": {func(t *testing.T, v *world) {
			v.lead(25)
			v.kill()
			v.w.journal.crashed(v.p, "begin", undecided, "another one of its kind")
			v.away(20)
			v.comeBack()
			commands := v.jvm.commands
			v.lead(60)
			if n := v.jvm.commands - commands; n > 0 {
				t.Errorf("%d commands were sent", n)
			}
			if s := v.w.status(); s.Reason != profile.CrashedAfterAttach {
				t.Errorf("it is not profiled for %q", s.Reason)
			}
			if recorded := v.w.line.Sums().Recorded; recorded < 60*time.Second {
				t.Errorf("of 80s that the session recorded on, %s are read", recorded)
			}
			v.jvm.end() // by its timeout
			v.lead(60)
			v.jvm.dead = true
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.CrashedAfterAttach: 25 * time.Second}},
		"the clock is set back while the sidecar is away": {func(t *testing.T, v *world) {
			v.lead(35)
			v.kill()
			v.away(10)
			v.set(-time.Hour)
			v.away(20)
			v.comeBack()
			v.patient = true
			v.lead(35)
			v.finish(t)
		}, nil},
		"the clock is set forward while the sidecar is away": {func(t *testing.T, v *world) {
			v.lead(35)
			v.finish(t)
			v.set(time.Hour)
			v.away(20)
			v.comeBack()
			v.lead(35)
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.SidecarRestarted: 20 * time.Second}},
		"the clock is set while an earlier session waits to be read": {func(t *testing.T, v *world) {
			v.lead(4)
			v.spool.refuse = errors.New("disk is full")
			v.w.finish(t.Context())
			v.kill()
			v.comeBack()
			v.set(5 * time.Second)
			v.lead(2)
			v.spool.refuse = nil
			v.lead(40)
			v.finish(t)
		}, nil},
		"the clock is set while the JVM does not answer": {func(t *testing.T, v *world) {
			v.lead(35)
			v.jvm.hangs, v.patient = true, true
			v.lead(3)
			v.set(-time.Minute)
			v.lead(50)
			v.jvm.answers()
			v.lead(25)
			v.finish(t)
		}, nil},
		"the spool is full, and the sidecar is restarted": {func(t *testing.T, v *world) {
			v.spool.refuse = errors.New("disk is full")
			v.lead(15)
			v.w.finish(t.Context())
			v.kill()
			v.away(20)
			v.comeBack()
			v.spool.refuse = nil
			v.lead(40)
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.SidecarRestarted: 20 * time.Second}},
		"the clock is set while nobody profiles": {func(t *testing.T, v *world) {
			v.jvm.foreign = true
			v.lead(35)
			v.set(-time.Hour)
			v.lead(25)
			v.finish(t)
		}, map[profile.Reason]time.Duration{profile.Conflict: 55 * time.Second}},
		"the window becomes longer while the sidecar is away": {func(t *testing.T, v *world) {
			v.lead(35)
			v.kill()
			v.config.Settings.Window = time.Minute
			v.comeBack()
			v.lead(200)
			v.finish(t)
		}, nil},
		"the window becomes shorter while the sidecar is away": {func(t *testing.T, v *world) {
			v.kill()
			v.config.Settings.Window = time.Minute
			v.comeBack()
			v.lead(150)
			v.kill()
			v.config.Settings.Window = 10 * time.Second
			v.comeBack()
			v.lead(60)
			v.finish(t)
		}, nil},
		"the session is renewed": {func(t *testing.T, v *world) {
			v.config.Limits.Renew = 20 * time.Second
			v.lead(100)
			v.finish(t)
		}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := newWorld(inMemory(t), t.Fatalf)
			test.story(t, v)
			v.checkWhole(t)
			lost := v.lost()
			for reason, least := range test.want {
				if lost[reason] < least-time.Second {
					t.Errorf("%s: %s are told, want at least %s", reason, lost[reason], least)
				}
			}
			if v.jvm.file != nil {
				t.Error("a session is left")
			}
		})
	}
}

// TestFirstDataComesSoon: at the defaults a window is in the spool within 8
// seconds of the session's begin, and the one after it begins where it ends.
func TestFirstDataComesSoon(t *testing.T) {
	for _, second := range []int{0, 1, 17, 33, 49, 52, 58} {
		v := newWorld(t.TempDir(), t.Fatalf)
		v.kill()
		v.config.Settings.Window = time.Minute
		v.clock.wall = time.Date(2026, 11, 26, 10, 0, second, 0, time.UTC)
		v.comeBack()
		v.lead(9)
		soon := v.spool.profiled()
		if second < 49 && len(soon) == 0 {
			t.Errorf("begun at second %d: nothing after 9s", second)
		}
		v.lead(120)
		windows := v.spool.profiled()
		for i := 1; i < len(windows); i++ {
			if !windows[i].Start.Equal(windows[i-1].End) {
				t.Errorf("begun at second %d: window from %s after one to %s", second, windows[i].Start, windows[i-1].End)
			}
		}
		for _, w := range windows[min(2, len(windows)):] {
			if w.End.Sub(w.Start) != time.Minute {
				t.Errorf("begun at second %d: window of %s", second, w.End.Sub(w.Start))
			}
		}
		v.finish(t)
	}
}

// TestAdoptionIsNotStarting: what a session has recorded while no sidecar was
// there is not told as lost.
func TestAdoptionIsNotStarting(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	v.lead(25)
	v.kill()
	v.away(40)
	v.comeBack()
	before := v.lost()[profile.JVMStarting]
	v.lead(25)
	if after := v.lost()[profile.JVMStarting]; after != before {
		t.Errorf("%s more are told as %s", after-before, profile.JVMStarting)
	}
}

// TestJVMIsKilledThenTheSidecarEnds is the order of every pod's deletion.
func TestJVMIsKilledThenTheSidecarEnds(t *testing.T) {
	for name, kill := range map[string]func(*simulated){
		"killed":              func(s *simulated) { s.drop() },
		"ended in good order": func(s *simulated) { s.end() },
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld(t.TempDir(), t.Fatalf)
			v.lead(40)
			kill(v.jvm)
			v.jvm.dead = true
			v.clock.pass(300 * time.Millisecond)
			v.finish(t)
			if got := v.samples(); got != v.jvm.taken {
				t.Errorf("%d samples are in the spool, the JVM has finished %d", got, v.jvm.taken)
			}
			unfinished := v.lost()[profile.ChunkUnfinished]
			if name == "killed" && (unfinished < 3*time.Second || unfinished > 12*time.Second) || name != "killed" && unfinished != 0 {
				t.Errorf("%s are told as unfinished", unfinished)
			}
			if left, _ := os.ReadDir(string(v.jvm.dir)); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// slow decodes nothing within any deadline.
type slow struct{}

func (slow) Decode(ctx context.Context, _ *os.File, _ []jfr.Chunk, _ jfr.Options) (jfr.Result, error) {
	<-ctx.Done()
	return jfr.Result{}, ctx.Err()
}

// TestGraceRunsOutAtTheEndOfAJVM: what the worker could not read is read later by
// a worker of the same sidecar, which tries again as long as it fails. Nothing is
// read or told twice.
func TestGraceRunsOutAtTheEndOfAJVM(t *testing.T) {
	for name, kill := range map[string]func(*simulated){
		"killed":              func(s *simulated) { s.drop() },
		"ended in good order": func(s *simulated) { s.end() },
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld(t.TempDir(), t.Fatalf)
			v.lead(30)
			v.away(14) // the profiler finishes a chunk by itself
			kill(v.jvm)
			v.jvm.dead = true
			life := v.clock.elapsed - v.began
			v.config.Limits.ExitGrace, v.w.reader.Decoder = time.Millisecond, slow{}
			v.w.marker.Skips.Count(v.jvm.skipped)
			v.finish(t)
			if r := v.w.marker.Recordings; len(r) != 1 || r[0].Phase != session.Ended {
				t.Fatalf("recordings %+v, want one that has ended", r)
			}
			if got := v.skipped(); got != v.jvm.skipped {
				t.Errorf("windows tell of %d skipped samples, the profiler of %d", got, v.jvm.skipped)
			}
			v.decoder.err = errors.New("cannot start child")
			for range 3 {
				v.clock.pass(30 * time.Second)
				v.comeBack()
				if err := v.w.readLeft(t.Context()); err == nil {
					t.Error("a recording was read that cannot be")
				}
				v.kill()
			}
			v.decoder.err = nil
			v.comeBack()
			if err := v.w.readLeft(t.Context()); err != nil {
				t.Fatal(err)
			}
			v.kill()
			if got := v.samples(); got != v.jvm.taken {
				t.Errorf("%d samples are in the spool, the JVM has finished %d", got, v.jvm.taken)
			}
			if all := v.earlier.recorded + v.earlier.told; (all - life).Abs() > 50*time.Millisecond {
				t.Errorf("%+v account for %s of %s: %v", v.earlier, all, life, v.lost())
			}
			if left, _ := os.ReadDir(string(v.jvm.dir)); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestRecordingThatIsRemoved: the application removes what it has recorded. The
// file is open here, so nothing is lost.
func TestRecordingThatIsRemoved(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	v.lead(12)
	path := v.jvm.path
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	v.jvm.path = "/proc/self/exe" // is not looked for any more
	v.clock.pass(10 * time.Second)
	v.jvm.path = path
	v.w.step(t.Context())
	v.w.finish(t.Context())
	if got := v.samples(); got != v.jvm.taken {
		t.Errorf("%d samples are in the spool, the JVM has taken %d", got, v.jvm.taken)
	}
}

// TestRecordingThatIsMissing: its time is told, as long as it was.
func TestRecordingThatIsMissing(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	v.decoder.err = errors.New("cannot start child")
	v.lead(60)
	v.kill()
	v.jvm.drop()
	if err := os.Remove(v.jvm.path); err != nil {
		t.Fatal(err)
	}
	v.decoder.err = nil
	v.comeBack()
	v.lead(60)
	v.finish(t)
	lost := v.lost()
	if all := lost[profile.RecordingMissing] + lost[profile.SessionEnded]; all < 58*time.Second || all > 62*time.Second {
		t.Errorf("lost %v, want 60s of a recording that is missing", lost)
	}
}

// inMemory is a directory that is synced quickly, where there is one.
func inMemory(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("/dev/shm", "podflame-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	return directory
}

// TestHistories leads a worker through generated histories. After each step the
// laws of world.check hold; in the end all time is told, and all samples that
// could be read are there.
//
// The seed is fixed where none is given, so that a change is judged by the same
// histories as the one before it; -rapid.seed chooses others.
func TestHistories(t *testing.T) {
	if seed := flag.Lookup("rapid.seed"); seed.Value.String() == "0" {
		if err := seed.Value.Set("26"); err != nil {
			t.Fatal(err)
		}
	}
	directory := inMemory(t)
	steps := rapid.Custom(func(t *rapid.T) time.Duration {
		by := minStep + time.Duration(rapid.IntRange(1, 4000).Draw(t, "seconds"))*time.Second
		if rapid.Bool().Draw(t, "back") {
			return -by
		}
		return by
	})
	rapid.Check(t, func(t *rapid.T) {
		here, err := os.MkdirTemp(directory, "")
		if err != nil {
			t.Fatal(err)
		}
		v := newWorld(here, t.Fatalf)
		v.patient, v.longest = true, 20*time.Second
		v.config.Annotations, v.config.Limits.ChangeInterval = filepath.Join(here, "annotations"), 20*time.Second
		why := "test"
		for range rapid.IntRange(1, 10).Draw(t, "events") {
			v.lead(rapid.IntRange(0, 15).Draw(t, "seconds"))
			switch event := rapid.SampledFrom([]string{
				"kill", "restart", "hang", "answer", "session ends", "foreign", "no foreign", "spool", "decoder", "pause", "go on", "set clock", "sleep", "marker", "annotations",
			}).Draw(t, "event"); event {
			case "kill":
				v.kill()
				v.away(rapid.IntRange(0, 100).Draw(t, "away"))
				if rapid.Bool().Draw(t, "set meanwhile") {
					v.set(steps.Draw(t, "by"))
					v.away(rapid.IntRange(0, 30).Draw(t, "away after"))
				}
				v.comeBack()
			case "restart":
				v.w.finish(t.Context())
				v.check()
				v.kill()
				v.comeBack()
			case "hang":
				v.jvm.hangs = true
			case "answer":
				v.jvm.answers()
			case "session ends":
				if v.jvm.file != nil {
					v.jvm.end()
				}
			case "foreign", "no foreign":
				v.jvm.foreign = event == "foreign"
			case "spool":
				v.spool.refuse = nil
				if rapid.Bool().Draw(t, "full") {
					v.spool.refuse = errors.New("disk is full")
				}
			case "decoder":
				v.decoder.err = nil
				if rapid.Bool().Draw(t, "fails") {
					v.decoder.err = errors.New("cannot start child")
				}
			case "pause":
				v.w.pause.set(&why)
			case "go on":
				v.w.pause.set(nil)
			case "set clock":
				v.set(steps.Draw(t, "by"))
				v.lead(1)
			case "sleep":
				v.sleep(time.Duration(rapid.SampledFrom([]int{1, 3, 90, 4_000, 400_000}).Draw(t, "asleep")) * time.Second)
				v.lead(1)
			case "annotations":
				window := rapid.SampledFrom([]string{"5s", "7s", "10s", "20s", "1ms"}).Draw(t, "window")
				if err := os.WriteFile(v.config.Annotations, []byte(contract.Window+"=\""+window+"\"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			case "marker":
				_ = os.Remove(v.jvm.dir.Marker())
			}
		}
		v.jvm.answers()
		v.spool.refuse, v.decoder.err, v.jvm.foreign = nil, nil, false
		v.w.pause.set(nil)
		v.lead(70)
		v.w.finish(t.Context())
		v.check()
		v.w.close()
		if v.jvm.file != nil {
			t.Errorf("a session is left: %+v", v.w.marker)
		}
		if got := v.samples(); got != v.jvm.taken {
			t.Errorf("%d samples are in the spool, the JVM has taken %d", got, v.jvm.taken)
		}
		if s := v.w.line.Sums(); s.Owed > 0 {
			t.Errorf("%s were recorded and are not read", s.Owed)
		}
	})
}

// TestEndedJVMWithoutAMarker: directory and files say enough to read what a JVM
// has left, also where neither marker nor journal can be used.
func TestEndedJVMWithoutAMarker(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	v.decoder.err = errors.New("cannot start child")
	v.lead(40)
	v.kill()
	v.jvm.end()
	v.jvm.dead, v.decoder.err = true, nil
	if err := errors.Join(os.WriteFile(v.jvm.dir.Marker(), []byte("{"), 0o600), os.Remove(v.w.journal.path)); err != nil {
		t.Fatal(err)
	}
	v.comeBack()
	if err := v.w.readLeft(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := v.samples(); got != v.jvm.taken {
		t.Errorf("%d samples are in the spool, the JVM has taken %d", got, v.jvm.taken)
	}
}
