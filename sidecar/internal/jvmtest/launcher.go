package jvmtest

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

//go:embed testdata/launcher.c
var launcherSource []byte

// Launcher compiles a program that takes the arguments of java and runs a JVM
// through JNI, without the java command's library. env is what it needs. With
// OWN_HANDLER=1 beside it, SIGQUIT ends the program.
func Launcher(t testing.TB) (path string, env []string) {
	t.Helper()
	home := jdkHome(t)
	path = compileC(t, "app", launcherSource, "-ldl")
	return path, []string{"LIBJVM=" + filepath.Join(home, "lib", "server", "libjvm.so")}
}

//go:embed testdata/withoutperf.c
var withoutPerfSource []byte

// WithoutPerf compiles a program that runs the java command of jdk where perf events
// are refused, as in a container; the profiler then samples by timers. env is what it
// needs.
func WithoutPerf(t testing.TB, jdk string) (path string, env []string) {
	t.Helper()
	return compileC(t, "withoutperf", withoutPerfSource), []string{"PROGRAM=" + Java(t, jdk)}
}

// NativeLibrary compiles a library of native methods.
func NativeLibrary(t testing.TB, source []byte) (path string) {
	t.Helper()
	return compileC(t, "native.so", source, "-shared", "-fPIC", "-pthread")
}

// jdkHome is the folder of the host's JDK.
func jdkHome(t testing.TB) string {
	t.Helper()
	javac, err := exec.LookPath("javac")
	if err == nil {
		javac, err = filepath.EvalSymlinks(javac)
	}
	if err != nil {
		t.Fatalf("find the JDK: %v", err)
	}
	return filepath.Dir(filepath.Dir(javac))
}

func compileC(t testing.TB, name string, source []byte, flags ...string) (path string) {
	t.Helper()
	dir := publicDir(t)
	file := filepath.Join(dir, name+".c")
	if err := os.WriteFile(file, source, 0o644); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, name)
	include := filepath.Join(jdkHome(t), "include")
	gcc := exec.Command("gcc", append([]string{"-I", include, "-I", filepath.Join(include, "linux"), "-o", path, file}, flags...)...)
	if out, err := gcc.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v: %s", err, out)
	}
	return path
}
