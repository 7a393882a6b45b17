package agent

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/asprof"
	"github.com/podflame/podflame/sidecar/internal/jfr"
	"github.com/podflame/podflame/sidecar/internal/recording"
	"github.com/podflame/podflame/sidecar/internal/session"
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
func ended(t *testing.T, file string, d recording.Decoder) (*worker, *memory) {
	t.Helper()
	v := newWorld(t.TempDir(), t.Fatalf)
	w := v.w
	t.Cleanup(func() { w.close() })
	w.reader.Decoder, w.reader.Keep = d, filepath.Join(w.config.State, "unreadable")
	v.jvm.dead, w.looked, w.restored = true, true, true
	if err := errors.Join(w.dir.Make(), w.takeLock()); err != nil {
		t.Fatal(err)
	}
	id := session.NewID()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.dir.Recording(id), content, 0o600); err != nil {
		t.Fatal(err)
	}
	w.marker = session.Marker{Recordings: []session.Recording{{Session: id, Phase: session.Ended}}}
	return w, v.spool
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
	if err := w.collect(t.Context(), w.clock.Now()); err == nil {
		t.Fatal("collect succeeded without a spool")
	}
	if e := w.marker.Find(id); e == nil || e.Consumed != 0 {
		t.Fatalf("bytes were given up: %+v", e)
	}
	spool.refuse, d.err = nil, errors.New("cannot start child")
	if err := w.collect(t.Context(), w.clock.Now()); err == nil {
		t.Fatal("collect succeeded without a decoder")
	}
	if e := w.marker.Find(id); e == nil || e.Consumed != 0 {
		t.Fatalf("bytes were given up: %+v", e)
	}
	d.err = nil
	if err := w.collect(t.Context(), w.clock.Now()); err != nil {
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
	if err := w.collect(t.Context(), w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if got := spool.loss(profile.RecordingUnreadable); got.Bytes != 10 {
		t.Errorf("loss %+v", got)
	}
	kept, _ := filepath.Glob(filepath.Join(w.reader.Keep, "*.jfr"))
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

// A recording that is kept is, byte by byte, what the JVM wrote.
func TestRecordingIsKept(t *testing.T) {
	file := fixture(t, "multichunk.jfr")
	w, _ := ended(t, file, &scripted{})
	w.config.KeepRecordings = t.TempDir()
	id := w.marker.Recordings[0].Session
	if err := w.collect(t.Context(), w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(w.config.KeepRecordings, w.p.Key()+"-"+id+".jfr"))
	if err != nil || !bytes.Equal(want, got) {
		t.Errorf("%d bytes are kept of %d, %v", len(got), len(want), err)
	}
}

// A ledger that does not add up is not sent as if it did.
func TestInconsistentWindowIsToldAsSuch(t *testing.T) {
	wrong := []profile.Coverage{{Type: profile.CPU, Captured: profile.Amount{Value: 1, Count: 1}}}
	w, spool := ended(t, fixture(t, "cpu.jfr"), &scripted{result: jfr.Result{Coverage: wrong}})
	if err := w.collect(t.Context(), w.clock.Now()); err != nil {
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
			if err := w.collect(t.Context(), w.clock.Now()); err != nil {
				t.Fatal(err)
			}
			if got := spool.loss(profile.RecordingUnreadable).Bytes; got != int64(len(content)) {
				t.Errorf("%d bytes are in the ledger, want %d", got, len(content))
			}
		})
	}
}

// What the application makes of a recording's time does not enter the ledger as
// years.
func TestTimeOfAFileIsBounded(t *testing.T) {
	w, spool := ended(t, fixture(t, "killed-singlechunk.jfr"), &scripted{})
	id := w.marker.Recordings[0].Session
	w.marker.Recordings[0].Started = w.clock.Now().Add(-time.Minute)
	if err := os.Chtimes(w.dir.Recording(id), time.Time{}, w.clock.Now().Add(10000*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := w.collect(t.Context(), w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if got := spool.loss(profile.ChunkUnfinished); got.Bytes == 0 || got.Duration > time.Minute {
		t.Errorf("loss %+v", got)
	}
}

// On a full volume nothing is begun, but what fills it is read and removed.
func TestFullVolumeIsReadOut(t *testing.T) {
	w, spool := ended(t, fixture(t, "cpu.jfr"), &scripted{})
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
	w.marker.Recordings = append(w.marker.Recordings, session.Recording{Session: good, Phase: session.Ended})
	if err := w.collect(t.Context(), w.clock.Now()); err == nil {
		t.Error("the failure is not told")
	}
	if len(spool.all()) == 0 || w.marker.Find(good) != nil || w.marker.Find(bad) == nil {
		t.Errorf("%d windows; left to read: %+v", len(spool.all()), w.marker.Recordings)
	}
}
