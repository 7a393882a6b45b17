package asprof

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/podflame/podflame/backend/profile"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReplies(t *testing.T) {
	tests := []struct {
		name, reply, log string
		ok               bool
		reason           profile.Reason
		detail           string
	}{
		{"JDK 9 and later", "0\nreturn code: 0\n", "", true, "", ""},
		{"JDK 8", "0\n0\n", "", true, "", ""},
		{"command error", "0\nreturn code: 200\n", "[ERROR] Profiler already started\n", true, profile.ProfilerError, "200 [ERROR] Profiler already started"},
		{"argument error", "0\nreturn code: 100\n", "[ERROR] Invalid interval\n", true, profile.ProfilerError, "100 [ERROR] Invalid interval"},
		{"error in the log only", "0\nreturn code: 0\n", "[ERROR] x\n", true, profile.ProfilerError, "[ERROR] x"},
		{"too early", "0\nreturn code: 200\n", "[ERROR] JVM does not support Tool Interface\n", true, profile.JVMStarting, "[ERROR] JVM does not support Tool Interface"},
		{"no such library", "-1\n/x.so was not loaded.\n/x.so: cannot open shared object file\n", "", true, profile.LibraryNotLoaded, "/x.so was not loaded.; /x.so: cannot open shared object file"},
		{"no such library, JDK 21", "0\n/x.so was not loaded.\n", "", true, profile.LibraryNotLoaded, "/x.so was not loaded."},
		{"protocol version", "101\n", "", true, profile.LibraryNotLoaded, ""},
		{"closed without a word", "", "", false, "", ""},
		{"not HotSpot", "HTTP/1.1 400 Bad Request\n", "", false, "", ""},
		{"control characters", "-1\n\x1b[31mred\x00\n", "", true, profile.LibraryNotLoaded, "[31mred"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, ok := parseReply([]byte(test.reply))
			if ok != test.ok {
				t.Fatalf("ok = %v, want %v", ok, test.ok)
			}
			if !ok {
				return
			}
			reason, detail := r.failure(test.log)
			if reason != test.reason || detail != test.detail {
				t.Errorf("failure = %q %q, want %q %q", reason, detail, test.reason, test.detail)
			}
		})
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"0\nreturn code: 0\n", "0\n0\n", "-1\nx", "", "\n", "101\n", "99999999999999999999\n"} {
		f.Add([]byte(s), "[ERROR] x")
	}
	f.Fuzz(func(t *testing.T, b []byte, log string) {
		r, ok := parseReply(b)
		if !ok {
			return
		}
		reason, detail := r.failure(log)
		if reason == "" && (r.status != 0 || !r.hasAgent || r.agent != 0) {
			t.Errorf("%q is no success", b)
		}
		if len(detail) > maxDetail+16 || strings.ContainsAny(detail, "\x00\x1b\n\r") {
			t.Errorf("detail %q is not fit to be shown", detail)
		}
	})
}

func TestRecordingOptions(t *testing.T) {
	good := Recording{
		File: "/shared/1-2/a.jfr", CPUInterval: 10 * time.Millisecond, AllocInterval: 524288, Live: true, LockThreshold: 10 * time.Millisecond,
		WallInterval: 50 * time.Millisecond, NativeInterval: 471859, NativeThreshold: time.Millisecond, MemoryLimit: 64 << 20, ChunkSize: 16 << 20, ChunkTime: 75 * time.Second, Timeout: 2 * time.Hour,
	}
	cmd, err := Record(good, "/shared/1-2/profiler.log")
	if err != nil {
		t.Fatal(err)
	}
	want := "resume,event=cpu,interval=10000000,alloc=524288,live,lock=10000000,wall=50000000,nativemem=471859,nofree,nativelock=1000000,jfr,file=/shared/1-2/a.jfr," +
		"memlimit=67108864,chunksize=16777216,chunktime=75,timeout=7200,log=/shared/1-2/profiler.log"
	if diff := cmp.Diff(want, cmd.String()); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	tests := map[string]func(*Recording){
		"relative file":   func(r *Recording) { r.File = "a.jfr" },
		"comma in file":   func(r *Recording) { r.File = "/a,event=wall.jfr" },
		"pattern in file": func(r *Recording) { r.File = "/%p.jfr" },
		"newline in file": func(r *Recording) { r.File = "/a\n.jfr" },
		"not clean":       func(r *Recording) { r.File = "/a/../b.jfr" },
		"no event": func(r *Recording) {
			*r = Recording{File: r.File, MemoryLimit: r.MemoryLimit, ChunkSize: r.ChunkSize, ChunkTime: r.ChunkTime, Timeout: r.Timeout}
		},
		"live without alloc":  func(r *Recording) { r.AllocInterval = 0 },
		"memory too small":    func(r *Recording) { r.MemoryLimit = 1 << 20 },
		"chunks too small":    func(r *Recording) { r.ChunkSize = 1000 },
		"chunks too short":    func(r *Recording) { r.ChunkTime = time.Second },
		"ends before a chunk": func(r *Recording) { r.Timeout = time.Second },
		"no timeout":          func(r *Recording) { r.Timeout = 0 },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			bad := good
			spoil(&bad)
			if cmd, err := Record(bad, "/log"); err == nil {
				t.Errorf("accepted: %s", cmd)
			}
		})
	}
}

func TestCommandsThatAreNotSent(t *testing.T) {
	long := "/" + strings.Repeat("x", maxOptions)
	for _, test := range []struct{ library, log string }{
		{"/lib.so", ""}, {"/lib.so", "relative.log"}, {"/lib.so", "/a,b.log"}, {"/lib.so", long}, {"lib.so", "/log"}, {"/" + strings.Repeat("x", 2000), "/log"},
	} {
		if err := Dump(test.log).check(test.library); err == nil {
			t.Errorf("library %.20q log %.20q is accepted", test.library, test.log)
		}
	}
}

func TestLengthOfOptions(t *testing.T) {
	for length, ok := range map[int]bool{maxOptions - 1: true, maxOptions: false} {
		cmd := Dump("/")
		cmd.log += strings.Repeat("x", length-len(cmd.String()))
		if err := cmd.check("/lib.so"); len(cmd.String()) != length || (err == nil) != ok {
			t.Errorf("options of %d bytes: %v", len(cmd.String()), err)
		}
	}
}

func TestParseMetrics(t *testing.T) {
	got := ParseMetrics("mem_calltracestorage_kb 10244\nsamples_total 17\nsamples_skipped_total 3\ncalltracestorage_overflows_total 2\nother 1\nsamples_total x\nbad")
	if want := (Counters{Samples: 17, Skipped: 3, Overflows: 2, StackKB: 10244}); got != want {
		t.Errorf("counters %+v, want %+v", got, want)
	}
}

func TestInstall(t *testing.T) {
	source, dir := filepath.Join(t.TempDir(), "lib.so"), filepath.Join(t.TempDir(), "lib")
	write := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(source, "\x7fELF one")
	first, err := Install(source, dir)
	if err != nil {
		t.Fatal(err)
	}
	if !IsOurs(first, dir) || IsOurs(first, "/elsewhere") || IsOurs(filepath.Join(dir, "libasyncProfiler.so"), dir) {
		t.Errorf("IsOurs is wrong about %s", first)
	}
	before := inode(t, first)
	if again, err := Install(source, dir); err != nil || again != first || inode(t, again) != before {
		t.Errorf("second Install touched the file: %s, %v", again, err)
	}
	write(source, "\x7fELF two")
	if second, err := Install(source, dir); err != nil || second == first {
		t.Errorf("other content has the same name: %s, %v", second, err)
	}
	if inode(t, first) != before {
		t.Error("the first library was touched")
	}
	// A damaged copy is replaced, not overwritten.
	write(source, "\x7fELF one")
	if err := os.Chmod(first, 0o755); err != nil {
		t.Fatal(err)
	}
	write(first, "\x7fELF ONE")
	if _, err := Install(source, dir); err != nil || inode(t, first) == before {
		t.Errorf("the damaged copy was not replaced by rename: %v", err)
	}
	write(source, "#!/bin/sh")
	if _, err := Install(source, dir); err == nil {
		t.Error("a shell script was installed as library")
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func TestParseVersion(t *testing.T) {
	for log, want := range map[string]string{
		"4.5": "4.5", "4.5\n": "4.5", "4.6-rc1": "4.6-rc1", "": "", "[ERROR] Profiler is not active": "", strings.Repeat("4", 40): "",
	} {
		if got := ParseVersion(log); got != want {
			t.Errorf("ParseVersion(%q) = %q, want %q", log, got, want)
		}
	}
}
