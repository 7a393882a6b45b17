package kube_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/tests/cluster/kube"
)

// TestStartStop shows that a cluster comes up, answers, and leaves nothing.
func TestStartStop(t *testing.T) {
	binaries, err := kube.Find()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	started := time.Now()
	cluster, err := kube.Start(ctx, binaries, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("cluster ready in %s", time.Since(started).Round(time.Millisecond))
	out, _, err := cluster.Kubectl(ctx, nil, "create", "deployment", "d", "--image=i", "--replicas=2", "-o", "name")
	if err != nil {
		t.Error(err)
	}
	if want := "deployment.apps/d\n"; out != want {
		t.Errorf("kubectl create printed %q, want %q", out, want)
	}
	out, _, err = cluster.Kubectl(ctx, nil, "wait", "pods", "-l", "app=d", "--for=create", "--timeout=60s")
	if err != nil || strings.Count(out, "condition met") == 0 {
		t.Errorf("the Deployment has no pods: %q, %v", out, err)
	}
	if err := cluster.Stop(); err != nil {
		t.Error(err)
	}
	if left := processesBelow(t, cluster.Directory); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

// processesBelow lists the processes whose arguments name a folder.
func processesBelow(t *testing.T, directory string) []string {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, path := range found {
		if content, err := os.ReadFile(path); err == nil && strings.Contains(string(content), directory) {
			left = append(left, path)
		}
	}
	return left
}

// TestProcessDiesWithItsGroup shows that Stop reaches what a program started.
func TestProcessDiesWithItsGroup(t *testing.T) {
	launcher := kube.NewLauncher()
	defer launcher.Close()
	directory := t.TempDir()
	marker := filepath.Join(directory, "marker")
	process, err := launcher.Start("sh", directory, nil, "/bin/sh", "-c", `trap : TERM; tail -f /dev/null `+marker+` & wait; wait`)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for len(processesBelow(t, marker)) < 2 { // the shell and its child
		if time.Now().After(deadline) {
			t.Fatal("the shell started no child within a minute")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-process.Ended()
	if left := processesBelow(t, marker); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

func TestFindSaysHowToSetUp(t *testing.T) {
	t.Setenv("PODFLAME_CACHE", t.TempDir())
	_, err := kube.Find()
	if err == nil || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("Find() = %v, want an error that names make setup", err)
	}
}
