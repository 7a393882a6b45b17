package acceptance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// uninstall follows manifests/README.md and looks for what is left.
func uninstall(t *testing.T) {
	require(t, stepLimit, "Uninstall", "the commands of manifests/README.md leave nothing but running pods", func(s *step) {
		before := shared.readyPods(s, demoNamespace, "app.kubernetes.io/name=demo", 2)
		for _, command := range undoCommands(s) {
			shared.shell(s, command)
		}
		s.until("no object of ours is left", func() (bool, string) {
			out, _, err := shared.Kubectl(s.ctx, nil, "get", "-o", "name", "--ignore-not-found", "--all-namespaces",
				"namespaces,mutatingwebhookconfigurations,clusterroles,clusterrolebindings,configmaps", "--selector", "app.kubernetes.io/part-of=podflame")
			namespaces, _, nsErr := shared.Kubectl(s.ctx, nil, "get", "namespace", systemNamespace, "--ignore-not-found", "-o", "name")
			left := strings.TrimSpace(out + namespaces)
			return err == nil && nsErr == nil && left == "", fmt.Sprint(left, err, nsErr)
		})
		for _, pod := range before {
			now, err := shared.Client.CoreV1().Pods(demoNamespace).Get(s.ctx, pod.Name, metav1.GetOptions{})
			s.must(err)
			if !isReady(now) {
				s.Errorf("pod %s is not ready any more: %s", pod.Name, trouble(now))
			}
		}
		bundles, err := shared.Client.CoreV1().ConfigMaps("").List(s.ctx, metav1.ListOptions{FieldSelector: "metadata.name=podflame-trust"})
		s.must(err)
		if len(bundles.Items) > 0 {
			s.Errorf("%d trust bundles are left", len(bundles.Items))
		}
		s.must(shared.Client.CoreV1().Namespaces().Delete(s.ctx, demoNamespace, metav1.DeleteOptions{}))
	})
}

// leaveNothing removes from somebody else's cluster what a run that was broken off
// has left; after a whole one there is nothing.
func (l *lab) leaveNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), stepLimit)
	defer cancel()
	for _, arguments := range [][]string{
		{"delete", "--ignore-not-found", "-k", filepath.Join(l.root, "manifests", "overlays", "demo")},
		{"delete", "--ignore-not-found", "-k", filepath.Join(l.root, "manifests", "overlays", "quickstart")},
		{"delete", "--ignore-not-found", "configmap", "--all-namespaces", "--field-selector", "metadata.name=podflame-trust"},
	} {
		if _, _, err := l.Kubectl(ctx, nil, arguments...); err != nil {
			t.Errorf("clean up: %v", err)
		}
	}
}

// undoCommands are the commands of the section Undo, for the overlay that the
// README installs.
func undoCommands(s *step) []string {
	text, err := os.ReadFile(filepath.Join(shared.root, "manifests", "README.md"))
	s.must(err)
	_, section, ok := strings.Cut(string(text), "## Undo\n")
	if !ok {
		s.Fatalf("manifests/README.md has no section Undo")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var commands []string
	for line := range strings.Lines(section) {
		if command, ok := strings.CutPrefix(line, "    kubectl "); ok {
			command, _, _ = strings.Cut(command, "#")
			commands = append(commands, "kubectl "+strings.TrimSpace(strings.Replace(command, "-k .", "-k manifests/overlays/quickstart", 1)))
		}
	}
	if len(commands) < 2 {
		s.Fatalf("manifests/README.md names %d commands to undo with", len(commands))
	}
	return commands
}
