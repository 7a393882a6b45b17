package archive

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image puts layers on each other for a Linux machine of an architecture.
func Image(architecture string, config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	return On(empty.Image, architecture, config, layers...)
}

// On puts layers on a base; what the config leaves empty is the base's.
func On(base v1.Image, architecture string, config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	image := base
	if size, err := image.Layers(); err == nil && len(size) == 0 {
		image = mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON)
	}
	image, err := mutate.AppendLayers(image, layers...)
	if err != nil {
		return nil, fmt.Errorf("put layers on an image: %w", err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the config of an image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", architecture
	file.Config.Env = append(file.Config.Env, config.Env...)
	file.Config.Entrypoint, file.Config.Cmd = config.Entrypoint, config.Cmd
	if config.User != "" {
		file.Config.User = config.User
	}
	file.Config.WorkingDir = config.WorkingDir
	file.Config.ExposedPorts = config.ExposedPorts
	file.Config.Labels = config.Labels
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return nil, fmt.Errorf("set the config of an image: %w", err)
	}
	return image, nil
}
