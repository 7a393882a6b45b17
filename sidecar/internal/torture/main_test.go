package torture

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"github.com/podflame/podflame/sidecar/internal/target"
)

var (
	seedFlag = flag.Uint64("torture.seed", 0, "seed of the faults; 0: another one in each run")
	duration = flag.Duration("torture.duration", 0, "how long each stress runs; 0: the short form")
)

// shortTrial is how long a stress runs where nobody asks for more.
const shortTrial = 6 * time.Second

func long() bool { return *duration > 0 }

func stressTime() time.Duration { return max(*duration, shortTrial) }

// shortSeed is that of the short form, which is the same each time.
const shortSeed = 26

// draws returns the random numbers of a trial, and says on a failure how to get
// them again.
func draws(t *testing.T) *rand.Rand {
	seed := *seedFlag
	switch {
	case seed != 0:
	case !long():
		seed = shortSeed
	default:
		seed = uint64(time.Now().UnixNano())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: go test ./sidecar/internal/torture -run '%s' -torture.seed %d", t.Name(), seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// program builds the sidecar, once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "podflame-torture-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sidecar")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/podflame/podflame/sidecar").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the sidecar: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func finder(t *testing.T) *target.Finder {
	t.Helper()
	procs, err := target.NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	return procs
}

// setup is where a JVM runs.
type setup struct {
	name   string
	script string // that makes the place and replaces itself by "java"
}

// setups need root. In each of them but the first the JVM has a /tmp, pids and
// mounts of its own.
func setups() []setup {
	const mounts = "mount -t tmpfs x /mnt && mkdir /mnt/jdk /mnt/classes && mount --bind %[1]s /mnt/jdk && mount --bind %[2]s /mnt/classes && " +
		"mount -t tmpfs -o mode=1777 x /tmp && mount -t proc proc /proc && "
	return []setup{
		{name: "host"},
		{name: "pod", script: "exec unshare -m -p --fork --kill-child --propagation private sh -c '" + mounts +
			"exec setpriv --reuid 12345 --regid 12346 --clear-groups --pdeathsig KILL /mnt/jdk/bin/java \"$@\"' sh \"$@\""},
		{name: "user namespace", script: "exec unshare -U -r -m -p --fork --kill-child --propagation private sh -c '" + mounts +
			"exec /mnt/jdk/bin/java \"$@\"' sh \"$@\""},
	}
}

// start starts a JVM in a setup and finds it.
func (s setup) start(t *testing.T, jdk, classes string, o jvmtest.Options) (*jvmtest.JVM, target.Process) {
	t.Helper()
	o.JDK = jdk
	if s.script == "" {
		o.Flags = append(o.Flags, "-cp", classes)
	} else {
		home := filepath.Dir(filepath.Dir(jvmtest.Java(t, jdk)))
		o.Launcher = filepath.Join(jvmtest.SharedDir(t), "launch")
		content := "#!/bin/sh\n" + fmt.Sprintf(s.script, home, classes) + "\n"
		if err := os.WriteFile(o.Launcher, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		o.Flags = append(o.Flags, "-cp", "/mnt/classes")
	}
	j := jvmtest.Start(t, o)
	return j, process(t, j.PID)
}

// process finds the JVM that pid is, or is the parent of.
func process(t *testing.T, pid int) target.Process {
	t.Helper()
	procs := finder(t)
	pids := []int{pid}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var child int
	if n, _ := fmt.Sscan(string(children), &child); n == 1 {
		pids = append(pids, child)
	}
	for _, pid := range pids {
		if p, err := procs.Process(pid); err == nil && p.Kind == target.HotSpot {
			return p
		}
	}
	t.Fatalf("none of %v is a JVM", pids)
	return target.Process{}
}
