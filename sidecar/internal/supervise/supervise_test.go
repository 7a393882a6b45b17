package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const role = "PODFLAME_TEST_ROLE"

// TestMain is also the first process, and the child of it.
func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "first":
		os.Exit(first())
	case "child":
		child()
	}
	os.Exit(m.Run())
}

// first supervises this binary as a child that the test leads by files.
func first() int {
	o := Defaults()
	o.Program, o.Args = os.Args[0], os.Args[1:]
	o.MinWait, o.MaxWait, o.Interval = 10*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond
	o.Budget.CGroup = filepath.Join(os.Args[1], "cgroup")
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	_ = os.Setenv(role, "child")
	return Run(o)
}

// child notes its pid and obeys the file "order": crash, exit or orphan. SIGTERM
// ends it with status 7.
func child() {
	dir := os.Args[1]
	f, _ := os.OpenFile(filepath.Join(dir, "pids"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	fmt.Fprintln(f, os.Getpid())
	_ = f.Close()
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	for {
		select {
		case <-term:
			os.Exit(7)
		case <-time.After(10 * time.Millisecond):
		}
		order, err := os.ReadFile(filepath.Join(dir, "order"))
		if err != nil {
			continue
		}
		_ = os.Remove(filepath.Join(dir, "order"))
		switch string(order) {
		case "crash":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "exit":
			os.Exit(0)
		case "orphan": // a grandchild that outlives the child
			_ = exec.Command("sleep", "0.2").Start()
			os.Exit(3)
		}
	}
}

// lab is a running first process.
type lab struct {
	*testing.T
	dir  string
	cmd  *exec.Cmd
	log  *locked
	done chan struct{}
}

// locked is a buffer that the test reads while the process writes.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, dir: t.TempDir(), log: &locked{}, done: make(chan struct{})}
	l.cmd = exec.Command(os.Args[0], l.dir)
	l.cmd.Env = append(os.Environ(), role+"=first")
	l.cmd.Stderr = l.log
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = l.cmd.Wait(); close(l.done) }()
	t.Cleanup(func() { _ = l.cmd.Process.Kill(); <-l.done })
	return l
}

func (l *lab) await(what string, ok func() bool) {
	l.Helper()
	deadline := time.After(4 * time.Minute) // that only a hang exceeds
	for !ok() {
		select {
		case <-deadline:
			l.Fatalf("%s did not come about: %s", what, l.log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// pids are those of the children so far.
func (l *lab) pids() (pids []int) {
	text, _ := os.ReadFile(filepath.Join(l.dir, "pids"))
	for field := range strings.FieldsSeq(string(text)) {
		pid, _ := strconv.Atoi(field)
		pids = append(pids, pid)
	}
	return pids
}

// order gives the child an order whole: it removes what it has read.
func (l *lab) order(what string) {
	l.Helper()
	path := filepath.Join(l.dir, "order")
	if err := errors.Join(os.WriteFile(path+".new", []byte(what), 0o600), os.Rename(path+".new", path)); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) children(n int) {
	l.Helper()
	l.await(fmt.Sprintf("child number %d", n), func() bool { return len(l.pids()) >= n })
}

func TestChildIsStartedAgain(t *testing.T) {
	t.Parallel()
	l := start(t)
	for n := 1; n <= 4; n++ {
		l.children(n)
		l.order("crash")
	}
	l.children(5)
	if !strings.Contains(l.log.String(), "started again") || !strings.Contains(l.log.String(), "status=137") {
		t.Errorf("log: %s", l.log)
	}
	_ = l.cmd.Process.Signal(syscall.SIGTERM)
	<-l.done
	if code := l.cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exit status %d, want the child's", code)
	}
	if n := len(l.pids()); n != 5 {
		t.Errorf("%d children, want none after the end", n)
	}
}

func TestEndsWithAChildThatIsDone(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.children(1)
	l.order("exit")
	<-l.done
	if code := l.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// TestOrphansAreReaped: what a crashed child leaves does not stay as a zombie.
func TestOrphansAreReaped(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.children(1)
	l.order("orphan")
	l.children(2)
	l.await("the orphan is reaped", func() bool {
		children := childrenOf(l.cmd.Process.Pid)
		return len(children) == 1 && children[0] == l.pids()[1]
	})
}

// TestChildDiesWithTheFirstProcess: no second one works beside it.
func TestChildDiesWithTheFirstProcess(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.children(1)
	_ = l.cmd.Process.Kill()
	<-l.done
	l.await("the child's end", func() bool { return syscall.Kill(l.pids()[0], 0) != nil || zombie(l.pids()[0]) })
}

func zombie(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// TestMemoryBudget: when the container's memory is almost full the child is
// ended, and the container is not.
func TestMemoryBudget(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.children(1)
	l.cgroup("104857600\n", "anon 50000000\nfile 90000000\nkernel 10000000\nshmem 0\n")
	if n := len(l.pids()); n != 1 {
		t.Errorf("file pages count: %d children", n)
	}
	l.cgroup("104857600\n", "anon 90000000\nfile 0\nkernel 9000000\nshmem 0\n")
	l.children(2)
	l.cgroup("max\n", "anon 90000000\n")
	if !strings.Contains(l.log.String(), "almost full") {
		t.Errorf("log: %s", l.log)
	}
}

func (l *lab) cgroup(limit, stat string) {
	l.Helper()
	dir := filepath.Join(l.dir, "cgroup")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		l.Fatal(err)
	}
	for name, text := range map[string]string{"memory.stat": stat, "memory.max": limit} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			l.Fatal(err)
		}
	}
}

func TestBudget(t *testing.T) {
	for name, c := range map[string]struct {
		limit, all, stat string
		full             bool
	}{
		"enough":              {"1000000", "850000", "anon 800000\nkernel 50000\n", false},
		"almost full":         {"1000000", "930000", "anon 880000\nkernel 50000\n", true},
		"file pages are none": {"1000000", "990000", "anon 100000\nfile 890000\n", false},
		"the whole is enough": {"1000000", "900000", "anon 900001\n", false}, // read a moment later
		"no sum":              {"1000000", "", "anon 930000\n", true},
		"no limit":            {"max", "800000000", "anon 800000000\n", false},
		"cgroup v1":           {"", "", "", false},
		"nonsense":            {"1000000", "x", "anon x\n\nkernel\n", false},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"memory.max": c.limit, "memory.current": c.all, "memory.stat": c.stat} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, full := (Budget{CGroup: dir, Percent: 90}).exceeded(); full != c.full {
			t.Errorf("%s: %v", name, full)
		}
	}
}

// In the format of Linux 6.1 and of 5.4: the newer tells the kernel's part as one sum, which has
// the caches of names and inodes in it, and of which sockets are no part.
const (
	stat61 = "anon 9202163712\nfile 5392793600\nkernel 446648320\nkernel_stack 25067520\npagetables 91107328\nsec_pagetables 0\n" +
		"percpu 2989240\nsock 8192\nvmalloc 2240512\nshmem 1537892352\nzswap 0\nzswapped 0\nfile_mapped 1073401856\nfile_dirty 40960\n" +
		"file_writeback 0\nswapcached 344064\nanon_thp 0\nfile_thp 0\nshmem_thp 0\ninactive_anon 3904520192\nactive_anon 6295154688\n" +
		"inactive_file 2995503104\nactive_file 859398144\nunevictable 540581888\nslab_reclaimable 255575264\nslab_unreclaimable 67153928\n" +
		"slab 322729192\nworkingset_refault_anon 0\npgfault 113489463\nthp_swpout_fallback 0\n"
	stat54 = "anon 790425600\nfile 6502666240\nkernel_stack 7012352\npagetables 8867840\npercpu 2445520\nsock 40960\nshmem 6721536\n" +
		"file_mapped 656187392\nfile_dirty 1122304\nfile_writeback 0\nanon_thp 438304768\ninactive_anon 892223488\nactive_anon 2973696\n" +
		"inactive_file 5307346944\nactive_file 1179316224\nunevictable 31477760\nslab_reclaimable 348866240\nslab_unreclaimable 10099808\n" +
		"slab 358966048\nworkingset_refault_anon 0\npgfault 103216687\nthp_collapse_alloc 443\n"
)

func TestMemoryThatIsNotGivenBack(t *testing.T) {
	for name, test := range map[string]struct {
		stat string
		want int64
	}{
		"Linux 6.1": {stat61, 9202163712 + 1537892352 + 8192 + 446648320 - 255575264},
		"Linux 5.4": {stat54, 790425600 + 6721536 + 40960 + 7012352 + 8867840 + 2445520 + 10099808},
		"nothing":   {"", 0},
		"nonsense":  {"kernel 5\nslab_reclaimable 9\nanon -\n", 0},
	} {
		if got := unreclaimable([]byte(test.stat)); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// Looks at the memory leave next to no garbage: a process that does nothing else must
// not collect it after each.
func TestLooksAreCheap(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{"memory.max": "1000000\n", "memory.current": "850000\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	boundGarbage()
	s := &supervisor{Options: Options{Budget: Budget{CGroup: dir, Percent: 90}}, child: os.Getpid()}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const looks = 200
	for range looks {
		s.checkMemory()
	}
	runtime.ReadMemStats(&after)
	if n := after.NumGC - before.NumGC; n > looks/10 {
		t.Errorf("garbage was collected %d times in %d looks", n, looks)
	}
}

// TestWaits: a child that dies again and again is started again every ten
// seconds, and after a healthy minute soon.
func TestWaits(t *testing.T) {
	s := &supervisor{Options: Defaults(), wait: Defaults().MinWait}
	var waits []time.Duration
	for range 6 {
		s.ran(30 * time.Second)
		waits = append(waits, s.backOff())
	}
	s.ran(time.Minute)
	waits = append(waits, s.backOff())
	want := []time.Duration{1, 2, 4, 8, 10, 10, 1}
	for i := range want {
		if waits[i] != want[i]*time.Second {
			t.Errorf("wait %d is %s, want %ds", i, waits[i], want[i])
		}
	}
}
