package jvmtest

import (
	"os/exec"
	"strings"
	"testing"
)

// The workload runs, and says nothing but its line, on every runtime.
func TestWorkloadOnEveryRuntime(t *testing.T) {
	for _, name := range append(JDKs(), JDK1105, "") {
		t.Run("jdk"+name, func(t *testing.T) {
			version, err := exec.Command(Java(t, name), "-version").CombinedOutput()
			if err != nil || !strings.Contains(string(version), `version "`+name) {
				t.Fatalf("java of runtime %q says %v: %s", name, err, version)
			}
			j := Start(t, Options{JDK: name, Threads: []string{"cpu", "alloc", "lock", "monitor"}})
			j.CheckUntouched(t)
		})
	}
}
