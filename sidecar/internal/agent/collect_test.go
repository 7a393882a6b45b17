package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/runas"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
	"github.com/prometheus/client_golang/prometheus"
)

// scripted decodes what the test says.
type scripted struct {
	result jfr.Result
	err    error
	calls  int
}

func (s *scripted) Decode(_ context.Context, _ *os.File, chunks []jfr.Chunk, _ jfr.Options) (jfr.Result, error) {
	s.calls++
	r := s.result
	r.Recorded = profile.Span{Start: chunks[0].Start, End: chunks[len(chunks)-1].End}
	return r, s.err
}

// ended is a worker for a recording whose JVM has ended.
func ended(t *testing.T, recording string, d Decoder) (*worker, *memory) {
	t.Helper()
	procs, err := target.NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	spool, journal := &memory{}, &journal{path: filepath.Join(t.TempDir(), "j"), data: journalData{JVMs: map[string]entry{}, Crashes: map[string]crash{}}}
	c := Config{Settings: contract.DefaultSettings(), Shared: t.TempDir(), State: t.TempDir(), Limits: DefaultLimits(), KeepUnreadable: true}
	a := &Agent{
		config: c, log: slog.New(slog.DiscardHandler), procs: procs, decoder: d, spool: spool, journal: journal,
		metrics: newMetrics(prometheus.NewRegistry()), instance: "test", statuses: map[string]TargetStatus{},
	}
	w := newWorker(a, target.Process{PID: 1 << 22, StartTicks: 1, Identity: runas.Self(), Start: time.Now()})
	if err := w.dir.Make(); err != nil {
		t.Fatal(err)
	}
	id := session.NewID()
	content, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.dir.Recording(id), content, 0o600); err != nil {
		t.Fatal(err)
	}
	w.marker = session.Marker{Recordings: []session.Recording{{Session: id, Begun: true}}}
	t.Cleanup(func() {
		for _, f := range w.files {
			_ = f.Close()
		}
	})
	return w, spool
}

func fixture(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob("../../../tests/testdata/jfr/" + name)
	if err != nil || len(found) == 0 {
		t.Skipf("no fixture %s: %v", name, err)
	}
	return found[0]
}

// Bytes are given up only when their window is in the spool.
func TestNothingIsConsumedBeforeTheSpoolHasIt(t *testing.T) {
	d := &scripted{}
	w, spool := ended(t, fixture(t, "multichunk.jfr"), d)
	id := w.marker.Recordings[0].Session

	spool.refuse = errors.New("disk is full")
	if err := w.collect(t.Context(), time.Now(), nil); err == nil {
		t.Fatal("collect succeeded without a spool")
	}
	if e := w.marker.Find(id); e == nil || e.Consumed != 0 {
		t.Fatalf("bytes were given up: %+v", e)
	}
	spool.refuse, d.err = nil, errors.New("cannot start child")
	if err := w.collect(t.Context(), time.Now(), nil); err == nil {
		t.Fatal("collect succeeded without a decoder")
	}
	if e := w.marker.Find(id); e == nil || e.Consumed != 0 {
		t.Fatalf("bytes were given up: %+v", e)
	}
	d.err = nil
	if err := w.collect(t.Context(), time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	if len(spool.all()) == 0 || w.marker.Find(id) != nil {
		t.Errorf("%d windows, recording %+v", len(spool.all()), w.marker.Find(id))
	}
	if _, err := os.Stat(w.dir.Recording(id)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the read recording is left: %v", err)
	}
}

func TestUnreadableRecordingIsKept(t *testing.T) {
	loss := []profile.Loss{{Outcome: profile.Dropped, Reason: profile.RecordingUnreadable, Bytes: 10}}
	w, spool := ended(t, fixture(t, "cpu.jfr"), &scripted{result: jfr.Result{Losses: loss}})
	if err := w.collect(t.Context(), time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	if got := spool.loss(profile.RecordingUnreadable); got.Bytes != 10 {
		t.Errorf("loss %+v", got)
	}
	kept, _ := filepath.Glob(filepath.Join(w.config.State, "unreadable", "*.jfr"))
	if len(kept) != 1 {
		t.Fatalf("kept %v", kept)
	}
	f, err := os.Open(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Stat()
	if layout, err := jfr.Scan(f, 0, info.Size()); err != nil || len(layout.Chunks) != 1 {
		t.Errorf("what is kept is no recording: %+v %v", layout, err)
	}
}

// A ledger that does not add up is not sent as if it did.
func TestInconsistentWindowIsToldAsSuch(t *testing.T) {
	wrong := []profile.Coverage{{Type: profile.CPU, Captured: profile.Amount{Value: 1, Count: 1}}}
	w, spool := ended(t, fixture(t, "cpu.jfr"), &scripted{result: jfr.Result{Coverage: wrong}})
	if err := w.collect(t.Context(), time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	if spool.loss(profile.LedgerMismatch).Count != 1 {
		t.Errorf("windows %+v", spool.all())
	}
	for _, window := range spool.all() {
		if err := window.Check(); err != nil {
			t.Error(err)
		}
	}
}

// Whatever is in the place of a recording, it ends as a loss and not as a hang.
func TestWhatIsNoRecording(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "no JFR": "hello, this is no recording at all, and long enough to have a header of its own"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.jfr")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			w, spool := ended(t, file, &scripted{})
			if err := w.collect(t.Context(), time.Now(), nil); err != nil {
				t.Fatal(err)
			}
			if got := spool.loss(profile.RecordingUnreadable).Bytes; got != int64(len(content)) {
				t.Errorf("%d bytes are in the ledger, want %d", got, len(content))
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		w, spool := ended(t, os.Args[0], &scripted{})
		id := w.marker.Recordings[0].Session
		if err := os.Remove(w.dir.Recording(id)); err != nil {
			t.Fatal(err)
		}
		w.marker.Recordings[0].Started = time.Now().Add(-time.Minute)
		if err := w.collect(t.Context(), time.Now(), nil); err != nil {
			t.Fatal(err)
		}
		if got := spool.loss(profile.RecordingMissing).Duration; got < 50*time.Second {
			t.Errorf("recording_missing accounts for %s", got)
		}
	})
}

// Losses are told once, by the window that takes them or, if that fails, by a
// window of their own; and if that fails too, by the next.
func TestLossesOutliveAFailure(t *testing.T) {
	d := &scripted{err: errors.New("cannot start child")}
	w, spool := ended(t, fixture(t, "cpu.jfr"), d)
	boundary := floor(time.Now(), w.window)
	w.marker.Recordings[0].Started = boundary.Add(-time.Second) // so that its window is the newest
	w.gaps = gaps{}
	w.gaps.add(profile.Conflict, 7*time.Second)

	spool.refuse = errors.New("disk is full")
	w.rotate(t.Context(), boundary)
	spool.refuse = nil
	w.rotate(t.Context(), boundary.Add(w.window))
	if got := spool.loss(profile.Conflict).Duration; got != 7*time.Second {
		t.Errorf("%s are in the ledger after the failure, want 7s", got)
	}
	d.err = nil
	w.rotate(t.Context(), boundary.Add(2*w.window))
	if got := spool.loss(profile.Conflict).Duration; got != 7*time.Second {
		t.Errorf("%s are in the ledger in the end, want 7s", got)
	}
}

// A JVM that nobody profiled to its end is told as such to its end.
func TestExitTellsTheLastGap(t *testing.T) {
	d := &scripted{}
	w, spool := ended(t, fixture(t, "cpu.jfr"), d)
	w.marker.Recordings = nil
	w.gaps = gaps{}
	w.gaps.add(profile.Conflict, 3*time.Second)
	w.exited(t.Context())
	if got := spool.loss(profile.Conflict).Duration; got != 3*time.Second {
		t.Errorf("%s are in the ledger, want 3s", got)
	}
}

// What the application makes of a recording's time does not enter the ledger as
// years, and time that the worker has told of already is not told again.
func TestTimeOfAnEndedSession(t *testing.T) {
	t.Run("seen to end", func(t *testing.T) {
		w, _ := ended(t, fixture(t, "cpu.jfr"), &scripted{})
		w.session, w.gaps = w.marker.Recordings[0].Session, gaps{}
		w.touch(t, time.Unix(1, 0))
		w.sessionEnded()
		for _, l := range w.gaps.take(time.Now()) {
			if l.Duration > w.window+time.Minute {
				t.Errorf("loss %+v", l)
			}
		}
	})
	t.Run("of an earlier sidecar", func(t *testing.T) {
		w, spool := ended(t, fixture(t, "cpu.jfr"), &scripted{})
		w.p.Start = w.found.Add(-10 * time.Minute)
		w.gaps, w.since = gaps{}, floor(w.found, w.window).Add(5*w.window) // five windows have been made since
		w.touch(t, time.Unix(1, 0))
		w.accountForEndedSession()
		lost := spool.loss(profile.SessionEnded).Duration
		for _, l := range w.gaps.losses {
			lost += l.Duration
		}
		if lost != 10*time.Minute {
			t.Errorf("%s are in the ledger, want the 10m before the worker's begin", lost)
		}
		for _, window := range spool.all() {
			if window.End.After(w.found) {
				t.Errorf("gap to %s reaches into the time of the worker, from %s", window.End, w.found)
			}
		}
	})
}

// touch opens the worker's recording and sets its time.
func (w *worker) touch(t *testing.T, at time.Time) {
	t.Helper()
	id := w.marker.Recordings[0].Session
	if _, err := (&drain{worker: w, id: id}).file(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(w.dir.Recording(id), at, at); err != nil {
		t.Fatal(err)
	}
}

// On a full volume nothing is begun, but what fills it is read and removed.
func TestFullVolumeIsReadOut(t *testing.T) {
	w, spool := ended(t, fixture(t, "cpu.jfr"), &scripted{})
	self, err := w.procs.Process(os.Getpid())
	if !errors.Is(err, target.ErrNotJVM) {
		t.Fatal(err)
	}
	w.p.PID = self.PID // whose file system is ours
	w.marker.Schema = session.Schema
	w.config.Limits.MinFree = 1 << 62
	if err := w.enter(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.lock.Release)
	id := w.marker.Recordings[0].Session
	if err := w.begin(t.Context(), session.View{}); asprof.ReasonOf(err) != profile.SharedDirNotUsable {
		t.Errorf("begin: %v", err)
	}
	if _, err := os.Stat(w.dir.Recording(id)); !errors.Is(err, os.ErrNotExist) || len(spool.all()) == 0 {
		t.Errorf("the recording is left: %v; %d windows", err, len(spool.all()))
	}
}

// failsFor fails for chunks of one file.
type failsFor struct {
	scripted
	path string
}

func (f *failsFor) Decode(ctx context.Context, file *os.File, chunks []jfr.Chunk, o jfr.Options) (jfr.Result, error) {
	if file.Name() == f.path {
		return jfr.Result{}, errors.New("cannot start child")
	}
	return f.scripted.Decode(ctx, file, chunks, o)
}

func TestOneRecordingDoesNotHoldTheOthersUp(t *testing.T) {
	d := &failsFor{}
	w, spool := ended(t, fixture(t, "cpu.jfr"), d)
	bad, good := w.marker.Recordings[0].Session, session.NewID()
	d.path = w.dir.Recording(bad)
	content, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.dir.Recording(good), content, 0o600); err != nil {
		t.Fatal(err)
	}
	w.marker.Recordings = append(w.marker.Recordings, session.Recording{Session: good, Begun: true})
	if err := w.collect(t.Context(), time.Now(), nil); err == nil {
		t.Error("the failure is not told")
	}
	if len(spool.all()) == 0 || w.marker.Find(good) != nil || w.marker.Find(bad) == nil {
		t.Errorf("%d windows; left to read: %+v", len(spool.all()), w.marker.Recordings)
	}
}

// The profiler counts skipped samples from its first session on. An answer that
// could not be read, which counts as zero, does not make it begin anew.
func TestSkippedSamplesAreCountedOnce(t *testing.T) {
	w, _ := ended(t, fixture(t, "cpu.jfr"), &scripted{})
	var counted int64
	for _, total := range []int64{5, 0, 5, 9} {
		for _, l := range w.countSkipped(total, w.marker.Recordings[0]) {
			counted += l.Count
		}
	}
	if counted != 9 {
		t.Errorf("%d skipped samples are counted, the profiler skipped 9", counted)
	}
}

// A session that cannot be stopped is left to the next sidecar. What this one
// knows of the time before is told now, for the next one does not know it.
func TestGapsAreToldWhenTheSessionGoesOn(t *testing.T) {
	w, spool := ended(t, fixture(t, "cpu.jfr"), &scripted{})
	w.profiler = asprof.NewClient(w.procs, time.Second)
	w.library, w.session = "/lib.so", w.marker.Recordings[0].Session
	w.gaps = gaps{}
	w.gaps.add(profile.Conflict, 3*time.Second)
	w.finish(t.Context())
	if w.session == "" || w.marker.Find(w.session) == nil {
		t.Error("the session is given up")
	}
	if got := spool.loss(profile.Conflict).Duration; got != 3*time.Second {
		t.Errorf("%s are in the ledger, want 3s", got)
	}
}

func TestClockThatIsSetBack(t *testing.T) {
	w, _ := ended(t, fixture(t, "cpu.jfr"), &scripted{})
	w.since, w.next = w.since.Add(time.Hour), w.next.Add(time.Hour) // as they were an hour later
	w.retry = time.Now().Add(time.Hour)
	if due := time.Until(w.step(t.Context())); due > w.window {
		t.Errorf("the next window is due after %s", due)
	}
	if !w.next.Equal(w.since.Add(w.window)) {
		t.Errorf("window from %s to %s", w.since, w.next)
	}
}
