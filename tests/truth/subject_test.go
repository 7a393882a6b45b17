package truth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/podflame/podflame/tests/internal/stack"
)

// life is one JVM from its start to its end, and the sidecars that looked after
// it. It is a service of its own, so that what the backend has of it can be asked
// for.
type life struct {
	service string
	java    string // command
	work    string // of this JVM alone
	jvm     *stack.Process
	sidecar *stack.Process
	began   time.Time // when the first sidecar had found it
	ended   time.Time // of the JVM, or of the last sidecar
	faults  int
	wrong   time.Duration // what its clock is set wrong by
	clock   string        // file with the nanoseconds by which the clock is set wrong
	// forgetful is a life whose sidecar gives windows up that wait for longer than
	// a window takes.
	forgetful bool
}

// begin starts the JVM and a sidecar for it.
func (f *fleet) begin(jdk string) *life {
	f.t.Helper()
	f.lives++
	l := &life{service: fmt.Sprintf("truth-%s-%d", jdk, f.lives), java: f.jdks[jdk]}
	l.work = filepath.Join(f.paths.Work, l.service)
	for _, dir := range []string{"kept", "shared", "state"} {
		f.must(os.MkdirAll(filepath.Join(l.work, dir), 0o777))
	}
	l.clock, l.forgetful = filepath.Join(l.work, "clock"), f.lives%3 == 0
	f.setClock(l, 0)
	jvm, err := stack.Start("env", []string{"LD_PRELOAD=" + f.preload, "STEPPED_CLOCK=" + l.clock, l.java, "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f.classes, "Load"}, filepath.Join(l.work, "jvm.log"))
	f.must(err)
	l.jvm = jvm
	f.t.Cleanup(jvm.Kill)
	f.watch(l)
	f.all = append(f.all, l)
	f.awaitFound(l)
	l.began = time.Now()
	return l
}

// setClock sets the clock of a JVM and of its sidecars.
func (f *fleet) setClock(l *life, wrong time.Duration) {
	f.t.Helper()
	file, err := os.OpenFile(l.clock, os.O_CREATE|os.O_WRONLY, 0o600)
	f.must(err)
	_, err = file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(wrong)), 0) // in place: it is mapped
	f.must(errors.Join(err, file.Close()))
	l.wrong = wrong
}

// awaitFound waits until the sidecar has found the JVM and made its directory:
// it accounts for the time from then on. On a busy machine that takes long.
func (f *fleet) awaitFound(l *life) {
	f.t.Helper()
	ctx, cancel := contextOf(f.t)
	defer cancel()
	err := stack.Poll(ctx, 50*time.Millisecond, func() (bool, error) {
		found, err := filepath.Glob(filepath.Join(l.work, "shared", strconv.Itoa(l.jvm.PID())+"-*"))
		return len(found) > 0, err
	}, func() error { return nil })
	if err != nil {
		f.t.Fatalf("%s: the sidecar does not find its JVM: %v\n%s", l.service, err, l.sidecar.LogTail())
	}
}

// watch starts a sidecar for a JVM.
func (f *fleet) watch(l *life) {
	f.t.Helper()
	age := "6h"
	if l.forgetful {
		age = "6s"
	}
	sidecar, err := stack.Start("env", []string{
		"STEPPED_CLOCK=" + l.clock, f.sidecar, "run", "--local", "--pid", strconv.Itoa(l.jvm.PID()), "--backend", "http://" + f.listen, "--window", window.String(),
		"--service", l.service, "--namespace", "demo", "--shared-dir", filepath.Join(l.work, "shared"), "--state-dir", filepath.Join(l.work, "state"),
		"--cpu-interval", interval.String(), "--lock-threshold", threshold.String(), "--alloc-interval", "512k", "--sample-rate", "0",
		"--start-delay", "1s", "--spool-age", age, "--keep-recordings", filepath.Join(l.work, "kept"), "--log-level", "debug",
	}, filepath.Join(l.work, "sidecar.log"))
	f.must(err)
	l.sidecar = sidecar
	f.t.Cleanup(sidecar.Kill)
}

// finish ends what is left of a life: the sidecar reads and sends the rest.
func (f *fleet) finish(l *life) {
	f.t.Helper()
	if l.ended.IsZero() {
		l.ended = time.Now()
	}
	l.sidecar.Stop()
	if code := l.sidecar.ExitCode(); code != 0 {
		f.t.Errorf("%s: the sidecar's exit status is %d", l.service, code)
	}
	l.jvm.Kill()
}

// runtimes returns the Java commands by the name of their version: the host's
// and those that tests/setup/setup.sh installs.
func runtimes(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{"host": "java"}
	cache := os.Getenv("PODFLAME_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(home, ".cache", "podflame")
	}
	for _, version := range []string{"11", "17", "21", "25"} {
		if complete, _ := filepath.Glob(filepath.Join(cache, "java-"+version+"-*", "complete")); len(complete) > 0 {
			found[version] = filepath.Join(filepath.Dir(complete[0]), "bin", "java")
		}
	}
	return found
}
