// Command write writes the images that the workloads of `make acceptance` run on as
// archives, for a cluster that is not ours: `kind load image-archive` and the like
// take them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/podflame/podflame/tests/cluster/images"
	"github.com/podflame/podflame/tests/cluster/kube"
)

func main() {
	output := flag.String("output", "build/workload-images", "folder of the archives; what is in it is removed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *output); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, output string) error {
	binaries, err := kube.Find()
	if err != nil {
		return err
	}
	root, err := kube.RepositoryRoot()
	if err != nil {
		return err
	}
	for _, clean := range []func() error{
		func() error { return os.RemoveAll(output) },
		func() error { return os.MkdirAll(output, 0o755) }, //nolint:gosec // for other programs to read
	} {
		if err := clean(); err != nil {
			return fmt.Errorf("make the folder of the archives: %w", err)
		}
	}
	folder, err := os.MkdirTemp(output, "layers-") // beside what is made of them, which is moved
	if err != nil {
		return fmt.Errorf("make a folder for the layers: %w", err)
	}
	defer os.RemoveAll(folder)
	archives, err := images.Workshop{Root: root, Cache: filepath.Dir(binaries.Cache), Folder: folder}.Workloads(ctx)
	if err != nil {
		return err
	}
	for _, archive := range archives {
		path := filepath.Join(output, filepath.Base(archive))
		if err := os.Rename(archive, path); err != nil {
			return fmt.Errorf("move an archive: %w", err)
		}
		fmt.Println(path)
	}
	return nil
}
