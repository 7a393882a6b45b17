package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/session"
	"github.com/podflame/podflame/sidecar/internal/target"
)

func at(seconds float64) time.Time { return time.UnixMilli(int64(seconds * 1000)).UTC() }

func TestServiceName(t *testing.T) {
	for main, want := range map[string]string{"": "java", "shop.jar": "shop", "com.example.Shop": "Shop", "Shop": "Shop", "mod/com.example.Shop": "Shop"} {
		if got := serviceName(main); got != want {
			t.Errorf("serviceName(%q) = %q, want %q", main, got, want)
		}
	}
}

func TestJournal(t *testing.T) {
	path := t.TempDir() + "/jvms.json"
	open := func() *journal {
		t.Helper()
		j, err := openJournal(path, SystemClock())
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	p := target.Process{PID: 7, StartTicks: 9, Start: at(1000.1234), MainClass: "Main"}
	start := open().start(p)
	p.Start = p.Start.Add(900 * time.Millisecond) // the clock was set
	if got := open().start(p); !got.Equal(start) {
		t.Errorf("start moved from %s to %s with the clock", start, got)
	}
	p.Start = p.Start.Add(time.Hour) // set further
	if got := open().start(p); !got.Equal(start) {
		t.Errorf("start moved from %s to %s with the clock", start, got)
	}
	rebooted := open()
	rebooted.boot = "another"
	if got := rebooted.start(p); got.Equal(start) {
		t.Error("another process has the start of the first")
	}
	j := open()
	if m, ok := j.recall(p); ok {
		t.Errorf("marker %+v of a JVM without one", m)
	}
	j.keep(p, session.Marker{Schema: session.Schema, Library: "/lib.so"})
	if m, ok := open().recall(p); !ok || m.Library != "/lib.so" {
		t.Errorf("marker %+v %v", m, ok)
	}
	open().crashed(p, "begin", undecided, "SIGSEGV")
	if c, ok := open().crash(target.Process{PID: 99, MainClass: "Main"}); !ok || c.PID != 7 || c.Op != "begin" {
		t.Errorf("crash %+v %v", c, ok)
	}
	if _, ok := open().crash(target.Process{PID: 99, MainClass: "Other"}); ok {
		t.Error("another kind of JVM is left alone too")
	}
	j = open()
	for i := range 2 * maxJournalEntries {
		j.start(target.Process{PID: 1000 + i})
	}
	if n := len(open().data.JVMs); n > maxJournalEntries {
		t.Errorf("journal holds %d JVMs", n)
	}
}

// A journal of version 0.1 says when its sidecar ended, and holds no marker.
func TestJournalOfTheOldVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jvms.json")
	const text = `{"jvms":{"7-9":{"start":"2026-11-22T10:00:00Z","until":"2026-11-22T10:05:00Z","seen":"2026-11-22T10:05:00Z"}},"crashes":{}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := openJournal(path, SystemClock())
	if err != nil {
		t.Fatal(err)
	}
	m, ok := j.recall(target.Process{PID: 7, StartTicks: 9})
	if want := time.Date(2026, 11, 22, 10, 5, 0, 0, time.UTC); !ok || !m.Accounted.Equal(want) {
		t.Errorf("marker %+v %v", m, ok)
	}
}

// A signal without an answer is remembered over a restart, and over a change of
// the clock.
func TestJournalRemembersASignal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jvms.json")
	p := target.Process{PID: 7, StartTicks: 3, Start: time.Unix(1_700_000_000, 0)}
	sent := time.Unix(1_700_000_100, 0).UTC()
	open := func() *journal {
		j, err := openJournal(path, SystemClock())
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	if err := open().SetSignalled(p, sent); err != nil {
		t.Fatal(err)
	}
	moved := p
	moved.Start = p.Start.Add(time.Hour)
	j := open()
	j.start(moved)
	if got := open().Signalled(p); !got.Equal(sent) {
		t.Errorf("signalled %s, want %s", got, sent)
	}
	if err := j.SetSignalled(p, time.Time{}); err != nil || !open().Signalled(p).IsZero() {
		t.Errorf("the answer is forgotten: %v", err)
	}
}

// What could not be written is not believed either.
func TestJournalThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	j, err := openJournal(filepath.Join(dir, "state", "jvms.json"), SystemClock())
	if err != nil {
		t.Fatal(err)
	}
	p := target.Process{PID: 7}
	if err := j.SetSignalled(p, time.Now()); err == nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that the directory is missing", err)
	}
	if at := j.Signalled(p); !at.IsZero() {
		t.Errorf("signalled %s", at)
	}
}

// TestJournalSharesNoMarker: a worker changes its marker while the journal is
// saved for another JVM.
func TestJournalSharesNoMarker(t *testing.T) {
	j, err := openJournal(filepath.Join(t.TempDir(), "jvms.json"), SystemClock())
	if err != nil {
		t.Fatal(err)
	}
	p := target.Process{PID: 7, StartTicks: 1}
	m := session.Marker{Schema: session.Schema, Recordings: []session.Recording{{Session: "kept"}}, Owed: []profile.Span{{Start: at(1), End: at(2)}}}
	j.keep(p, m)
	m.Recordings[0].Session, m.Owed[0].End = "changed", at(3)
	first, ok := j.recall(p)
	if !ok || first.Recordings[0].Session != "kept" || !first.Owed[0].End.Equal(at(2)) {
		t.Errorf("the journal holds %+v", first)
	}
	first.Recordings[0].Session = "changed"
	if second, _ := j.recall(p); second.Recordings[0].Session != "kept" {
		t.Errorf("after a change of what was recalled it holds %+v", second)
	}
}

// halting is a clock whose reader loses the CPU between two looks, some times.
type halting struct {
	fakeClock
	halts int
}

func (h *halting) Now() time.Time {
	now := h.fakeClock.Now()
	if h.halts > 0 {
		h.halts--
		h.pass(time.Minute)
	}
	return now
}

// A process that was halted while it looked at the clocks takes none of them for
// set; one that was set is noticed, once.
func TestClockWatch(t *testing.T) {
	c := &halting{fakeClock: fakeClock{wall: time.Unix(1_800_000_000, 0), elapsed: time.Hour}}
	watch := watchClock(c)
	for halts := range 8 {
		c.halts = halts
		if s, set := watch.step(); set {
			t.Errorf("halted %d times: %+v", halts, s)
		}
	}
	c.halts = 0
	_, _ = watch.step()
	c.wall = c.wall.Add(time.Hour)
	if s, set := watch.step(); !set || s.By != time.Hour || !s.From.Equal(s.To) {
		t.Errorf("set by an hour: %+v %v", s, set)
	}
	if s, set := watch.step(); set {
		t.Errorf("once more: %+v", s)
	}
}
