package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podflame/podflame/sidecar/internal/target"
)

// A sidecar ends when nobody else has been there for a while, and later if there is
// something to be read yet; but not if it cannot be read for ever.
func TestEndsWhenAlone(t *testing.T) {
	proc := t.TempDir()
	if err := os.WriteFile(filepath.Join(proc, "stat"), []byte("btime 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	procs, err := target.NewFinder(proc)
	if err != nil {
		t.Fatal(err)
	}
	clock := &fakeClock{elapsed: time.Hour}
	a := &Agent{config: Config{ExitWhenAlone: true, Limits: DefaultLimits()}, procs: procs, clock: clock}
	l := loneliness{agent: a}
	scan := func(jvms, unread, ends bool) {
		t.Helper()
		clock.pass(5 * time.Second)
		if got := l.check(jvms, func() bool { return unread }); got != ends {
			t.Errorf("ends %v, want %v", got, ends)
		}
	}
	scan(false, false, false) // no JVM has been there
	scan(true, false, false)
	scan(false, false, false)
	scan(false, false, false)
	scan(false, false, true)
	scan(false, true, false)
	scan(true, true, false)
	for range scansAlone - 1 {
		scan(false, true, false)
	}
	for range a.config.Limits.UnreadWait / (5 * time.Second) {
		scan(false, true, false)
	}
	scan(false, true, true)
}
