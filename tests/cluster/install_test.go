package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/tests/cluster/kube"
)

// systemNamespace is where the manifests install to.
const systemNamespace = "podflame-system"

// install puts the quickstart overlay into the cluster, with the webhook's
// Service leading to this host, and the definitions that optional manifests
// need.
func (w *world) install(ctx context.Context, binaries kube.Binaries) error {
	definitions, err := filepath.Glob(filepath.Join(binaries.Cache, "definitions-*", "*.yaml"))
	if err != nil || len(definitions) == 0 {
		return fmt.Errorf("no definitions below %s: run `make setup-cluster` first", binaries.Cache)
	}
	for _, path := range definitions {
		// Server-side, as the larger ones exceed what an annotation may hold.
		if _, _, err := w.Kubectl(ctx, nil, "apply", "--server-side", "-f", path); err != nil {
			return err
		}
	}
	overlay, err := w.testOverlay()
	if err != nil {
		return err
	}
	_, _, err = w.Kubectl(ctx, nil, "apply", "-k", overlay)
	return err
}

// testOverlay writes testdata/overlay.yaml.tmpl, filled in, to a folder of its
// own and returns that.
func (w *world) testOverlay() (string, error) {
	directory := filepath.Join(w.Directory, "overlay")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return "", fmt.Errorf("make the folder of the test overlay: %w", err)
	}
	base, err := filepath.Rel(directory, filepath.Join(w.root, "manifests", "overlays", "quickstart"))
	if err != nil {
		return "", fmt.Errorf("find the way to the manifests: %w", err)
	}
	text, err := template.ParseFiles(filepath.Join(w.root, "tests", "cluster", "testdata", "overlay.yaml.tmpl"))
	if err != nil {
		return "", fmt.Errorf("parse the test overlay: %w", err)
	}
	var filled strings.Builder
	if err := text.Execute(&filled, map[string]any{"Base": base, "Port": w.service.port()}); err != nil {
		return "", fmt.Errorf("fill in the test overlay: %w", err)
	}
	if err := os.WriteFile(filepath.Join(directory, "kustomization.yaml"), []byte(filled.String()), 0o600); err != nil {
		return "", fmt.Errorf("write the test overlay: %w", err)
	}
	return directory, nil
}

// environment is what kubelet would give to the first container of a
// Deployment: its env and envFrom, resolved.
func (w *world) environment(ctx context.Context, deployment string) (arguments, environment []string, err error) {
	found, err := w.Client.AppsV1().Deployments(systemNamespace).Get(ctx, deployment, metav1.GetOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("read Deployment %s: %w", deployment, err)
	}
	container := found.Spec.Template.Spec.Containers[0]
	for _, source := range container.EnvFrom {
		values, err := w.Client.CoreV1().ConfigMaps(systemNamespace).Get(ctx, source.ConfigMapRef.Name, metav1.GetOptions{})
		if err != nil {
			return nil, nil, fmt.Errorf("read the environment of Deployment %s: %w", deployment, err)
		}
		for name, value := range values.Data {
			environment = append(environment, name+"="+value)
		}
	}
	for _, variable := range container.Env {
		value := variable.Value
		if from := variable.ValueFrom; from != nil {
			if from.FieldRef == nil || from.FieldRef.FieldPath != "metadata.namespace" {
				return nil, nil, fmt.Errorf("Deployment %s: the test cannot resolve variable %s", deployment, variable.Name)
			}
			value = systemNamespace
		}
		environment = append(environment, variable.Name+"="+value)
	}
	return container.Args, environment, nil
}
