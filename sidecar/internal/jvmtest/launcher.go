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
	javac, err := exec.LookPath("javac")
	if err == nil {
		javac, err = filepath.EvalSymlinks(javac)
	}
	if err != nil {
		t.Fatalf("find the JDK: %v", err)
	}
	home := filepath.Dir(filepath.Dir(javac))
	dir := publicDir(t)
	source := filepath.Join(dir, "launcher.c")
	if err := os.WriteFile(source, launcherSource, 0o644); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "app")
	include := filepath.Join(home, "include")
	gcc := exec.Command("gcc", "-I", include, "-I", filepath.Join(include, "linux"), "-o", path, source, "-ldl")
	if out, err := gcc.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v: %s", err, out)
	}
	return path, []string{"LIBJVM=" + filepath.Join(home, "lib", "server", "libjvm.so")}
}
