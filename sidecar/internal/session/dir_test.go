package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/profile"
)

func newDir(t *testing.T) Dir {
	t.Helper()
	d := NewDir(t.TempDir(), "12-345")
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	return d
}

func marker() Marker {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	return Marker{
		Schema: Schema, PID: 12, StartTicks: 345, Library: "/lib.so", Owner: NewID(), Heartbeat: now,
		Target: Target{Container: "shop", JVMStart: now, JVMVersion: "17", MainClass: "Main"},
		Recordings: []Recording{{
			Session: NewID(), Phase: Running, Options: "resume", Started: now, Expires: now.Add(time.Hour), Consumed: 100, Kept: 50, Through: now,
			Settings: profile.Settings{Engine: "ctimer", CPUInterval: time.Millisecond},
		}},
		Skips: Skips{Known: true, Counted: 5, Told: 3},
	}
}

func TestMarkerRoundTrip(t *testing.T) {
	d, want := newDir(t), marker()
	if err := d.WriteMarker(want); err != nil {
		t.Fatal(err)
	}
	got, err := d.ReadMarker(12, 345)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("marker (-want +got):\n%s", diff)
	}
	for _, other := range []struct {
		pid   int
		ticks uint64
	}{{12, 346}, {13, 345}} {
		if _, err := d.ReadMarker(other.pid, other.ticks); !errors.Is(err, ErrNoMarker) {
			t.Errorf("marker of another process is believed: %v", err)
		}
	}
}

func TestBadMarkers(t *testing.T) {
	spoil := func(change func(*Marker)) string {
		m := marker()
		change(&m)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	tests := map[string]string{
		"empty":           "",
		"not JSON":        "\x00\x01",
		"other schema":    spoil(func(m *Marker) { m.Schema = 3 }),
		"path as session": spoil(func(m *Marker) { m.Recordings[0].Session = "../../etc/passwd" }),
		"short session":   spoil(func(m *Marker) { m.Recordings[0].Session = "00" }),
		"no phase":        spoil(func(m *Marker) { m.Recordings[0].Phase = "" }),
		"two that run":    spoil(func(m *Marker) { m.Recordings = append(m.Recordings, m.Recordings[0]) }),
		"negative offset": spoil(func(m *Marker) { m.Recordings[0].Consumed = -1 }),
		"many recordings": spoil(func(m *Marker) { m.Recordings = make([]Recording, 100) }),
		"too large":       `{"owner":"` + strings.Repeat("x", maxMarkerBytes) + `"}`,
	}
	for name, content := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDir(t)
			if err := os.WriteFile(d.Marker(), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := d.ReadMarker(12, 345); !errors.Is(err, ErrNoMarker) {
				t.Errorf("ReadMarker = %v, want ErrNoMarker", err)
			}
		})
	}
	t.Run("FIFO", func(t *testing.T) {
		d := newDir(t)
		if err := syscall.Mkfifo(d.Marker(), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ReadMarker(12, 345); !errors.Is(err, ErrNoMarker) {
			t.Errorf("ReadMarker = %v, want ErrNoMarker", err)
		}
	})
}

// Pods live long: a marker of version 0.1 is read.
func TestMarkerOfTheOldSchema(t *testing.T) {
	const text = `{"schema":1,"pid":12,"startTicks":345,"recordings":[` +
		`{"session":"aaaaaaaaaaaaaaaa","begun":true,"consumed":7},{"session":"bbbbbbbbbbbbbbbb","begun":%t,"consumed":9}]}`
	for begun, want := range map[bool]Phase{true: Running, false: Asked} {
		d := newDir(t)
		if err := os.WriteFile(d.Marker(), fmt.Appendf(nil, text, begun), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := d.ReadMarker(12, 345)
		if err != nil {
			t.Fatal(err)
		}
		if m.Schema != Schema || m.Recordings[0].Phase != Ended || m.Recordings[1].Phase != want || m.Recordings[1].Consumed != 9 {
			t.Errorf("marker %+v", m)
		}
	}
}

func FuzzMarker(f *testing.F) {
	good, _ := json.Marshal(marker())
	f.Add(good)
	f.Add([]byte(`{"schema":1,"recordings":[{"session":"x"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		d := Dir(t.TempDir())
		if err := os.WriteFile(d.Marker(), content, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := d.ReadMarker(12, 345)
		if err != nil {
			return
		}
		for _, r := range m.Recordings {
			if id, ok := d.SessionOf(d.Recording(r.Session)); !ok || id != r.Session || filepath.Dir(d.Recording(r.Session)) != string(d) {
				t.Errorf("session %q leads out of the directory", r.Session)
			}
		}
	})
}

func TestRecordingsAreBounded(t *testing.T) {
	var m Marker
	var err error
	for n := 0; err == nil; n++ {
		if n > maxRecordings {
			t.Fatal("recordings are added without bound")
		}
		if err = m.Apply(Ask, NewID()); err == nil {
			err = m.Apply(Gone, "")
		}
	}
	id := m.Recordings[2].Session
	if err := m.Apply(Read, id); err != nil || m.Find(id) != nil || len(m.Recordings) != maxRecordings-1 {
		t.Errorf("%d recordings are left: %v", len(m.Recordings), err)
	}
}

func TestSessionOf(t *testing.T) {
	d := Dir("/shared/12-345")
	id := NewID()
	if got, ok := d.SessionOf(d.Recording(id)); !ok || got != id {
		t.Errorf("SessionOf = %q %v", got, ok)
	}
	for _, path := range []string{
		"/shared/13-345/" + id + ".jfr", "/shared/12-345/x.jfr", "/shared/12-345/" + id, "/shared/12-345/" + strings.ToUpper("abcdefabcdefabcd") + ".jfr", "/shared/12-345/sub/" + id + ".jfr",
	} {
		if _, ok := d.SessionOf(path); ok {
			t.Errorf("%s is taken for a recording of ours", path)
		}
	}
}

func TestLockHasOneOwner(t *testing.T) {
	d := newDir(t)
	first, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock(); !errors.Is(err, ErrOtherOwner) {
		t.Errorf("second Lock = %v, want ErrOtherOwner", err)
	}
	first.Release()
	second, err := d.Lock()
	if err != nil {
		t.Errorf("Lock after Release = %v", err)
	}
	second.Release()
	(*Lock)(nil).Release()
}

func TestSameIn(t *testing.T) {
	d := newDir(t)
	if err := d.SameIn("/"); err != nil {
		t.Errorf("the same file system: %v", err)
	}
	root := t.TempDir()
	if err := d.SameIn(root); err == nil {
		t.Error("a file system without the directory is accepted")
	}
	if err := os.MkdirAll(filepath.Join(root, string(d)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.SameIn(root); err == nil {
		t.Error("another directory of the same path is accepted")
	}
}
