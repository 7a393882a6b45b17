package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podflame/podflame/webhook/internal/inject"
)

// registryTimeout bounds all questions to the registry of the image.
const registryTimeout = 15 * time.Second

// pullable asks the registry, with the credentials of whoever runs this, for the
// sidecar's image. Nodes may have an image that no registry has, so a missing
// one is a warning; whether pods wait for it, another check says.
func (i Installation) pullable(ctx context.Context) []Result {
	if i.SettingsError != nil {
		return []Result{{Level: Unknown, Detail: "the webhook's settings are not known", Remedy: "Correct them first"}}
	}
	reference, err := name.ParseReference(i.Inject.Image)
	if err != nil {
		return failed(fmt.Sprintf("%q is no name of an image: %v", i.Inject.Image, err), "Correct PODFLAME_SIDECAR_IMAGE of the webhook")
	}
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	has, err := i.architecturesOf(ctx, reference)
	var answer *transport.Error
	switch {
	case errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound:
		return []Result{warned(i.Inject.Image+" is not in its registry", "Push it, or correct PODFLAME_SIDECAR_IMAGE of the webhook, unless all nodes have it loaded")}
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return []Result{{Level: Unknown, Detail: fmt.Sprintf("the registry answers %d for %s", answer.StatusCode, i.Inject.Image),
			Remedy: "Log in (docker login) and check again; namespaces need a pull secret, named in PODFLAME_SIDECAR_PULL_SECRETS"}}
	case err != nil:
		return []Result{{Level: Unknown, Detail: fmt.Sprintf("ask the registry for %s: %v", i.Inject.Image, err), Remedy: "Check again from where the registry is reached"}}
	}
	nodes, err := i.nodeArchitectures(ctx)
	if err != nil {
		return unanswered("list nodes", err, "")
	}
	var lacking []string
	for _, architecture := range nodes {
		if slices.Contains(i.Inject.Architectures, architecture) && !slices.Contains(has, architecture) {
			lacking = append(lacking, architecture)
		}
	}
	if len(lacking) > 0 {
		return failed(fmt.Sprintf("%s is there for %s, and nodes are %s", i.Inject.Image, strings.Join(has, ", "), strings.Join(lacking, ", ")),
			"Push the image for these, or leave them out of PODFLAME_SIDECAR_ARCHITECTURES, so that pods of such nodes are skipped")
	}
	return passed()
}

// architecturesOf are those that an image is there for, sorted.
func (i Installation) architecturesOf(ctx context.Context, reference name.Reference) ([]string, error) {
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if i.Registry != nil {
		options = append(options, remote.WithTransport(i.Registry))
	}
	descriptor, err := remote.Get(reference, options...)
	if err != nil {
		return nil, err
	}
	if !descriptor.MediaType.IsIndex() {
		image, err := descriptor.Image()
		if err != nil {
			return nil, err
		}
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		return []string{config.Architecture}, nil
	}
	index, err := descriptor.ImageIndex()
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, image := range manifest.Manifests {
		if image.Platform != nil && image.Platform.OS == "linux" {
			found[image.Platform.Architecture] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// nodeArchitectures are those of the nodes that could run a sidecar, sorted.
func (i Installation) nodeArchitectures(ctx context.Context) ([]string, error) {
	nodes, err := i.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, node := range nodes.Items {
		if architecture := node.Labels[corev1.LabelArchStable]; architecture != "" && node.Labels[corev1.LabelOSStable] != "windows" {
			found[architecture] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// architectures finds nodes whose pods are skipped.
func (i Installation) architectures(ctx context.Context) []Result {
	nodes, err := i.nodeArchitectures(ctx)
	if err != nil {
		return unanswered("list nodes", err, "")
	}
	foreign := slices.DeleteFunc(nodes, func(architecture string) bool { return slices.Contains(i.Inject.Architectures, architecture) })
	if len(foreign) > 0 {
		return []Result{warned(strings.Join(foreign, ", "), inject.ArchitectureUnsupported.Remedy())}
	}
	return passed()
}
