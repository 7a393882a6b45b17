package jvmtest

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// JDK1105 is the runtime that does not make a removed attach socket again.
const JDK1105 = "11.0.5"

// JDKs returns the names of the runtimes that Podflame is tested on. They have
// no compiler.
func JDKs() []string { return []string{"11", "17", "21", "25"} }

// Java returns the java command of a runtime that tests/setup/setup.sh installs,
// or the host's if name is empty.
func Java(t testing.TB, name string) string {
	t.Helper()
	if name == "" {
		return "java"
	}
	found, _ := filepath.Glob(filepath.Join(cache(t), "java-"+name+"-*", "complete"))
	if len(found) == 0 {
		t.Fatalf("Java runtime %s is not installed; run tests/setup/setup.sh runtimes", name)
	}
	return filepath.Join(filepath.Dir(found[len(found)-1]), "bin", "java")
}

//go:embed testdata/Workload.java
var source []byte

// Classes compiles the workload for Java 11 and later, once for all tests on
// this machine, and returns its class path.
func Classes(t testing.TB) string {
	t.Helper()
	return Compile(t, "Workload", source)
}

// Compile compiles one public class for Java 11 and later, once for all tests on
// this machine, and returns its class path.
func Compile(t testing.TB, class string, source []byte) string {
	t.Helper()
	sum := sha256.Sum256(source)
	dir := filepath.Join(os.TempDir(), "podflame-"+class+"-11-"+hex.EncodeToString(sum[:8]))
	compiled := filepath.Join(dir, class+".class")
	if _, err := os.Stat(compiled); err == nil {
		return dir
	}
	work, err := os.MkdirTemp("", "podflame-javac-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	out := filepath.Join(work, "classes")
	javac(t, class, source, work, out)
	if err := os.Rename(out, dir); err != nil {
		if _, err := os.Stat(compiled); err != nil {
			t.Fatalf("install compiled class %s in %s: %v", class, dir, err)
		}
	}
	return dir
}

func javac(t testing.TB, class string, source []byte, work, out string) {
	t.Helper()
	file := filepath.Join(work, class+".java")
	if err := os.WriteFile(file, source, 0o644); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	javac := exec.Command("javac", "--release", "11", "-d", out, file)
	javac.Stderr = &stderr
	if err := javac.Run(); err != nil {
		t.Fatalf("javac %s: %v: %s", class, err, stderr.String())
	}
	if err := os.Chmod(out, 0o755); err != nil {
		t.Fatal(err)
	}
}

func cache(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("PODFLAME_CACHE"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(home, ".cache", "podflame")
}
