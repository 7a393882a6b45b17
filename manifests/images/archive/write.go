package archive

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Named is an image and the reference that it is loaded under.
type Named struct {
	Reference string
	Image     v1.Image
}

// Write stores images in one tar archive that is two things at once: an OCI
// image layout (oci-layout, index.json), which containerd reads, and a
// docker-archive (manifest.json), which Docker, podman and crane read. `docker
// save` writes the same since Docker 25. The file is whole or not there.
func Write(path string, images ...Named) error {
	partial := path + ".partial"
	file, err := os.Create(partial)
	if err != nil {
		return fmt.Errorf("write an image archive: %w", err)
	}
	defer os.Remove(partial)
	defer file.Close()
	w := &writer{tar: tar.NewWriter(file), written: map[v1.Hash]bool{}}
	for _, image := range images {
		if err := w.image(image); err != nil {
			return fmt.Errorf("write image %s to %s: %w", image.Reference, path, err)
		}
	}
	if err := w.finish(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(partial, path)
}

type writer struct {
	tar     *tar.Writer
	written map[v1.Hash]bool // blobs, shared between images
	index   v1.IndexManifest
	docker  []dockerImage
}

// dockerImage is an entry of manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Annotations that name an image in an index: containerd's and the standard's.
const (
	annotationContainerd = "io.containerd.image.name"
	annotationOCI        = "org.opencontainers.image.ref.name"
)

func (w *writer) image(named Named) error {
	tag, err := name.NewTag(named.Reference)
	if err != nil {
		return err
	}
	config, err := partial.ConfigLayer(named.Image)
	if err != nil {
		return err
	}
	entry := dockerImage{RepoTags: []string{named.Reference}}
	if entry.Config, err = w.layer(config); err != nil {
		return err
	}
	layers, err := named.Image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		blob, err := w.layer(layer)
		if err != nil {
			return err
		}
		entry.Layers = append(entry.Layers, blob)
	}
	w.docker = append(w.docker, entry)
	return w.manifest(named.Image, tag)
}

func (w *writer) manifest(image v1.Image, tag name.Tag) error {
	descriptor, err := partial.Descriptor(image)
	if err != nil {
		return err
	}
	content, err := image.RawManifest()
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	descriptor.Platform = config.Platform()
	descriptor.Annotations = map[string]string{annotationContainerd: fullName(tag), annotationOCI: tag.TagStr()}
	w.index.Manifests = append(w.index.Manifests, *descriptor)
	_, err = w.blob(descriptor.Digest, descriptor.Size, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	return err
}

// fullName names Docker Hub as everybody but the library does.
func fullName(tag name.Tag) string {
	if path, ok := strings.CutPrefix(tag.Name(), name.DefaultRegistry+"/"); ok {
		return "docker.io/" + path
	}
	return tag.Name()
}

func (w *writer) layer(layer v1.Layer) (string, error) {
	digest, err := layer.Digest()
	if err != nil {
		return "", err
	}
	size, err := layer.Size()
	if err != nil {
		return "", err
	}
	return w.blob(digest, size, layer.Compressed)
}

// blob writes content once and returns its path in the archive.
func (w *writer) blob(digest v1.Hash, size int64, open func() (io.ReadCloser, error)) (string, error) {
	path := "blobs/" + digest.Algorithm + "/" + digest.Hex
	if w.written[digest] {
		return path, nil
	}
	w.written[digest] = true
	content, err := open()
	if err != nil {
		return "", err
	}
	defer content.Close()
	return path, w.entry(path, size, content)
}

func (w *writer) entry(path string, size int64, content io.Reader) error {
	if err := w.tar.WriteHeader(&tar.Header{Name: path, Typeflag: tar.TypeReg, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(w.tar, content)
	return err
}

func (w *writer) finish() error {
	w.index.SchemaVersion, w.index.MediaType = 2, types.OCIImageIndex
	for _, file := range []struct {
		path  string
		value any
	}{
		{"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}},
		{"index.json", w.index},
		{"manifest.json", w.docker},
	} {
		content, err := json.Marshal(file.value)
		if err != nil {
			return err
		}
		if err := w.entry(file.path, int64(len(content)), bytes.NewReader(content)); err != nil {
			return err
		}
	}
	return w.tar.Close()
}
