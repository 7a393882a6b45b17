package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/tests/cluster/node"
)

// NodeName is the name of the one node.
const NodeName = "node1"

// Node is a cluster with a node that runs pods: a kubelet with containerd, a
// scheduler, a proxy and DNS, in namespaces of their own. The host reaches it
// through the API server alone: kubectl port-forward and exec lead to pods.
type Node struct {
	*Cluster
	InitPID int // the node's pid 1, as the host sees it: /proc/PID/root is its file system

	supervisor *Process
	life       *os.File // the supervisor ends the node when this closes
	stopped    bool
}

// StartNode brings up a node in an existing, empty directory, which must be on
// a disk's file system, and returns once the node is ready for pods. Images are
// archives for containerd to import, by absolute path. It needs root.
func StartNode(ctx context.Context, binaries Binaries, directory string, images ...string) (*Node, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := nodeSupported(); err != nil {
		return nil, err
	}
	for _, sub := range []string{"log", "pki", "conf/cni"} {
		if err := os.MkdirAll(filepath.Join(directory, sub), 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of the node: %w", err)
		}
	}
	n := &Node{Cluster: &Cluster{Directory: directory, binaries: binaries, Launcher: NewLauncher()}}
	if err := n.bringUp(ctx, images); err != nil {
		return nil, fmt.Errorf("start a node: %w", errors.Join(err, n.Stop()))
	}
	return n, nil
}

// nodeSupported says what the host lacks.
func nodeSupported() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("a node needs root: it mounts, makes network links and cgroups, all in namespaces of its own")
	}
	for _, program := range []string{"containerd", "runc", "ip", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("a node needs %s, which is not in PATH: run `make setup-cluster` as root first", program)
		}
	}
	return nil
}

func (n *Node) bringUp(ctx context.Context, images []string) error {
	authority, err := newPKI(filepath.Join(n.Directory, "pki"))
	if err != nil {
		return err
	}
	// Open in the host's network, accepted from by the node's pid 1.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open the way to the API server: %w", err)
	}
	defer listener.Close()
	if err := n.configure(authority, listener.Addr().(*net.TCPAddr).Port); err != nil {
		return err
	}
	if err := authority.nodeCredentials(); err != nil {
		return err
	}
	if err := writeConfiguration(n.Directory); err != nil {
		return err
	}
	if err := nodeSpec(n.binaries, authority, n.Directory, images).Write(); err != nil {
		return err
	}
	if err := n.supervise(ctx, listener.(*net.TCPListener)); err != nil {
		return err
	}
	return errors.Join(
		n.await(ctx, "the node", n.nodeReady),
		n.await(ctx, "the default ServiceAccount", n.defaultAccount))
}

// supervise builds and starts the supervisor. It is no child of the launching
// thread: it must outlive this program by the moment that it takes to clean up.
func (n *Node) supervise(ctx context.Context, listener *net.TCPListener) error {
	root, err := RepositoryRoot()
	if err != nil {
		return err
	}
	program := filepath.Join(n.Directory, "run")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./tests/cluster/node/run")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the node's supervisor: %w: %s", err, output)
	}
	accepted, err := listener.File()
	if err != nil {
		return fmt.Errorf("hand over the listener: %w", err)
	}
	defer accepted.Close()
	held, life, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make the supervisor's lifeline: %w", err)
	}
	defer held.Close()
	command := exec.Command(program, "supervise", n.Directory)
	command.Stdin, command.ExtraFiles = held, []*os.File{accepted}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	n.life = life
	if n.supervisor, err = startProcess("node", filepath.Join(n.Directory, "log"), command, command.Start); err != nil {
		return err
	}
	n.processes = append(n.processes, n.supervisor)
	return n.await(ctx, "the node's namespaces", n.readInitPID)
}

func (n *Node) readInitPID(context.Context) (err error) {
	content, err := os.ReadFile(filepath.Join(n.Directory, node.PIDFile))
	if err != nil {
		return fmt.Errorf("read the process id of the node: %w", err)
	}
	n.InitPID, err = strconv.Atoi(string(content))
	return err
}

func (n *Node) nodeReady(ctx context.Context) error {
	found, err := n.Client.CoreV1().Nodes().Get(ctx, NodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range found.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("the node is registered and not ready: %+v", found.Status.Conditions)
}

// Stop ends the node and removes what it left; the logs stay. A node that has
// been stopped is left alone.
func (n *Node) Stop() error {
	if n.stopped {
		return nil
	}
	n.stopped = true
	defer n.Launcher.Close()
	if n.supervisor == nil {
		return nil
	}
	defer n.life.Close()
	return n.supervisor.Stop()
}

// Import loads an image archive into the node, under its own name.
func (n *Node) Import(ctx context.Context, archive string) error {
	_, err := n.Ctr(ctx, "images", "import", archive)
	return err
}

// Ctr runs containerd's client on the images and containers of pods.
func (n *Node) Ctr(ctx context.Context, arguments ...string) (string, error) {
	socket := fmt.Sprintf("/proc/%d/root/run/containerd/containerd.sock", n.InitPID)
	command := exec.CommandContext(ctx, "ctr", append([]string{"--address", socket, "--namespace", "k8s.io"}, arguments...)...)
	output, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return string(output), nil
}

// Inside is a command that sees the node's file systems and mounts.
func (n *Node) Inside(ctx context.Context, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--target", strconv.Itoa(n.InitPID), "--mount"}, arguments...)...)
}

// InNetwork is such a command that is in the node's network, too.
func (n *Node) InNetwork(ctx context.Context, arguments ...string) *exec.Cmd {
	return n.Inside(ctx, append([]string{"--net"}, arguments...)...)
}

// Path is where this host sees a file of the node.
func (n *Node) Path(inside string) string {
	return fmt.Sprintf("/proc/%d/root%s", n.InitPID, inside)
}

// Cgroup is the name of the node's cgroup at the root of each hierarchy.
func (n *Node) Cgroup() string { return node.CgroupOf(n.supervisor.command.Process.Pid) }
