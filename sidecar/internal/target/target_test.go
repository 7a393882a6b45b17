package target

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/profile"
	"github.com/podflame/podflame/sidecar/internal/jvmtest"
	"golang.org/x/sys/unix"
)

// tree is a procfs of our own making.
type tree struct {
	*testing.T
	root string
}

// proc is one process in it.
type proc struct {
	pid, nspid  int
	state       string // default S
	ticks       int
	maps        []string
	args, env   []string
	sigCgt      uint64
	shdPnd      uint64
	exe         []byte
	fds         map[string]string // link by number
	threads     []string
	jvmHome     string // with a release file of version 21.0.1
	unreachable bool   // what needs the process's rights is missing
}

func newTree(t *testing.T, processes ...proc) *tree {
	t.Helper()
	r := &tree{T: t, root: t.TempDir()}
	r.write("stat", "cpu  0 0 0 0 0 0 0 0 0 0\nbtime 1700000000\nprocesses 1\n")
	for _, p := range processes {
		r.add(p)
	}
	return r
}

func (r *tree) write(path, content string) {
	r.Helper()
	path = filepath.Join(r.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		r.Fatal(err)
	}
}

func (r *tree) link(path, to string) {
	r.Helper()
	path = filepath.Join(r.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(to, path)); err != nil {
		r.Fatal(err)
	}
}

func (r *tree) add(p proc) {
	r.Helper()
	dir := fmt.Sprint(p.pid)
	if p.state == "" {
		p.state = "S"
	}
	numbers := strings.Repeat("0 ", 17)
	r.write(dir+"/stat", fmt.Sprintf("%d (java) %s %s0 %d %s\n", p.pid, p.state, numbers, p.ticks, strings.Repeat("0 ", 30)))
	r.write(dir+"/status", fmt.Sprintf("Name:\tjava\nState:\t%s (x)\nTgid:\t%d\nUid:\t%d\t%d\t0\t0\nGid:\t0\t%d\t0\t0\nNStgid:\t%d\t%d\nNSpid:\t%d\t%d\nShdPnd:\t%016x\nSigCgt:\t%016x\n",
		p.state, p.pid, os.Getuid(), os.Geteuid(), os.Getegid(), p.pid, p.nspid, p.pid, p.nspid, p.shdPnd, p.sigCgt))
	r.write(dir+"/cmdline", strings.Join(p.args, "\x00")+"\x00")
	if p.unreachable {
		return
	}
	maps := "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/java\n7ffd0-7ffd1 rw-p 00000000 00:00 0      [stack]\n"
	for _, m := range p.maps {
		maps += "7f3f00000000-7f3f00001000 r-xp 00001000 08:01 12345    " + m + "\n"
	}
	r.write(dir+"/maps", maps)
	r.write(dir+"/environ", strings.Join(p.env, "\x00")+"\x00")
	if p.exe != nil {
		r.write(dir+"/exe", string(p.exe))
	}
	for fd, link := range p.fds {
		r.link(dir+"/fd/"+fd, link)
	}
	if p.fds == nil {
		r.write(dir+"/fd/.keep", "")
	}
	for i, comm := range append([]string{"java"}, p.threads...) {
		r.write(fmt.Sprintf("%s/task/%d/comm", dir, p.pid+i), comm+"\n")
	}
	if p.jvmHome != "" {
		r.write(dir+"/root"+p.jvmHome+"/release", "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"21.0.1\"\n")
	}
}

func (r *tree) finder() *Finder {
	r.Helper()
	f, err := NewFinder(r.root)
	if err != nil {
		r.Fatal(err)
	}
	return f
}

const libjvm = "/opt/jdk/lib/server/libjvm.so"

func TestFind(t *testing.T) {
	r := newTree(t,
		proc{pid: 10, nspid: 1, ticks: 12345, maps: []string{libjvm}, jvmHome: "/opt/jdk", args: []string{"java", "-cp", "x", "com.example.Shop", "-Xrs"}, env: []string{"PODFLAME_CONTAINER=shop"}},
		proc{pid: 11, nspid: 11, maps: []string{"/opt/j9/libj9vm29.so", libjvm}, args: []string{"java", "-jar", "/app/shop.jar"}},
		proc{pid: 12, nspid: 12, exe: elfWith(t, ".svm_heap"), args: []string{"/shop"}},
		proc{pid: 13, nspid: 13, exe: elfWith(t, ".text"), args: []string{"/bin/sh"}},
		proc{pid: 14, nspid: 14, maps: []string{libjvm}, args: []string{"java", "-XX:+DisableAttachMechanism", "Main"}},
		proc{pid: 15, nspid: 15, maps: []string{libjvm}, args: []string{"java", "Main"}, env: []string{"JAVA_TOOL_OPTIONS=-Xmx1g -Xrs"}},
		proc{pid: 16, nspid: 16, maps: []string{libjvm + " (deleted)"}, args: []string{"java", strings.Repeat("x", 1000)}},
	)
	r.write("self/stat", "")
	found, err := r.finder().Find(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		PID, NSPID               int
		Kind                     Kind
		Container, Main, Version string
		Reason                   profile.Reason
	}
	var got []line
	for _, p := range found {
		got = append(got, line{p.PID, p.NSPID, p.Kind, p.Container, p.MainClass, p.Version, p.Reason})
	}
	want := []line{
		{10, 1, HotSpot, "shop", "com.example.Shop", "21.0.1", ""},
		{11, 11, OpenJ9, "", "shop.jar", "", profile.OpenJ9},
		{12, 12, NativeImage, "", "", "", profile.NativeImage},
		{14, 14, HotSpot, "", "Main", "", profile.AttachDisabled},
		{15, 15, HotSpot, "", "Main", "", ""},
		{16, 16, HotSpot, "", strings.Repeat("x", maxText), "", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	if start := found[0].Start; !start.Equal(time.UnixMilli(1700000000_000 + 123450)) {
		t.Errorf("start %s, want boot time + 123.45 s", start)
	}
}

// A start is told by the clock as it is set, also of a process that starts after the
// clock was set, and of one that was seen before.
func TestStartMovesWithTheClock(t *testing.T) {
	r := newTree(t, proc{pid: 10, nspid: 1, ticks: 12345, maps: []string{libjvm}, args: []string{"java", "Main"}})
	r.write("self/stat", "")
	f := r.finder()
	var set time.Duration
	f.boot = newBootTime(f.boot.read, func() time.Time { return time.Unix(1700000000, 0).Add(set) })
	start := time.UnixMilli(1700000000_000 + 123450)
	for _, step := range []struct{ set, want time.Duration }{
		{0, 0}, {300 * time.Millisecond, 0}, {-time.Hour, -time.Hour}, {2 * time.Second, 2 * time.Second}, {time.Hour, time.Hour},
	} {
		set = step.set
		found, err := f.Find(t.Context())
		if err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		if got := found[0].Start.Sub(start); got != step.want {
			t.Errorf("with the clock set by %s, the start moved by %s, want %s", step.set, got, step.want)
		}
	}
}

// elfWith returns the smallest object file with a section of that name.
func elfWith(t *testing.T, section string) []byte {
	t.Helper()
	names := "\x00" + section + "\x00.shstrtab\x00"
	var b bytes.Buffer
	h := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64, Shentsize: 64, Shnum: 3, Shstrndx: 2,
		Shoff: uint64(64 + len(names)),
	}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: 64},
		{Name: uint32(2 + len(section)), Type: uint32(elf.SHT_STRTAB), Off: 64, Size: uint64(len(names))},
	}
	err := errors.Join(binary.Write(&b, binary.LittleEndian, h), binary.Write(&b, binary.LittleEndian, []byte(names)), binary.Write(&b, binary.LittleEndian, sections))
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A process that loads libjvm.so late is found after some scans, one that
// executes another program at once.
func TestProcessesThatBecomeJVMs(t *testing.T) {
	r := newTree(t, proc{pid: 10, args: []string{"launcher"}})
	f := r.finder()
	find := func() int {
		found, err := f.Find(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if n := find(); n != 0 {
		t.Fatalf("%d JVMs", n)
	}
	r.write("10/maps", "7f3f0-7f3f1 r-xp 00001000 08:01 12345    "+libjvm+"\n")
	scans := 1
	for ; find() == 0; scans++ {
		if scans > 2*scansToSkip {
			t.Fatal("the JVM is never found")
		}
	}
	if scans == 1 {
		t.Error("a process that was no JVM is looked into at every scan")
	}
	r.write("10/stat", fmt.Sprintf("10 (other) S %s0 77 %s\n", strings.Repeat("0 ", 17), strings.Repeat("0 ", 30)))
	if n := find(); n != 1 {
		t.Errorf("%d JVMs after the change of program", n)
	}
}

// What is known of a JVM is not read at every scan, but again after some, and at once
// when its process is replaced or ends.
func TestKnownJVMs(t *testing.T) {
	r := newTree(t, proc{pid: 10, ticks: 5, maps: []string{libjvm}, args: []string{"java", "Old"}})
	f := r.finder()
	find := func() string {
		found, err := f.Find(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var classes []string
		for _, p := range found {
			classes = append(classes, p.MainClass)
		}
		return strings.Join(classes, ",")
	}
	rename := func(class string) { r.write("10/cmdline", "java\x00"+class+"\x00") }
	if got := find(); got != "Old" {
		t.Fatalf("found %q", got)
	}
	rename("New")
	scans := 1
	for ; find() == "Old"; scans++ {
		if scans > 2*scansToTrust {
			t.Fatal("it is never looked into again")
		}
	}
	if scans == 1 {
		t.Error("it is looked into at every scan")
	}
	rename("Next")
	r.write("10/stat", fmt.Sprintf("10 (java) S %s0 77 %s\n", strings.Repeat("0 ", 17), strings.Repeat("0 ", 30)))
	if got := find(); got != "Next" {
		t.Errorf("another process of the same number is %q", got)
	}
	if err := os.RemoveAll(filepath.Join(r.root, "10")); err != nil {
		t.Fatal(err)
	}
	if got := find(); got != "" {
		t.Errorf("%q after its end", got)
	}
}

func TestProfilers(t *testing.T) {
	r := newTree(t,
		proc{pid: 10, maps: []string{libjvm}},
		proc{pid: 11, maps: []string{libjvm, "/lib/libprofiler.so.0", "/lib/x86_64/libc.so.6"}, fds: map[string]string{"5": "/tmp/jdk.jfr"}},
		proc{
			pid: 12, maps: []string{libjvm, "/tmp/libasyncProfiler-linux-x64-abc.so (deleted)", "/tmp/profiler123.so", "/dd/libjavaProfiler.so"},
			threads: []string{"GC Thread#0", "Async-profiler ", "Async-profiler "},
			fds:     map[string]string{"1": "/dev/null", "7": "/tmp/a b.jfr (deleted)", "8": "socket:[1]"},
		},
	)
	f := r.finder()
	look := func(pid int) Profilers {
		p, err := f.Process(pid)
		if err != nil {
			t.Fatal(err)
		}
		found, err := f.Profilers(p, Recording{})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, pid := range []int{10, 11} {
		if diff := cmp.Diff(Profilers{}, look(pid)); diff != "" {
			t.Errorf("process %d (-want +got):\n%s", pid, diff)
		}
	}
	want := Profilers{
		Libraries: []Library{{"/tmp/libasyncProfiler-linux-x64-abc.so", true}, {"/tmp/profiler123.so", false}, {"/dd/libjavaProfiler.so", false}},
		Threads:   2, Recordings: []Recording{{7, "/tmp/a b.jfr", true}},
	}
	if diff := cmp.Diff(want, look(12)); diff != "" {
		t.Errorf("profilers (-want +got):\n%s", diff)
	}
}

func TestSignalsAndAlive(t *testing.T) {
	r := newTree(t,
		proc{pid: 10, ticks: 5, sigCgt: 0x4}, proc{pid: 11, sigCgt: 0xfffffffffffffffb}, proc{pid: 12, state: "T", shdPnd: 0x4}, proc{pid: 13, state: "Z", ticks: 6})
	f := r.finder()
	want := map[int]Signals{10: {CatchesQuit: true}, 11: {}, 12: {QuitPending: true, Stopped: true}}
	for pid, w := range want {
		if got, err := f.Signals(pid); err != nil || got != w {
			t.Errorf("signals of %d: %+v %v, want %+v", pid, got, err, w)
		}
	}
	if _, err := f.Signals(99); err == nil {
		t.Error("signals of nobody")
	}
	for p, want := range map[Process]bool{
		{PID: 10, StartTicks: 5}: true, {PID: 10, StartTicks: 6}: false, {PID: 13, StartTicks: 6}: false, {PID: 99}: false,
	} {
		if got := f.Alive(p); got != want {
			t.Errorf("Alive(%s) = %v, want %v", p.Key(), got, want)
		}
	}
}

func TestCommandLines(t *testing.T) {
	tests := []struct {
		line string
		main string
	}{
		{line: "java Main", main: "Main"},
		{line: "/usr/bin/java -Xmx1g -cp /a:/b com.example.Main -Xrs arg", main: "com.example.Main"},
		{line: "java -jar /app/shop.jar -XX:+DisableAttachMechanism", main: "shop.jar"},
		{line: "java --module-path mods -m shop/com.example.Main", main: "com.example.Main"},
		{line: "java --module=shop/com.example.Main", main: "com.example.Main"},
		{line: "java @options Main", main: "Main"},
		{line: "java -Xrs -XX:+DisableAttachMechanism Main", main: "Main"},
		{line: "java -XX:+DisableAttachMechanism -XX:-DisableAttachMechanism Main", main: "Main"},
		{line: "java -jar"}, {line: "java"}, {line: ""}, {line: "java -cp"},
	}
	for _, test := range tests {
		args := strings.Fields(test.line)
		if got := mainClass(args); got != test.main {
			t.Errorf("mainClass(%q) = %q, want %q", test.line, got, test.main)
		}
	}
}

func TestClip(t *testing.T) {
	for in, want := range map[string]string{
		"Main": "Main", "a\x00b\x1b[31m\n": "ab[31m", "\xff\xfe": "", strings.Repeat("é", 200): strings.Repeat("é", 128),
	} {
		if got := Clip(in); got != want {
			t.Errorf("Clip(%q) = %q, want %q", in, got, want)
		}
	}
}

// A symlink in the JVM's root leads to a file in the JVM's root, and not to one
// of ours; anything but a file is left alone.
func TestReleaseFileOfAContainer(t *testing.T) {
	r := newTree(t, proc{pid: 10, maps: []string{libjvm}, args: []string{"java", "Main"}})
	secret := filepath.Join(t.TempDir(), "release")
	if err := os.WriteFile(secret, []byte("JAVA_VERSION=\"secret\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(r.root, "10/root/opt/jdk")
	release := filepath.Join(home, "release")
	if err := errors.Join(os.MkdirAll(home, 0o755), os.Symlink(secret, release)); err != nil {
		t.Fatal(err)
	}
	version := func() string {
		p, err := r.finder().Process(10)
		if err != nil {
			t.Fatal(err)
		}
		return p.Version
	}
	if v := version(); v != "" {
		t.Errorf("version %q was read outside of the container", v)
	}
	r.write("10/root/etc/release", "JAVA_VERSION=\"17.0.2\"\n")
	if err := errors.Join(os.Remove(release), os.Symlink("/etc/release", release)); err != nil {
		t.Fatal(err)
	}
	if v := version(); v != "17.0.2" {
		t.Errorf("version %q through a symlink within the container", v)
	}
	if err := errors.Join(os.Remove(release), unix.Mkfifo(release, 0o644)); err != nil {
		t.Fatal(err)
	}
	if v := version(); v != "" {
		t.Errorf("version %q from a FIFO", v)
	}
}

func TestRealJVM(t *testing.T) {
	j := jvmtest.Start(t, jvmtest.Options{Flags: []string{"-Xrs"}, Env: []string{"PODFLAME_CONTAINER=shop"}})
	f, err := NewFinder("/proc")
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Process(j.PID)
	if err != nil {
		t.Fatal(err)
	}
	if p.Kind != HotSpot || p.NSPID != j.PID || p.MainClass != "Workload" || p.Container != "shop" || p.Version == "" {
		t.Errorf("process %+v", p)
	}
	if age := time.Since(p.Start); age < 0 || age > jvmtest.Patience+time.Minute {
		t.Errorf("JVM began %s ago", age)
	}
	if s, err := f.Signals(j.PID); err != nil || s.CatchesQuit {
		t.Errorf("-Xrs JVM catches SIGQUIT: %+v %v", s, err)
	}
	if !f.Alive(p) {
		t.Error("the JVM is not alive")
	}
	j.Kill()
	if f.Alive(p) {
		t.Error("the JVM is alive after its end")
	}
}

func FuzzMaps(f *testing.F) {
	f.Add("7f3f0-7f3f1 r-xp 00001000 08:01 12345    /usr/lib/libjvm.so")
	f.Add("7f3f0-7f3f1 r-xp 00001000 08:01 12345    /a b.so (deleted)")
	f.Add("")
	f.Fuzz(func(t *testing.T, line string) {
		if path, ok := pathOf(line); ok && (!strings.HasPrefix(path, "/") || !strings.HasSuffix(line, path)) {
			t.Errorf("pathOf(%q) = %q", line, path)
		}
	})
}
