package spool

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"github.com/podflame/podflame/backend/profile"
)

var epoch = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// window makes a window of one minute whose size grows with stacks.
func window(n, stacks int) *profile.Window {
	b := profile.NewBuilder(profile.CPU, profile.Limits{})
	for i := range stacks {
		b.Add([]uint32{b.Function(fmt.Sprintf("demo.Main.method%d", i*7919), profile.Java)}, profile.Amount{Value: 10, Count: 1})
	}
	set, coverage := b.Build()
	start := epoch.Add(time.Duration(n) * time.Minute)
	w := &profile.Window{Start: start, End: start.Add(time.Minute), Sets: []profile.StackSet{set}, Coverage: []profile.Coverage{coverage}}
	w.ID = profile.NewWindowID(1, "session", start)
	return w
}

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func openTest(t testing.TB, dir string, limits Limits, c *clock) *Spool {
	t.Helper()
	s, err := open(dir, limits, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), c.now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Spool, w *profile.Window) {
	t.Helper()
	if err := s.Put(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// take removes and decodes the oldest entry.
func take(t testing.TB, s *Spool) (*profile.Window, Entry) {
	t.Helper()
	e, ok := s.Oldest()
	if !ok {
		t.Fatal("spool is empty")
	}
	body, err := s.Body(e)
	if err != nil {
		t.Fatal(err)
	}
	w, err := profile.Decode(body, profile.DefaultDecodeLimits())
	if err != nil {
		t.Fatal(err)
	}
	s.Done(e)
	return w, e
}

func TestOldestFirstAndAcrossRestart(t *testing.T) {
	dir, c := t.TempDir(), &clock{epoch.Add(time.Hour)}
	s := openTest(t, dir, DefaultLimits(), c)
	for _, n := range []int{3, 1, 2} {
		put(t, s, window(n, 5))
	}
	if err := os.WriteFile(filepath.Join(dir, ".interrupted-write"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, DefaultLimits(), c)
	if got := s.Stats(); got.Windows != 3 || got.Oldest != 59*time.Minute {
		t.Errorf("stats after restart: %+v", got)
	}
	for _, n := range []int{1, 2, 3} {
		w, _ := take(t, s)
		if diff := cmp.Diff(window(n, 5), w); diff != "" {
			t.Error(diff)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 0 {
		t.Errorf("left in the directory: %v, %v", files, err)
	}
}

func TestFullSpoolKeepsTheRemains(t *testing.T) {
	s := openTest(t, t.TempDir(), Limits{Bytes: 8 << 10, Age: time.Hour, Files: 100}, &clock{epoch})
	for n := range 10 {
		put(t, s, window(n, 500))
	}
	if got := s.Stats(); got.Bytes > 8<<10 || got.Windows != 10 || got.Dropped == 0 {
		t.Fatalf("stats: %+v", got)
	}
	w, e := take(t, s)
	if len(w.Losses) == 0 {
		t.Fatal("the oldest window still has its stacks")
	}
	want := window(0, 500)
	Strip(want, profile.SpoolFull)
	if diff := cmp.Diff(want, w); diff != "" || !e.Remains {
		t.Errorf("remains %v:\n%s", e.Remains, diff)
	}
	if err := w.Check(); err != nil {
		t.Error(err)
	}
}

func TestExpiry(t *testing.T) {
	c := &clock{epoch}
	s := openTest(t, t.TempDir(), Limits{Bytes: 1 << 20, Age: time.Hour, Files: 100}, c)
	put(t, s, window(0, 5))
	put(t, s, window(30, 5))
	c.t = epoch.Add(80 * time.Minute)
	w, e := take(t, s)
	if !e.Remains || w.Coverage[0].Losses[0].Reason != profile.SpoolExpired {
		t.Errorf("entry %+v, ledger %+v", e, w.Coverage)
	}
	if w, e := take(t, s); e.Remains || len(w.Sets) != 1 {
		t.Errorf("the younger window is %+v", e)
	}
}

func TestLossesOfRemovedRemainsReachTheNextWindow(t *testing.T) {
	dir, c := t.TempDir(), &clock{epoch}
	limits := Limits{Bytes: 1 << 20, Age: time.Hour, Files: 2}
	s := openTest(t, dir, limits, c)
	for n := range 4 {
		put(t, s, window(n, 5))
	}
	s = openTest(t, dir, limits, c) // the loss of the last overflow waits on disk
	put(t, s, window(4, 5))
	var lost time.Duration
	for range 2 {
		w, _ := take(t, s)
		for _, l := range w.Losses {
			lost += l.Duration
		}
	}
	for _, l := range s.lost.Losses {
		lost += l.Duration
	}
	// Windows 0 and 1 are reported by 2 and 3 or wait; of those that were
	// taken out again their own reports went along.
	if lost == 0 {
		t.Error("removed windows left no trace")
	}
}

func TestRefusedWindowLeavesItsRemains(t *testing.T) {
	s := openTest(t, t.TempDir(), DefaultLimits(), &clock{epoch})
	put(t, s, window(0, 5))
	e, _ := s.Oldest()
	s.Refuse(e, profile.LimitExceeded)
	w, e := take(t, s)
	if !e.Remains || w.Coverage[0].Sum(profile.Dropped) != (profile.Amount{Value: 50, Count: 5}) {
		t.Errorf("entry %+v, ledger %+v", e, w.Coverage)
	}
	put(t, s, w)
	e, _ = s.Oldest()
	s.Refuse(e, profile.LimitExceeded)
	e, _ = s.Oldest()
	s.Refuse(e, profile.LimitExceeded)
	if _, ok := s.Oldest(); ok {
		t.Error("refused remains are still queued")
	}
	if s.lost.empty() {
		t.Error("refused remains left no loss")
	}
}

func TestWhatTheBackendKeepsInstead(t *testing.T) {
	lacks := func(value, count int64) []profile.Loss {
		return []profile.Loss{{Outcome: profile.Dropped, Reason: profile.IDConflict, Value: value, Count: count}}
	}
	for _, c := range []struct {
		name   string
		stored map[profile.Type]profile.Amount
		want   []profile.Loss
	}{
		{"less", map[profile.Type]profile.Amount{profile.CPU: {Value: 20, Count: 2}}, lacks(30, 3)},
		{"nothing", nil, lacks(50, 5)},
		{"as much", map[profile.Type]profile.Amount{profile.CPU: {Value: 50, Count: 5}}, nil},
		{"more", map[profile.Type]profile.Amount{profile.CPU: {Value: 90, Count: 9}}, nil},
		{"other weights", map[profile.Type]profile.Amount{profile.CPU: {Value: 60, Count: 4}}, lacks(0, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openTest(t, dir, DefaultLimits(), &clock{epoch})
			put(t, s, window(0, 5))
			e, _ := s.Oldest()
			s.DoneAs(e, c.stored, profile.IDConflict)
			if s.Stats().Windows != 0 {
				t.Error("the window still waits")
			}
			s = openTest(t, dir, DefaultLimits(), &clock{epoch}) // what is lost survives a restart
			put(t, s, window(1, 5))
			next, _ := take(t, s)
			if diff := cmp.Diff(c.want, next.Coverage[0].Losses); diff != "" || next.Coverage[0].Check() != nil {
				t.Errorf("%s\n%v", diff, next.Coverage[0].Check())
			}
		})
	}
}

func TestUnreadableFileIsALoss(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, DefaultLimits(), &clock{epoch})
	put(t, s, window(0, 5))
	e, _ := s.Oldest()
	if err := os.Remove(filepath.Join(dir, e.Name)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Body(e); err == nil {
		t.Fatal("no error")
	}
	put(t, s, window(1, 5))
	w, _ := take(t, s)
	if len(w.Losses) != 1 || w.Losses[0].Reason != profile.SpoolUnreadable {
		t.Errorf("losses of the next window: %+v", w.Losses)
	}
}

// A file that the disk has damaged goes to the backend, which refuses it, and
// leaves its bytes as a loss: it holds up nothing, here or after a restart.
func TestDamagedFileIsALoss(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"empty": func([]byte) []byte { return nil },
		"cut":   func(b []byte) []byte { return b[:len(b)/2] },
		"noise": func(b []byte) []byte {
			for i := range b {
				b[i] ^= byte(i)
			}
			return b
		},
	} {
		dir := t.TempDir()
		s := openTest(t, dir, DefaultLimits(), &clock{epoch})
		put(t, s, window(0, 5))
		e, _ := s.Oldest()
		path := filepath.Join(dir, e.Name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, dir, DefaultLimits(), &clock{epoch})
		e, _ = s.Oldest()
		if _, err := s.Body(e); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.Refuse(e, profile.Malformed)
		put(t, s, window(1, 5))
		w, _ := take(t, s)
		if len(w.Losses) != 1 || w.Losses[0].Reason != profile.SpoolUnreadable || w.Losses[0].Bytes != max(1, e.Size) || len(w.Sets) != 1 {
			t.Errorf("%s: losses of the next window %+v, want %d bytes", name, w.Losses, e.Size)
		}
	}
}

// memoryDir is a directory where fsync costs nothing, if there is one.
func memoryDir() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}

func capturedOf(ledgers []profile.Coverage) profile.Amount {
	var sum profile.Amount
	for _, c := range ledgers {
		sum = sum.Add(c.Captured)
	}
	return sum
}

// Whatever is put, taken, refused and expired: the queue stays within its
// limits, and every sample and all time put are in an entry taken, or in the
// losses that wait for the next window.
func TestNothingLeavesWithoutATrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(memoryDir(), "spool")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		c := &clock{epoch}
		limits := Limits{Bytes: rapid.Int64Range(600, 20_000).Draw(t, "bytes"), Age: 10 * time.Minute, Files: rapid.IntRange(1, 12).Draw(t, "files")}
		s, err := open(dir, limits, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), c.now)
		if err != nil {
			t.Fatal(err)
		}
		var in, out time.Duration
		var samplesIn, samplesOut profile.Amount
		n := 0
		account := func(w *profile.Window, e Entry) {
			if !e.Remains {
				out += w.End.Sub(w.Start)
			}
			for _, l := range w.Losses {
				out += l.Duration
			}
			samplesOut = samplesOut.Add(capturedOf(w.Coverage))
			if err := w.Check(); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				w := window(n, rapid.IntRange(0, 200).Draw(t, "stacks"))
				n++
				in += time.Minute
				samplesIn = samplesIn.Add(capturedOf(w.Coverage))
				if err := s.Put(t.Context(), w); err != nil {
					t.Fatal(err)
				}
			case 2:
				c.t = c.t.Add(time.Minute)
			case 3:
				if e, ok := s.Oldest(); ok && !e.Remains {
					s.Refuse(e, profile.InFuture)
				}
			case 4:
				if e, ok := s.Oldest(); ok {
					w, err := s.load(e)
					if err != nil {
						t.Fatal(err)
					}
					account(w, e)
					s.Done(e)
				}
			}
			if stats := s.Stats(); stats.Bytes > limits.Bytes || stats.Windows > limits.Files {
				t.Fatalf("queue of %d bytes, %d files exceeds %+v", stats.Bytes, stats.Windows, limits)
			}
		}
		for e, ok := s.Oldest(); ok; e, ok = s.Oldest() {
			w, err := s.load(e)
			if err != nil {
				t.Fatal(err)
			}
			account(w, e)
			s.Done(e)
		}
		for _, l := range s.lost.Losses {
			out += l.Duration
		}
		samplesOut = samplesOut.Add(capturedOf(s.lost.Ledgers))
		if in != out || samplesIn != samplesOut {
			t.Fatalf("%s and %+v put, %s and %+v accounted for", in, samplesIn, out, samplesOut)
		}
	})
}

func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to mount a small tmpfs")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := openTest(t, dir, DefaultLimits(), &clock{epoch})
	for n := range 60 {
		put(t, s, window(n, 1000))
	}
	if got := s.Stats(); got.Dropped == 0 || got.Bytes > 64<<10 {
		t.Errorf("stats: %+v", got)
	}
	if w, e := take(t, s); !e.Remains || w.Losses[0].Reason != profile.SpoolFull {
		t.Errorf("oldest entry %+v, losses %+v", e, w.Losses)
	}
}

// A code of a newer backend stays in the ledger as it is, and makes no label.
func TestUnknownReasonMakesNoLabel(t *testing.T) {
	s := openTest(t, t.TempDir(), DefaultLimits(), &clock{epoch})
	series := testutil.CollectAndCount(s.metrics.dropped) + testutil.CollectAndCount(s.metrics.removed)
	put(t, s, window(1, 5))
	for range 2 { // the window, then its remains
		e, _ := s.Oldest()
		s.Refuse(e, "of_tomorrow")
	}
	if now := testutil.CollectAndCount(s.metrics.dropped) + testutil.CollectAndCount(s.metrics.removed); now != series {
		t.Errorf("%d series, before there were %d", now, series)
	}
	put(t, s, window(2, 5))
	if w, _ := take(t, s); len(w.Losses) != 1 || w.Losses[0].Reason != "of_tomorrow" {
		t.Errorf("losses %+v", w.Losses)
	}
}

// A window that is made again, of what is left of its recording, does not
// replace the whole one; a whole one replaces a poor one.
func TestPoorerWindowOfTheSameID(t *testing.T) {
	s := openTest(t, t.TempDir(), Limits{Bytes: 1 << 20, Age: time.Hour, Files: 10}, &clock{epoch})
	put(t, s, window(0, 5))
	put(t, s, window(0, 50))
	put(t, s, window(0, 7))
	w, _ := take(t, s)
	if want := window(0, 50); captured(w) != captured(want) {
		t.Errorf("the window holds %d samples, want %d", captured(w), captured(want))
	}
	if n := s.Stats().Windows; n != 0 {
		t.Errorf("%d more windows", n)
	}
}

// Losses that version 0.1 left behind are reported.
func TestLossesOfAnEarlierVersion(t *testing.T) {
	dir := t.TempDir()
	old := `[{"Outcome":1,"Reason":"spool_full","Duration":60000000000}]`
	if err := os.WriteFile(filepath.Join(dir, lostFile), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openTest(t, dir, DefaultLimits(), &clock{epoch})
	put(t, s, window(0, 5))
	w, _ := take(t, s)
	if len(w.Losses) != 1 || w.Losses[0].Duration != time.Minute {
		t.Errorf("losses %+v", w.Losses)
	}
}
