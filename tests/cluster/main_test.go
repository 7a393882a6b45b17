// Package cluster proves the manifests and the webhook against a real API
// server: the manifests are installed with kubectl, the webhook runs as
// processes of this host with the arguments, the environment and the
// ServiceAccount that its Deployment gives it, and the API server calls it
// through its Service. There is no node, so all claims are about what the API
// server admits and stores.
package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/podflame/podflame/tests/cluster/kube"
)

// world is what all tests share: one control plane with the manifests
// installed. Tests use namespaces of their own, start the replicas of the
// webhook that they need, and leave none behind; they do not run in parallel.
type world struct {
	*kube.Cluster
	root    string   // of the repository
	program string   // the webhook
	service *service // stands in for the webhook's Service
}

var shared *world

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = 1
	}
	os.Exit(code)
}

const setupTimeout = 5 * time.Minute

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	binaries, err := kube.Find()
	if err != nil {
		return 1, err
	}
	directory, err := os.MkdirTemp("", "podflame-cluster-")
	if err != nil {
		return 1, fmt.Errorf("make a folder for the cluster: %w", err)
	}
	defer os.RemoveAll(directory)
	w := &world{}
	if w.root, err = kube.RepositoryRoot(); err != nil {
		return 1, err
	}
	if w.program, err = buildWebhook(ctx, w.root, directory); err != nil {
		return 1, err
	}
	if w.Cluster, err = kube.Start(ctx, binaries, directory); err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := w.Stop(); err == nil && stopErr != nil {
			err = stopErr
		}
	}()
	if w.service, err = newService(); err != nil {
		return 1, err
	}
	defer w.service.close()
	if err := w.install(ctx, binaries); err != nil {
		return 1, err
	}
	shared = w
	return m.Run(), nil
}

func buildWebhook(ctx context.Context, root, directory string) (string, error) {
	program := filepath.Join(directory, "webhook")
	command := exec.CommandContext(ctx, "go", "build", "-o", program, "./webhook")
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the webhook: %w: %s", err, output)
	}
	return program, nil
}
