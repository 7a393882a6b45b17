// Command up runs a one-node Kubernetes on this host with Podflame's images and
// those of the tests in it, and a volume for the data, so that the README's
// commands work; prints how to use it, and ends it at Ctrl-C. Nothing is left
// behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/podflame/podflame/tests/cluster/furnish"
	"github.com/podflame/podflame/tests/cluster/images"
	"github.com/podflame/podflame/tests/cluster/kube"
)

func main() {
	build := flag.String("build", "build", "folder with images.tar, made by make images; left out if it is not there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *build); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, build string) (err error) {
	folder, err := os.MkdirTemp("", "podflame-cluster-")
	if err != nil {
		return fmt.Errorf("make a folder for the cluster: %w", err)
	}
	defer os.RemoveAll(folder)
	binaries, err := kube.Find()
	if err != nil {
		return err
	}
	root, err := kube.RepositoryRoot()
	if err != nil {
		return err
	}
	workshop := images.Workshop{Root: root, Cache: filepath.Dir(binaries.Cache), Folder: folder}
	archives, err := archives(ctx, workshop, build)
	if err != nil {
		return err
	}
	directory := filepath.Join(folder, "node")
	if err := os.Mkdir(directory, 0o700); err != nil {
		return fmt.Errorf("make a folder for the node: %w", err)
	}
	node, err := kube.StartNode(ctx, binaries, directory, archives...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Stop()) }()
	if err := furnish.Node(ctx, node, workshop); err != nil {
		return err
	}
	fmt.Printf("A node is ready. In another shell:\n\n  export KUBECONFIG=%s\n  alias kubectl='%s kubectl'\n\nIts images: ctr --address /proc/%d/root/run/containerd/containerd.sock -n k8s.io images list\nLogs: %s/log. Ctrl-C ends it.\n",
		node.Kubeconfig, binaries.Kubernetes, node.InitPID, directory)
	<-ctx.Done()
	return nil
}

func archives(ctx context.Context, workshop images.Workshop, build string) ([]string, error) {
	made, err := workshop.Node(ctx)
	if err != nil {
		return nil, err
	}
	own, err := filepath.Abs(filepath.Join(build, "images.tar"))
	if err != nil {
		return nil, fmt.Errorf("find the images: %w", err)
	}
	if _, err := os.Stat(own); err == nil {
		made = append(made, own)
	}
	return made, nil
}
