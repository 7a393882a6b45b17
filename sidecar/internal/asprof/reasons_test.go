package asprof

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
)

func TestMissingDependency(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		"/x/lib.so: cannot open shared object file: No such file or directory":                              "",
		"/x/lib.so was not loaded.\n/x/lib.so: failed to map segment from shared object":                    "",
		"/x/lib.so was not loaded.\nlibdl.so.2: cannot open shared object file: No such file or directory":  "libdl.so.2",
		"/x/lib.so was not loaded.\n/lib/libm.so.6: version `GLIBC_2.29' not found (required by /x/lib.so)": "GLIBC_2.29",
		"Error loading shared library libstdc++.so.6: No such file or directory (needed by /x/lib.so)":      "libstdc++.so.6",
		"Error relocating /x/lib.so: __strdup: symbol not found":                                            "__strdup",
	} {
		if got := missingDependency(text); got != want {
			t.Errorf("missingDependency(%q) = %q, want %q", text, got, want)
		}
	}
}

// An image that lacks a library of the profiler's is told which one.
func TestLibraryThatNeedsAnAbsentOne(t *testing.T) {
	l := newLab(t, time.Minute, jvmtest.Options{})
	absent, library := filepath.Join(l.dir, "libabsent.so.2"), filepath.Join(l.dir, "libneeds.so")
	for _, args := range [][]string{
		{"-shared", "-Wl,-soname,libabsent.so.2", "-o", absent, "-xc", "/dev/null"},
		{"-shared", "-Wl,--no-as-needed", "-o", library, "-xc", "/dev/null", "-xnone", absent},
	} {
		if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
			t.Fatalf("gcc %v: %v: %s", args, err, out)
		}
	}
	if err := os.Remove(absent); err != nil {
		t.Fatal(err)
	}
	l.library = library
	_, err := l.run(Status(l.log()))
	if ReasonOf(err) != profile.DependencyMissing || !strings.Contains(err.Error(), "libabsent.so.2") {
		t.Errorf("%v, want that libabsent.so.2 is missing", err)
	}
	l.checkUntouched()
}

// inMounts starts the JVM in a mount namespace of its own, where script changes
// /tmp.
func inMounts(t *testing.T, script string) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a mount namespace")
	}
	launcher := filepath.Join(jvmtest.SharedDir(t), "launch")
	classes := "mount -t tmpfs x /mnt && mkdir /mnt/classes && mount --bind " + jvmtest.Classes(t) + " /mnt/classes"
	content := fmt.Sprintf("#!/bin/sh\nexec unshare -m --propagation private sh -c '%s && %s && exec java \"$@\"' sh \"$@\"\n", classes, script)
	if err := os.WriteFile(launcher, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return newLab(t, time.Minute, jvmtest.Options{Launcher: launcher, Flags: []string{"-cp", "/mnt/classes"}})
}

// What is wrong with the JVM's /tmp is said before any signal.
func TestTmpOfTheJVM(t *testing.T) {
	for _, test := range []struct {
		name, script string
		want         profile.Reason
	}{
		{"read-only", "mount -t tmpfs -o ro x /tmp", profile.TmpReadOnly},
		{"no inodes", "mount -t tmpfs -o nr_inodes=2 x /tmp && touch /tmp/a", profile.TmpFull},
	} {
		t.Run(test.name, func(t *testing.T) {
			inMounts(t, test.script).refused(test.want)
		})
	}
}

func TestTmpReasons(t *testing.T) {
	for errno, want := range map[syscall.Errno]profile.Reason{
		syscall.ENOENT: profile.TmpMissing, syscall.ENOTDIR: profile.TmpMissing, syscall.EROFS: profile.TmpReadOnly,
		syscall.ENOSPC: profile.TmpFull, syscall.EDQUOT: profile.TmpFull, syscall.EACCES: profile.TmpNotWritable, syscall.EIO: profile.TmpNotWritable,
	} {
		if got := tmpReason(fmt.Errorf("write: %w", errno)); got != want {
			t.Errorf("%s: %s, want %s", errno, got, want)
		}
	}
}

// A JVM with capabilities that we lack cannot be looked into, and says which.
func TestJVMWithMoreCapabilities(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give capabilities")
	}
	launcher := filepath.Join(jvmtest.SharedDir(t), "launch")
	content := "#!/bin/sh\nexec setpriv --reuid 12345 --regid 12346 --clear-groups --inh-caps +net_bind_service --ambient-caps +net_bind_service java \"$@\"\n"
	if err := os.WriteFile(launcher, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	l := &lab{T: t, procs: newFinder(t)}
	l.jvm = jvmtest.Start(t, jvmtest.Options{Launcher: launcher})
	p, err := l.procs.Process(l.jvm.PID)
	if err != nil || p.Reason != profile.CapabilitiesMissing || !strings.Contains(p.Detail, "NET_BIND_SERVICE") {
		t.Errorf("process %+v, %v", p, err)
	}
	l.jvm.Signal(syscall.SIGKILL)
}
