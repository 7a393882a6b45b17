package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/contract"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

// podDirectory is a volume of the downward API, as the kubelet writes it: a link
// leads to the newest version, and is replaced in one step.
type podDirectory struct {
	dir      string
	versions int
}

func (p *podDirectory) file() string { return filepath.Join(p.dir, "annotations") }

func (p *podDirectory) write(annotations map[string]string) error {
	p.versions++
	version := fmt.Sprintf("..version%d", p.versions)
	var text strings.Builder
	for key, value := range annotations {
		fmt.Fprintf(&text, "%s=%q\n", key, value)
	}
	link := filepath.Join(p.dir, "..new")
	err := errors.Join(
		os.Mkdir(filepath.Join(p.dir, version), 0o755),
		os.WriteFile(filepath.Join(p.dir, version, "annotations"), []byte(text.String()), 0o644),
		os.Symlink(version, link), os.Rename(link, filepath.Join(p.dir, "..data")))
	if p.versions == 1 {
		err = errors.Join(err, os.Symlink("..data/annotations", p.file()))
	}
	return err
}

func TestWish(t *testing.T) {
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	pod := podDirectory{dir: t.TempDir()}
	c := Config{Settings: contract.DefaultSettings(), Limits: DefaultLimits(), Annotations: pod.file()}
	current := c.Settings
	current.Window = 30 * time.Second
	if w := c.wish(current, now); w.refused != "" || !sameSettings(w.settings, c.Settings) {
		t.Errorf("before the file is there: %+v", w)
	}
	tests := map[string]struct {
		annotations map[string]string
		events      []string
		window      time.Duration
		capture     bool
		refused     string
	}{
		"nothing":           {nil, []string{"cpu", "alloc", "lock"}, time.Minute, false, ""},
		"events and window": {map[string]string{contract.Events: "wall", contract.Window: "10s"}, []string{"wall"}, 10 * time.Second, false, ""},
		"a bad value":       {map[string]string{contract.Events: "wall", contract.Window: "1ms"}, current.Events, current.Window, false, contract.Window},
		"live alone":        {map[string]string{contract.Events: "cpu,live"}, current.Events, current.Window, false, "needs \"alloc\" beside it"},
		"a capture":         {map[string]string{contract.Window: "10s", contract.Capture: "events=wall;until=2026-11-26T10:10:00Z"}, []string{"wall"}, 10 * time.Second, true, ""},
		"a capture that is over": {map[string]string{contract.Capture: "events=wall;until=2026-11-26T09:59:59Z"},
			[]string{"cpu", "alloc", "lock"}, time.Minute, false, ""},
		"a capture without an end": {map[string]string{contract.Capture: "events=wall"}, []string{"cpu", "alloc", "lock"}, time.Minute, false, contract.Capture},
		"a capture for years": {map[string]string{contract.Capture: "events=wall;until=2036-11-26T09:59:59Z"},
			[]string{"cpu", "alloc", "lock"}, time.Minute, false, "more than 24h0m0s ahead"},
	}
	for name, test := range tests {
		if err := pod.write(test.annotations); err != nil {
			t.Fatal(err)
		}
		w := c.wish(current, now)
		if !slices.Equal(w.settings.Events, test.events) || w.settings.Window != test.window || (w.capture != "") != test.capture {
			t.Errorf("%s: %+v", name, w)
		}
		if (w.refused == "") != (test.refused == "") || !strings.Contains(w.refused, test.refused) {
			t.Errorf("%s: refused %q, want %q", name, w.refused, test.refused)
		}
	}
}

// Whatever lies in the place of the annotations, nothing hangs and nothing else
// is read.
func TestHostileAnnotations(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"a link elsewhere": func(path string) error { return os.Symlink("/proc/self/environ", path) },
		"a FIFO":           func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"a directory":      func(path string) error { return os.Mkdir(path, 0o755) },
		"too large":        func(path string) error { return os.WriteFile(path, make([]byte, maxAnnotations+1), 0o644) },
		"nonsense":         func(path string) error { return os.WriteFile(path, []byte("\x00\n"), 0o644) },
	} {
		path := filepath.Join(t.TempDir(), "annotations")
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		c := Config{Settings: contract.DefaultSettings(), Limits: DefaultLimits(), Annotations: path}
		current := c.Settings
		current.Window = 30 * time.Second
		if w := c.wish(current, time.Now()); w.refused == "" || !sameSettings(w.settings, current) {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

// A change of the annotations is applied at a border of windows, without a
// restart; a second one waits; one that is not valid is shown and changes nothing.
func TestAnnotationsChangeWhileTheJVMRuns(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	pod := podDirectory{dir: t.TempDir()}
	v.config.Annotations, v.longest = pod.file(), 20*time.Second
	annotate := func(annotations map[string]string) {
		if err := pod.write(annotations); err != nil {
			t.Fatal(err)
		}
	}
	annotate(nil)
	v.lead(25)
	first := v.w.session()
	annotate(map[string]string{contract.Events: "cpu,wall", contract.Window: "20s"})
	v.lead(10)
	second := v.w.session()
	if second == first || v.w.settings.Window != 20*time.Second || !strings.Contains(v.w.status().Options, "wall=") {
		t.Errorf("session %s after %s, settings %+v, options %s", second, first, v.w.settings, v.w.status().Options)
	}
	annotate(map[string]string{contract.Window: "5s"})
	v.lead(40)
	if v.w.session() != second {
		t.Error("a second change came within a minute")
	}
	v.lead(40)
	if v.w.session() == second || v.w.settings.Window != 5*time.Second {
		t.Errorf("the second change did not come: %+v", v.w.settings)
	}
	third := v.w.session()
	annotate(map[string]string{contract.Window: "5 minutes"})
	v.lead(70)
	if s := v.w.status(); v.w.session() != third || !strings.Contains(s.Refused, contract.Window) {
		t.Errorf("refused %q, session %s after %s", s.Refused, v.w.session(), third)
	} else if told := (&Agent{config: *v.config}).stateOf(s); told.State != profile.StateProfiled || told.Reason != profile.AnnotationRefused || told.Detail != s.Refused {
		t.Errorf("the report says %+v", told)
	}
	annotate(map[string]string{contract.Capture: contract.CaptureRequest{Events: []string{"wall"}, Until: v.clock.wall.Add(time.Minute)}.String()})
	v.lead(11)
	if s := v.w.status(); s.Capture == "" || !slices.Equal(s.Settings.Events, []string{"wall"}) {
		t.Errorf("capture %q, events %v", s.Capture, s.Settings.Events)
	}
	v.lead(90)
	if s := v.w.status(); s.Capture != "" || !slices.Equal(s.Settings.Events, []string{"cpu"}) {
		t.Errorf("after its end: capture %q, events %v", s.Capture, s.Settings.Events)
	}
	v.finish(t)
	v.checkWhole(t)
	windows := v.spool.profiled()
	for i := 1; i < len(windows); i++ {
		if windows[i].Start.Before(windows[i-1].End) {
			t.Errorf("window of %s to %s overlaps the one before, to %s", windows[i].Start, windows[i].End, windows[i-1].End)
		}
	}
}

// With windows of a minute, as long as changes are apart, the border after a change is
// the next one that may bring another, whichever of them comes some moments late.
func TestChangesComeAtTheNextBorder(t *testing.T) {
	v := newWorld(t.TempDir(), t.Fatalf)
	pod := podDirectory{dir: t.TempDir()}
	v.config.Annotations, v.config.Settings.Window = pod.file(), contract.DefaultSettings().Window
	v.config.Limits.ChangeInterval = DefaultLimits().ChangeInterval
	v.lead(15)
	v.clock.pass(2 * time.Minute)
	for _, step := range []struct {
		after  time.Duration
		events string
		want   string
	}{
		{0, "cpu,wall", "cpu,wall"}, {time.Minute - 20*time.Millisecond, "cpu", "cpu"}, {time.Minute + 20*time.Millisecond, "wall", "wall"}, {20 * time.Second, "cpu", "wall"},
	} {
		if err := pod.write(map[string]string{contract.Events: step.events}); err != nil {
			t.Fatal(err)
		}
		v.clock.pass(step.after)
		v.w.followWish()
		if got := strings.Join(v.w.settings.Events, ","); got != step.want {
			t.Errorf("%s after the change before, %s are recorded, want %s", step.after, got, step.want)
		}
	}
}

// The same in a real JVM: it gets wall samples, and goes on without them.
func TestCaptureInAJVM(t *testing.T) {
	t.Parallel()
	b := newBench(t, jvmtest.Options{Threads: []string{"cpu"}})
	pod := podDirectory{dir: t.TempDir()}
	b.config.Annotations, b.config.Limits.ChangeInterval = pod.file(), 0
	if err := pod.write(map[string]string{contract.Events: "cpu"}); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.awaitWindows(1)
	if err := pod.write(map[string]string{contract.Events: "cpu", contract.Capture: contract.CaptureRequest{Events: []string{"cpu", "wall"}, Until: time.Now().Add(time.Hour)}.String()}); err != nil {
		t.Fatal(err)
	}
	hasWall := func(w profile.Window) bool { return w.Set(profile.Wall) != nil }
	b.await("wall samples", func() bool { return slices.ContainsFunc(b.spool.profiled(), hasWall) })
	if s := b.agent.Report().Targets[0].State; !strings.HasPrefix(s.Detail, "capture of ") || s.Threads == nil || !*s.Threads || s.State != profile.StateProfiled || !slices.Contains(s.Events, "wall") {
		t.Errorf("the report says %+v", s)
	}
	if err := pod.write(map[string]string{contract.Events: "cpu"}); err != nil {
		t.Fatal(err)
	}
	captured := b.status().Session
	b.await("a window of another session", func() bool {
		return slices.ContainsFunc(b.spool.profiled(), func(w profile.Window) bool { return w.Session == b.status().Session && w.Session != captured })
	})
	b.stop()
	windows := b.spool.profiled()
	if hasWall(windows[len(windows)-1]) || windows[len(windows)-1].CoverageOf(profile.Wall) != nil {
		t.Error("wall samples after the capture")
	}
	b.checkContiguous(windows)
	if d := b.status().Difference; d > 50*time.Millisecond {
		t.Errorf("the account of time differs by %s from the windows", d)
	}
	b.jvm.CheckUntouched(t)
}
