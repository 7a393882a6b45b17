package kube

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Connect is a cluster that somebody else runs, by its kubeconfig. What tests
// write goes to an existing directory.
func Connect(binaries Binaries, kubeconfig, directory string) (*Cluster, error) {
	c := &Cluster{Directory: directory, Kubeconfig: kubeconfig, binaries: binaries, Launcher: NewLauncher()}
	if err := os.MkdirAll(filepath.Join(directory, "log"), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the logs: %w", err)
	}
	return c, c.connect()
}

// connect builds the client of the kubeconfig.
func (c *Cluster) connect() (err error) {
	if c.Config, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return fmt.Errorf("load %s: %w", c.Kubeconfig, err)
	}
	c.Config.QPS = -1
	if c.Client, err = kubernetes.NewForConfig(c.Config); err != nil {
		return fmt.Errorf("build a client: %w", err)
	}
	return nil
}

// KubectlPath is a program that is kubectl, as the administrator: a script in
// the cluster's folder.
func (c *Cluster) KubectlPath() (string, error) {
	path := filepath.Join(c.Directory, "bin", "kubectl")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make the folder of kubectl: %w", err)
	}
	// Not by a flag: kubectl takes none before the name of a plugin.
	script := fmt.Sprintf("#!/bin/sh\nKUBECONFIG='%s' exec '%s' kubectl \"$@\"\n", c.Kubeconfig, c.binaries.Kubernetes)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil { //nolint:gosec // a program
		return "", fmt.Errorf("write kubectl: %w", err)
	}
	return path, nil
}

const forwardLimit = 30 * time.Second

var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

// Forward is a running kubectl port-forward. It ends when its pod does.
type Forward struct {
	Address string // on this host

	command *exec.Cmd
	ended   chan struct{}
}

// Forward leads a free port of this host to a port of a resource, such as
// service/NAME, until Close.
func (c *Cluster) Forward(ctx context.Context, namespace, resource, port string) (*Forward, error) {
	path, err := c.KubectlPath()
	if err != nil {
		return nil, err
	}
	command := exec.Command(path, "port-forward", "--namespace", namespace, resource, ":"+port)
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("forward a port to %s: %w", resource, err)
	}
	complaint, err := os.OpenFile(filepath.Join(c.Directory, "log", "port-forward.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of port-forward: %w", err)
	}
	defer complaint.Close()
	command.Stderr = complaint
	if err := c.Launcher.run(command); err != nil {
		return nil, fmt.Errorf("forward a port to %s: %w", resource, err)
	}
	f := &Forward{command: command, ended: make(chan struct{})}
	address := make(chan string, 1)
	go func() {
		defer close(f.ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if found := forwarding.FindStringSubmatch(lines.Text()); found != nil && len(address) == 0 {
				address <- found[1]
			}
		}
		_ = command.Wait() // how it ended is in the log
	}()
	ctx, cancel := context.WithTimeout(ctx, forwardLimit)
	defer cancel()
	select {
	case f.Address = <-address:
		return f, nil
	case <-f.ended:
		return nil, fmt.Errorf("forward a port to %s: kubectl ended; its log: %s", resource, complaint.Name())
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("forward a port to %s: %w", resource, ctx.Err()), f.Close())
	}
}

// Ended is closed once the port leads nowhere.
func (f *Forward) Ended() <-chan struct{} { return f.ended }

// Close ends the forwarding.
func (f *Forward) Close() error {
	err := f.command.Process.Kill()
	<-f.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}
