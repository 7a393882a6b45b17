package kube_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podflame/podflame/tests/cluster/images"
	"github.com/podflame/podflame/tests/cluster/kube"
	"github.com/podflame/podflame/tests/cluster/node"
)

// TestNode runs pods on a node: one serves, the other calls it by the name of
// its Service; then the node ends, and nothing of it is left on the host.
func TestNode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a node needs root")
	}
	before := hostState(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	started := time.Now()
	n := startNode(ctx, t, t.TempDir())
	t.Logf("node ready in %s", time.Since(started).Round(time.Millisecond))
	apply(ctx, t, n, `
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: httpd
    image: local/busybox:1
    command: [sh, -c, "echo served >/tmp/index.html && exec httpd -f -p 8080 -h /tmp"]
    readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
    resources: {limits: {cpu: 500m, memory: 32Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: sleep, image: local/busybox:1, command: [sleep, "3600"]}]
`)
	if _, _, err := n.Kubectl(ctx, nil, "wait", "pods", "--all", "--for=condition=Ready", "--timeout=90s"); err != nil {
		t.Fatalf("%v\n%s", err, describe(ctx, n))
	}
	// The endpoint may be a moment younger than the pod's readiness.
	out, _, err := n.Kubectl(ctx, nil, "exec", "client", "--", "sh", "-c",
		"for i in 1 2 3 4 5 6 7 8 9 10; do fetch http://server.default.svc.cluster.local && exit; sleep 1; done; exit 1")
	if err != nil || out != "served\n" {
		t.Errorf("the client got %q, %v", out, err)
	}
	cgroup := n.Cgroup()
	if len(node.Cgroups(cgroup)) < 3 {
		t.Errorf("pods are not in the node's cgroup: %v", node.Cgroups(cgroup))
	}
	if servers, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", n.InitPID)); err != nil || !strings.Contains(string(servers), "/"+cgroup+"/servers\n") {
		t.Errorf("the servers are not in the node's cgroup, and busy pods would starve them: %s %v", servers, err)
	}
	stopped := time.Now()
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
	t.Logf("node gone in %s", time.Since(stopped).Round(time.Millisecond))
	checkNothingLeft(t, n.Directory, cgroup)
	if after := hostState(t); after != before {
		t.Errorf("the node changed the host\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

// TestNodeOutlivesNobody kills the program that started a node, as a time-out of
// a test run does.
func TestNodeOutlivesNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a node needs root")
	}
	folder := t.TempDir()
	ready := filepath.Join(folder, "ready")
	starter := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestHelperStartsNode$") //nolint:gosec // this program
	starter.Env = append(os.Environ(), helperFolder+"="+folder)
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	var content []byte
	await(t, "the helper's node", func() bool {
		content, _ = os.ReadFile(ready)
		return len(content) > 0 || starter.ProcessState != nil
	})
	cgroup, pid, _ := strings.Cut(string(content), " ")
	if err := starter.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = starter.Wait()
	initPID, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the node", func() bool {
		return errors.Is(syscall.Kill(initPID, 0), syscall.ESRCH) && len(node.Cgroups(cgroup)) == 0
	})
	await(t, "the end of the node's folder", func() bool {
		_, err := os.Stat(filepath.Join(folder, "node"))
		return os.IsNotExist(err)
	})
	checkNothingLeft(t, folder, cgroup)
}

const helperFolder = "PODFLAME_TEST_NODE_FOLDER"

// TestHelperStartsNode is the program that TestNodeOutlivesNobody kills.
func TestHelperStartsNode(t *testing.T) {
	folder := os.Getenv(helperFolder)
	if folder == "" {
		t.Skip("runs as a part of TestNodeOutlivesNobody")
	}
	directory := filepath.Join(folder, "node")
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	n := startNode(t.Context(), t, directory)
	if err := os.WriteFile(filepath.Join(folder, "ready.new"), []byte(n.Cgroup()+" "+strconv.Itoa(n.InitPID)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(folder, "ready.new"), filepath.Join(folder, "ready")); err != nil {
		t.Fatal(err)
	}
	<-t.Context().Done()
	select {}
}

func startNode(ctx context.Context, t *testing.T, directory string) *kube.Node {
	t.Helper()
	binaries, err := kube.Find()
	if err != nil {
		t.Fatal(err)
	}
	root, err := kube.RepositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	archives, err := images.Workshop{Root: root, Folder: t.TempDir()}.Basic(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n, err := kube.StartNode(ctx, binaries, directory, archives...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	return n
}

func apply(ctx context.Context, t *testing.T, n *kube.Node, manifest string) {
	t.Helper()
	if _, _, err := n.Kubectl(ctx, strings.NewReader(manifest), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

func describe(ctx context.Context, n *kube.Node) string {
	out, _, err := n.Kubectl(ctx, nil, "get", "pods,events", "--all-namespaces", "-o", "wide")
	if err != nil {
		return err.Error()
	}
	return out
}

// hostState is what a node could change by mistake.
func hostState(t *testing.T) string {
	t.Helper()
	var state strings.Builder
	for _, command := range [][]string{{"ip", "-o", "link"}, {"ip", "route"}, {"nft", "list", "ruleset"}, {"cat", "/proc/self/mountinfo"},
		{"cat", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic", "/proc/sys/kernel/panic_on_oops", "/proc/sys/net/ipv4/ip_forward"},
		{"ls", "/var/lib/cni", "/var/lib/kubelet", "/var/lib/containerd", "/run/containerd", "/var/log/pods", "/var/log/containers", "/etc/cni/net.d"}} {
		output, _ := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		state.Write(output)
	}
	return state.String()
}

func checkNothingLeft(t *testing.T, directory, cgroup string) {
	t.Helper()
	if left := processesBelow(t, directory); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
	if left := node.Cgroups(cgroup); len(left) > 0 {
		t.Errorf("cgroups left: %v", left)
	}
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 3 min: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
