// Package furnish gives a node of ours what a cluster at large has and the README's
// commands need: a volume for the data, and the image of the demo.
package furnish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/podflame/podflame/tests/cluster/images"
	"github.com/podflame/podflame/tests/cluster/kube"
)

// Volume is the folder of the data on the node. It is a file system of its own, so
// that it can be filled: a sparse file, which takes what is written.
const (
	Volume     = "/run/node/volume"
	volumeSize = 6 << 30
)

// demoImage is what the manifests' demo runs on; a node of ours, which reaches no
// registry, has an image of ours under its name.
var demoImage = regexp.MustCompile(`image: (docker\.io/library/eclipse-temurin):\S+@(sha256:[0-9a-f]{64})`)

// Node furnishes a node.
func Node(ctx context.Context, node *kube.Node, workshop images.Workshop) error {
	if err := mountVolume(ctx, node); err != nil {
		return err
	}
	for _, arguments := range [][]string{
		{"label", "node", kube.NodeName, "profiling.io/storage=true"},
		{"apply", "-f", filepath.Join(workshop.Root, "manifests", "local-volume.yaml")},
	} {
		if _, _, err := node.Kubectl(ctx, nil, arguments...); err != nil {
			return err
		}
	}
	return importDemo(ctx, node, workshop)
}

func mountVolume(ctx context.Context, node *kube.Node) error {
	image := filepath.Join(node.Directory, "volume.ext4")
	file, err := os.Create(image) //nolint:gosec // in the node's own folder
	if err != nil {
		return fmt.Errorf("make the volume: %w", err)
	}
	if err := errors.Join(file.Truncate(volumeSize), file.Close()); err != nil {
		return fmt.Errorf("make the volume: %w", err)
	}
	for _, command := range []*exec.Cmd{
		exec.CommandContext(ctx, "mkfs.ext4", "-q", "-m", "0", image),
		node.Inside(ctx, "mkdir", "-p", Volume),
		node.Inside(ctx, "mount", "-o", "loop", image, Volume), // ends with the node's mounts
		node.Inside(ctx, "ln", "-s", Volume, "/var/lib/podflame"),
	} {
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("make the volume: %s: %w: %s", command, err, output)
		}
	}
	return nil
}

func importDemo(ctx context.Context, node *kube.Node, workshop images.Workshop) error {
	archive, err := workshop.JDK(ctx)
	if err != nil {
		return err
	}
	if err := node.Import(ctx, archive); err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(workshop.Root, "manifests", "overlays", "demo", "deployment.yaml"))
	if err != nil {
		return fmt.Errorf("read the demo: %w", err)
	}
	found := demoImage.FindStringSubmatch(string(manifest))
	if found == nil {
		return fmt.Errorf("the demo's image is not of the form %s", demoImage)
	}
	_, err = node.Ctr(ctx, "images", "tag", images.JDKName, found[1]+"@"+found[2])
	return err
}
